"""Chunks of the common form to the SSE body of an Anthropic message. Pure; one for each stream.

Whatever comes in, this goes out: `message_start`; blocks one after the other; `message_delta`; `message_stop`. Only the
first choice is sent. Thinking that comes after text is dropped, as it may not stand there. Calls that come interleaved
are put in a row: while the open call's arguments are not whole, everything else waits, until `finish()` if need be;
what is added to a call after its block has stopped is dropped.
"""

from dataclasses import dataclass, field
from typing import Any

from app.dialects.anthropic_messages.block_writer import BlockWriter, Piece, TextPiece, event
from app.dialects.anthropic_messages.errors import error_event
from app.dialects.anthropic_messages.response_encoding import encode_usage
from app.dialects.estimate import estimate_input_tokens, estimate_output_tokens
from app.dialects.stop_reasons import to_anthropic
from app.dialects.thinking import thinking_pieces
from app.dialects.tool_calls import CallOrder, CallPiece
from app.errors import GatewayError
from app.messages import Choice, Message, ModelResponse, Request, ThinkingBlock, Usage

_NOTHING = Message()


@dataclass(slots=True)
class _HeldBlock:
    """A block that waits for its turn; `position` is that of its call."""

    position: int | None
    pieces: list[Piece] = field(default_factory=list)


class AnthropicClientFormatter:
    """`transaction_id` stands in where the provider gave no id; `input_tokens`, or else an estimate made when it is
    needed, where the provider has not counted when the stream begins. The last event has the real numbers."""

    def __init__(self, request: Request, transaction_id: str, created: int, input_tokens: int | None = None) -> None:
        self._request = request
        self._transaction_id = transaction_id
        self._input_tokens = input_tokens
        self._blocks = BlockWriter()
        self._calls = CallOrder(f"toolu_{transaction_id}")
        self._held: list[_HeldBlock] = []
        self._finish_reason: str | None = None
        self._stop_sequence: str | None = None
        self._usage: Usage | None = None
        self._has_text = False
        self._started = False
        self._ended = False

    def format(self, chunk: ModelResponse) -> bytes:
        if self._ended:
            return b""
        out = b"" if self._started else self._start(chunk)
        if chunk.usage is not None:
            self._usage = chunk.usage
        for choice in chunk.choices:
            if choice.index == 0:
                out += self._format_choice(choice)
        return out

    def finish(self) -> bytes:
        """The clean end. A reason to stop that was taken away by a policy is rendered as `end_turn` or `tool_use`:
        that the provider gave one at all is made sure before."""
        if self._ended:
            return b""
        out = [b"" if self._started else self._start(ModelResponse())]
        out += [self._blocks.write(piece) for block in self._held for piece in block.pieces]
        out += [self._blocks.close(), event("message_delta", self._message_delta())]
        out.append(event("message_stop", {"type": "message_stop"}))
        self._held.clear()
        self._ended = True
        return b"".join(out)

    def fail(self, error: GatewayError) -> bytes:
        """The error event, and nothing after it: a `message_stop` would make the stream a success."""
        if self._ended:
            return b""
        self._ended = True
        return event("error", error_event(error))

    def keepalive(self) -> bytes:
        return b"" if self._ended else b": keepalive\n\n"

    def _format_choice(self, choice: Choice) -> bytes:
        if choice.finish_reason is not None:
            self._finish_reason, self._stop_sequence = choice.finish_reason, choice.stop_sequence
        said = choice.delta or choice.message or _NOTHING
        out = b""
        if said.reasoning_content or said.thinking_blocks:
            for thought in thinking_pieces(said, self._blocks.has_open_thinking):
                out += self._accept(thought)
        if said.content:
            out += self._accept_text(said.content)
        if said.refusal:
            out += self._accept_text(said.refusal)
        for call in said.tool_calls:
            piece = self._calls.place(call)
            if piece is not None:
                out += self._accept(piece)
        return out

    def _accept_text(self, text: str) -> bytes:
        self._has_text = True
        if not self._held and not self._blocks.is_amid_call():
            return self._blocks.write_text(text)
        return self._accept(TextPiece(text))

    def _accept(self, piece: Piece) -> bytes:
        if isinstance(piece, ThinkingBlock) and self._has_text:
            return b""
        if isinstance(piece, CallPiece):
            if self._blocks.is_open_call(piece.position):
                return self._blocks.write_call(piece)
            if self._blocks.is_past_call(piece.position):
                return b""
        if self._held or self._blocks.is_amid_call():
            self._hold(piece)
            return b""
        return self._blocks.write(piece)

    def _hold(self, piece: Piece) -> None:
        position = piece.position if isinstance(piece, CallPiece) else None
        if position is None:
            block = self._held[-1] if self._held and self._held[-1].position is None else None
        else:
            block = next((held for held in self._held if held.position == position), None)
        if block is None:
            block = _HeldBlock(position)
            self._held.append(block)
        block.pieces.append(piece)

    def _start(self, chunk: ModelResponse) -> bytes:
        self._started = True
        usage = chunk.usage
        if usage is None or not usage.prompt_tokens:
            tokens = self._input_tokens or estimate_input_tokens(self._request)
            usage = Usage(prompt_tokens=tokens, completion_tokens=1)
        message: dict[str, Any] = {
            "id": chunk.id or f"msg_{self._transaction_id}",
            "type": "message",
            "role": "assistant",
            "model": chunk.model or self._request.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": encode_usage(usage),
        }
        return event("message_start", {"type": "message_start", "message": message})

    def _message_delta(self) -> dict[str, Any]:
        """Without a provider's count the input stays as it was estimated, and the output is estimated too."""
        reason = to_anthropic(self._finish_reason, self._stop_sequence, self._calls.begun > 0)
        sequence = self._stop_sequence if reason == "stop_sequence" else None
        if self._usage is None:
            usage: dict[str, Any] = {"output_tokens": estimate_output_tokens(self._blocks.chars)}
        else:
            usage = encode_usage(self._usage)
        return {
            "type": "message_delta",
            "delta": {"stop_reason": reason, "stop_sequence": sequence},
            "usage": usage,
        }
