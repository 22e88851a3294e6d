"""Chunks to the SSE events of an Anthropic message, where they cannot go out as they came. Pure; one for each stream.

While they can, the start of a block waits until something of the block comes, and the end of the message for the end of
the stream.

Whatever comes in, this goes out: `message_start`; blocks one after the other; `message_delta`; `message_stop`. Only the
first choice is sent. Thinking keeps its place between texts; only a signature that comes after its block has stopped is
dropped. Calls that come interleaved are put in a row: while the open call's arguments are not whole, everything else
waits, until `finish()` if need be; what is added to a call after its block has stopped is dropped. Beside a block of
the provider's own that is open, what does not belong into it waits for its stop.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from app.dialects.anthropic_messages.block_writer import (
    BlockWriter,
    Event,
    NativeBlocks,
    Piece,
    TextPiece,
    event,
    holds_nothing,
)
from app.dialects.anthropic_messages.errors import error_event
from app.dialects.anthropic_messages.ids import message_id
from app.dialects.anthropic_messages.response_encoding import encode_usage
from app.dialects.anthropic_messages.stop_reasons import stop_reason
from app.dialects.estimate import estimate_input_tokens, estimate_output_tokens
from app.dialects.passthrough import Held, Step
from app.dialects.thinking import thinking_pieces
from app.dialects.tool_calls import CallOrder, CallPiece
from app.dialects.translation.call_ids import CallIds, prefix_of
from app.errors import GatewayError
from app.messages import Choice, Dialect, Message, ModelResponse, Native, Received, Request, Usage, is_substantial


class _MessageEnd:
    """Collects what the last two events of a message hold: usage, reason to stop, the provider's other fields."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.stop: Event = {"type": "message_stop"}
        self.is_stopped = False
        """The provider's `message_stop` has come."""
        self._native_event: Event = {}
        self._reason: str | None = None
        self._sequence: str | None = None

    def count(self, usage: Usage) -> None:
        self.usage = usage
        self._native_event = {}

    def finished(self, choice: Choice) -> None:
        self._reason, self._sequence = choice.finish_reason, choice.stop_sequence
        self._native_event = {}

    def native_delta(self, chunk: ModelResponse, native_event: Event) -> None:
        for choice in chunk.choices:
            if choice.index == 0 and choice.finish_reason is not None:
                self.finished(choice)
        self._native_event = native_event

    def native_stop(self, native_event: Event) -> None:
        self.stop = native_event
        self.is_stopped = True

    def delta(self, called: bool, chars: int) -> Event:
        """Return the `message_delta` event. The output tokens are estimated if the provider counted none."""
        native_event = self._native_event
        delta = native_event.get("delta")
        delta = delta if isinstance(delta, dict) else {}
        reason, sequence = self._stop_reason(delta, called)
        if isinstance(native_event.get("usage"), dict):
            usage: dict[str, Any] = native_event["usage"]
        elif self.usage is None:
            usage = {"output_tokens": estimate_output_tokens(chars)}
        else:
            usage = encode_usage(self.usage)
        ending = {**delta, "stop_reason": reason, "stop_sequence": sequence}
        return {"type": "message_delta", **native_event, "delta": ending, "usage": usage}

    def _stop_reason(self, delta: Event, called: bool) -> tuple[str, str | None]:
        """Return the reason to stop, in the provider's word if that still holds, and the stop sequence."""
        word, sequence = delta.get("stop_reason"), delta.get("stop_sequence") or self._sequence
        reason = stop_reason(self._reason, self._sequence, called)
        if isinstance(word, str):
            known = stop_reason(word, sequence, called)
            reason = word if known == "end_turn" and word != "tool_use" else known
        return reason, sequence if reason == "stop_sequence" else None


@dataclass(slots=True)
class _HeldBlock:
    """Pieces that wait. `position` is that of their call, None for other pieces."""

    position: int | None
    pieces: list[Piece] = field(default_factory=list)


class _HeldBlocks:
    """Pieces that wait for the open block to end: those of one call together, all others in their order."""

    def __init__(self) -> None:
        self.blocks: list[_HeldBlock] = []

    def add(self, piece: Piece) -> None:
        position = piece.position if isinstance(piece, CallPiece) else None
        if position is None:
            block = self.blocks[-1] if self.blocks and self.blocks[-1].position is None else None
        else:
            block = next((held for held in self.blocks if held.position == position), None)
        if block is None:
            block = _HeldBlock(position)
            self.blocks.append(block)
        block.pieces.append(piece)

    def release(self, writer: BlockWriter) -> bytes:
        blocks, self.blocks = self.blocks, []
        return b"".join([writer.write(piece) for block in blocks for piece in block.pieces])


_NOTHING = Message()


class EventEncoder:
    """A `StreamEncoder`. `new_id` stands in where the provider gave no id; an estimate, made when it is needed,
    where it has not counted the input when the stream begins. The last event has the real numbers."""

    dialect: Dialect = "anthropic_messages"

    def __init__(self, request: Request, transaction_id: str, new_id: str) -> None:
        self._request = request
        self._new_id = new_id
        self._blocks = BlockWriter()
        self._calls = CallOrder(CallIds(prefix_of(transaction_id, "toolu"), request))
        self._natives = NativeBlocks(self._blocks, self._calls)
        self._held = _HeldBlocks()
        self._end = _MessageEnd()
        self._started = False
        self._is_detached = False
        self._first: ModelResponse | None = None
        self._has_followed_to_its_end = False

    def follow_piece(self, received: Received) -> bool:
        native = received.native
        if native is None or native.kind != "content_block_delta" or self._natives.block is None:
            return False
        self._blocks.follow_delta(received.chunk, native)
        return True

    def step(self, chunk: ModelResponse, native: Native, holding: bool) -> Step:
        kind = native.kind
        if not self._started:
            if kind.startswith(("content_block_", "message_")) and kind != "message_start":
                # Its provider has not told the beginning of the message.
                return "encode"
        elif kind == "content_block_delta" and self._natives.block is None and not holding:
            # Nor here that of the block.
            return "encode"
        if self._has_followed_to_its_end or kind in ("message_delta", "message_stop"):
            # Some providers go on after their own end; nobody reads that but byte for byte.
            self._has_followed_to_its_end = self._has_followed_to_its_end or kind == "message_stop"
            return "hold"
        if holding and kind in ("", "ping"):
            return "hold"
        if kind == "content_block_start" and holds_nothing(native.event or {}):
            return "hold_alone"
        return "send"

    def is_complete(self, held: Sequence[Held]) -> bool:
        return self._has_followed_to_its_end

    def take_over(self) -> None:
        """Do nothing: each event was noted as it was sent."""

    def encode(self, chunk: ModelResponse) -> bytes:
        if chunk.usage is not None:
            self._end.count(chunk.usage)
        elif not self._started and not is_substantial(chunk):
            # The first event shows what the provider has counted: it may come next.
            self._first = self._first or chunk
            return b""
        out = b"" if self._started else self._start(chunk)
        return out + self._format_choices(chunk)

    def encode_texts(self, chunk: ModelResponse, texts: Sequence[str]) -> bytes | None:
        (choice,) = chunk.choices
        if not self._started or choice.index or choice.delta is None:
            return None
        kind = "text" if choice.delta.content else "thinking" if choice.delta.reasoning_content else ""
        return self._blocks.write_texts(texts) if self._goes_on() and self._blocks.has_open(kind) else None

    def encode_event(self, chunk: ModelResponse, native_event: Event) -> bytes:
        if self._end.is_stopped:
            return b""
        kind = native_event.get("type")
        self._end.usage = chunk.usage or self._end.usage
        if kind == "message_start":
            return b"" if self._started else self._start_native(native_event)
        out = b"" if self._started else self._start(chunk)
        match kind:
            case "content_block_start":
                return out + self._native_start(chunk, native_event)
            case "content_block_delta":
                delta = None if self._is_detached else self._natives.delta(native_event)
                return out + (self._format_choices(chunk) if delta is None else delta)
            case "content_block_stop":
                return out + self._native_stop(chunk, native_event)
            case "message_delta":
                self._end.native_delta(chunk, native_event)
                return out + self._natives.end() + self._release()
            case "message_stop":
                self._end.native_stop(native_event)
                return out
            case "error":
                return out
            case _:
                return out + event(str(kind), native_event)

    def follow(self, chunk: ModelResponse, native: Native) -> None:
        self._end.usage = chunk.usage or self._end.usage
        match native.kind:
            case "content_block_delta" if self._natives.block is not None:
                self._blocks.follow_delta(chunk, native)
            case "message_start":
                self._started = True
            case "content_block_start":
                self._natives.follow_start(native.event or {}, chunk)
            case "content_block_stop":
                self._natives.block = None
                self._blocks.follow_stop()
            case _:
                pass

    def gap(self) -> None:
        if self._natives.block is not None:
            self._natives.block.is_whole = False

    def finish(self) -> bytes:
        """The clean end. A reason to stop that was taken away by a policy is rendered as `end_turn` or `tool_use`:
        that the provider gave one at all is made sure before."""
        out = [b"" if self._started else self._start(self._first or ModelResponse())]
        out += [self._natives.end(), self._release(), self._blocks.close()]
        out.append(event("message_delta", self._end.delta(self._calls.begun > 0, self._blocks.chars)))
        out.append(event("message_stop", self._end.stop))
        return b"".join(out)

    def fail(self, error: GatewayError) -> bytes:
        """What still waits for the open block to end, and the error event. No `message_stop` follows, which would make
        the stream a success."""
        waiting = self._natives.end() + self._release() if self._held.blocks else b""
        return waiting + error_event(error)

    def _native_start(self, chunk: ModelResponse, native_event: Event) -> bytes:
        block = self._natives.block
        if block is not None and block.index == native_event.get("index"):
            return b""
        if self._is_detached or self._lacks_arguments():
            return self._detached(chunk)
        return self._natives.end() + self._release() + self._natives.start(native_event, chunk)

    def _native_stop(self, chunk: ModelResponse, native_event: Event) -> bytes:
        block = self._natives.block
        if self._is_detached or block is None or block.index != native_event.get("index"):
            return b""
        if self._lacks_arguments():
            return self._detached(chunk)
        return self._natives.end(native_event) + self._release()

    def _lacks_arguments(self) -> bool:
        """Whether a policy holds arguments back beyond the end of their block."""
        block = self._natives.block
        return (block is None or not block.is_whole) and self._blocks.is_amid_call()

    def _detached(self, chunk: ModelResponse) -> bytes:
        """Keep the open call open, and write all that follows from the common form."""
        self._is_detached = True
        self._natives.block = None
        return self._format_choices(chunk)

    def _format_choices(self, chunk: ModelResponse) -> bytes:
        out = b""
        for choice in chunk.choices:
            if choice.index == 0:
                out += self._format_choice(choice)
        return out

    def _format_choice(self, choice: Choice) -> bytes:
        if choice.finish_reason is not None:
            self._end.finished(choice)
        message = choice.delta or choice.message or _NOTHING
        out = b""
        if message.reasoning_content or message.thinking_blocks:
            for thought in thinking_pieces(message, self._blocks.has_open_thinking):
                out += self._accept(thought)
        if message.content:
            out += self._accept_text(message.content)
        if message.refusal:
            out += self._accept_text(message.refusal)
        for call in message.tool_calls:
            piece = self._calls.add(call)
            if piece is not None:
                out += self._accept(piece)
        return out

    def _accept_text(self, text: str) -> bytes:
        if self._goes_on():
            return self._blocks.write_text(text)
        return self._accept(TextPiece(text))

    def _goes_on(self) -> bool:
        """Whether text need not wait for the end of anything."""
        return not self._held.blocks and self._natives.block is None and not self._blocks.is_amid_call()

    def _accept(self, piece: Piece) -> bytes:
        if self._natives.takes(piece):
            return self._natives.begin() + self._blocks.write(piece)
        if isinstance(piece, CallPiece):
            if self._blocks.is_open_call(piece.position):
                return self._blocks.write_call(piece)
            if self._blocks.is_past_call(piece.position):
                return b""
        block = self._natives.block
        if self._held.blocks or (block is not None and block.is_begun) or self._blocks.is_amid_call():
            self._held.add(piece)
            return b""
        return self._blocks.write(piece)

    def _release(self) -> bytes:
        return self._held.release(self._blocks) if self._held.blocks else b""

    def _start_native(self, native_event: Event) -> bytes:
        self._started = True
        return event("message_start", native_event)

    def _start(self, chunk: ModelResponse) -> bytes:
        self._started = True
        first = self._first or chunk
        usage = chunk.usage
        if usage is None or not usage.prompt_tokens:
            tokens = estimate_input_tokens(self._request)
            usage = Usage(prompt_tokens=tokens, completion_tokens=1)
        message: dict[str, Any] = {
            "id": message_id(chunk.id or first.id) or self._new_id,
            "type": "message",
            "role": "assistant",
            "model": chunk.model or first.model or self._request.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": encode_usage(usage),
        }
        return event("message_start", {"type": "message_start", "message": message})
