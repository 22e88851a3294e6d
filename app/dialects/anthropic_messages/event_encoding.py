"""Chunks to the SSE events of an Anthropic message, where they cannot go out as they came. Pure; one for each stream.

Whatever comes in, this goes out: `message_start`; blocks one after the other; `message_delta`; `message_stop`. Only the
first choice is sent. Thinking keeps its place between texts; only a signature that comes after its block has stopped is
dropped. Calls that come interleaved are put in a row: while the open call's arguments are not whole, everything else
waits, until `finish()` if need be; what is added to a call after its block has stopped is dropped. Beside a block of
the provider's own that is open, what does not belong into it waits for its stop.
"""

from typing import Any

from app.dialects.anthropic_messages.block_writer import BlockWriter, Piece, TextPiece, event
from app.dialects.anthropic_messages.held_blocks import HeldBlocks
from app.dialects.anthropic_messages.message_end import MessageEnd
from app.dialects.anthropic_messages.native_blocks import Event, NativeBlocks
from app.dialects.anthropic_messages.response_encoding import encode_usage
from app.dialects.estimate import estimate_input_tokens
from app.dialects.ids import message_id
from app.dialects.thinking import thinking_pieces
from app.dialects.tool_calls import CallOrder, CallPiece
from app.messages import Choice, Message, ModelResponse, Native, Request, Usage, is_substantial

_NOTHING = Message()


class EventEncoder:
    """`transaction_id` stands in where the provider gave no id; an estimate, made when it is needed, where it has not
    counted the input when the stream begins. The last event has the real numbers."""

    def __init__(self, request: Request, transaction_id: str) -> None:
        self._request = request
        self._transaction_id = transaction_id
        self._blocks = BlockWriter()
        self._calls = CallOrder(f"toolu_{transaction_id}")
        self._natives = NativeBlocks(self._blocks, self._calls)
        self._held = HeldBlocks()
        self._end = MessageEnd()
        self._started = False
        self._is_detached = False
        self._first: ModelResponse | None = None

    def format(self, chunk: ModelResponse) -> bytes:
        if chunk.usage is not None:
            self._end.count(chunk.usage)
        elif not self._started and not is_substantial(chunk):
            # The first event shows what the provider has counted: it may come next.
            self._first = self._first or chunk
            return b""
        out = b"" if self._started else self._start(chunk)
        for choice in chunk.choices:
            if choice.index == 0:
                out += self._format_choice(choice)
        return out

    def format_native(self, chunk: ModelResponse, own: Event) -> bytes:
        """An event of a provider of this dialect, all its own but for the numbers."""
        if self._end.is_stopped:
            return b""
        kind = own.get("type")
        self._end.usage = chunk.usage or self._end.usage
        if kind == "message_start":
            return b"" if self._started else self._start_native(own)
        out = b"" if self._started else self._start(chunk)
        match kind:
            case "content_block_start":
                return out + self._native_start(chunk, own)
            case "content_block_delta":
                delta = None if self._is_detached else self._natives.delta(own)
                return out + (self._format_choices(chunk) if delta is None else delta)
            case "content_block_stop":
                return out + self._native_stop(chunk, own)
            case "message_delta":
                self._end.native_delta(chunk, own)
                return out + self._natives.end() + self._release()
            case "message_stop":
                self._end.native_stop(own)
                return out
            case "error":
                return out
            case _:
                return out + event(str(kind), own)

    def follow(self, chunk: ModelResponse, own: Event | None) -> None:
        """This went out as it came."""
        self._end.usage = chunk.usage or self._end.usage
        match own and own.get("type"):
            case "message_start":
                self._started = True
            case "content_block_start" if own is not None:
                self._natives.follow_start(own, chunk)
            case "content_block_stop":
                self._natives.block = None
                self._blocks.follow_stop()
            case _:
                pass

    def follow_delta(self, native: Native) -> None:
        self._blocks.follow_delta(native)

    def gap(self) -> None:
        """Something of the provider's is missing here."""
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

    def _native_start(self, chunk: ModelResponse, own: Event) -> bytes:
        block = self._natives.block
        if block is not None and block.index == own.get("index"):
            return b""
        if self._is_detached or self._lacks_arguments():
            return self._detached(chunk)
        return self._natives.end() + self._release() + self._natives.start(own, chunk)

    def _native_stop(self, chunk: ModelResponse, own: Event) -> bytes:
        block = self._natives.block
        if self._is_detached or block is None or block.index != own.get("index"):
            return b""
        if self._lacks_arguments():
            return self._detached(chunk)
        return self._natives.end(own) + self._release()

    def _lacks_arguments(self) -> bool:
        """A policy may hold arguments back, past the end that the provider gave to their block."""
        block = self._natives.block
        return (block is None or not block.is_whole) and self._blocks.is_amid_call()

    def _detached(self, chunk: ModelResponse) -> bytes:
        """The open call stays open, and from here on the common form decides what waits for it."""
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
        if not self._held.blocks and self._natives.block is None and not self._blocks.is_amid_call():
            return self._blocks.write_text(text)
        return self._accept(TextPiece(text))

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

    def _start_native(self, own: Event) -> bytes:
        self._started = True
        return event("message_start", own)

    def _start(self, chunk: ModelResponse) -> bytes:
        self._started = True
        first = self._first or chunk
        usage = chunk.usage
        if usage is None or not usage.prompt_tokens:
            tokens = estimate_input_tokens(self._request)
            usage = Usage(prompt_tokens=tokens, completion_tokens=1)
        message: dict[str, Any] = {
            "id": message_id(chunk.id or first.id) or f"msg_{self._transaction_id}",
            "type": "message",
            "role": "assistant",
            "model": chunk.model or first.model or self._request.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": encode_usage(usage),
        }
        return event("message_start", {"type": "message_start", "message": message})
