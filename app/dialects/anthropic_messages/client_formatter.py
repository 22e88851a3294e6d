"""Chunks to the SSE body of an Anthropic message. Pure; one for each stream.

While a provider's own events come one after the other, their bytes are the body, and nothing is added at its end. From
the first one that is missing, changed or put in on, `EventEncoder` numbers what follows anew. The start of a block
waits until something of the block comes, and the end of the message for `finish()`, so that what a policy says last
comes before it.
"""

from app.dialects.anthropic_messages.block_writer import event
from app.dialects.anthropic_messages.errors import error_event
from app.dialects.anthropic_messages.event_encoding import EventEncoder
from app.dialects.anthropic_messages.native_blocks import holds_nothing
from app.dialects.verbatim import EDITED, ENDED, separator
from app.errors import GatewayError
from app.messages import ModelResponse, Native, Request


class AnthropicClientFormatter:
    """`transaction_id` stands in where the provider gave no id. The API has no time of creation."""

    def __init__(self, request: Request, transaction_id: str, created: int) -> None:
        self._encoder = EventEncoder(request, transaction_id)
        self._next = 0
        self._expected = 0
        self._held: list[tuple[ModelResponse, Native]] = []
        self._is_stopped = False
        self._raw = b""

    def format(self, chunk: ModelResponse) -> bytes:
        native = chunk.native
        if native is None and self._next == EDITED:
            return self._encoder.format(chunk)
        if native is None or native.sequence != self._next or native.dialect != "anthropic_messages":
            return self._format_edited(chunk)
        self._next += 1
        if native.kind == "content_block_delta" and not self._held:
            return self._sent(chunk, native)
        return self._format_verbatim(chunk, native)

    def finish(self) -> bytes:
        """The clean end: the provider's own if it came through whole."""
        if self._next == ENDED:
            return b""
        if self._is_stopped and self._next > 0:
            out = b"".join([native.raw for _, native in self._held])
        else:
            out = self._hand_over() + self._encoder.finish()
        self._end()
        return out

    def fail(self, error: GatewayError) -> bytes:
        """The error event, and nothing after it: a `message_stop` would make the stream a success."""
        if self._next == ENDED:
            return b""
        self._end()
        return separator(self._raw) + event("error", error_event(error))

    def keepalive(self) -> bytes:
        return b"" if self._next == ENDED else separator(self._raw) + b": keepalive\n\n"

    def _format_edited(self, chunk: ModelResponse) -> bytes:
        if self._next == ENDED:
            return b""
        before = b"" if self._next == EDITED else self._hand_over()
        native = chunk.native
        if native is None or native.dialect != "anthropic_messages":
            return before + self._encoder.format(chunk)
        return before + self._encode_native(chunk, native)

    def _encode_native(self, chunk: ModelResponse, native: Native) -> bytes:
        if native.sequence != self._expected:
            self._encoder.gap()
        self._expected = native.sequence + 1
        own = native.event
        return b"" if own is None else self._encoder.format_native(chunk, own)

    def _format_verbatim(self, chunk: ModelResponse, native: Native) -> bytes:
        kind = native.kind
        if self._is_stopped:
            # Some providers go on after their own end; nobody reads that but byte for byte.
            self._held.append((chunk, native))
            return b""
        if kind in ("message_delta", "message_stop"):
            self._is_stopped = kind == "message_stop"
            self._held.append((chunk, native))
            return b""
        if self._held and kind in ("", "ping"):
            self._held.append((chunk, native))
            return b""
        before = self._release() if self._held else b""
        if kind == "content_block_start" and holds_nothing(native.event or {}):
            self._held.append((chunk, native))
            return before
        return before + self._sent(chunk, native)

    def _sent(self, chunk: ModelResponse, native: Native) -> bytes:
        if native.kind == "content_block_delta":
            self._encoder.follow_delta(native)
        else:
            self._encoder.follow(chunk, native.event)
        self._raw = native.raw
        return native.raw

    def _release(self) -> bytes:
        held, self._held = self._held, []
        return b"".join([self._sent(chunk, native) for chunk, native in held])

    def _hand_over(self) -> bytes:
        """To the encoder, at the first event that does not follow the one before."""
        if self._next == EDITED:
            return b""
        self._expected = self._next - len(self._held)
        self._next = EDITED
        held, self._held = self._held, []
        gap = separator(self._raw)
        self._raw = b""
        return gap + b"".join([self._encode_native(chunk, native) for chunk, native in held])

    def _end(self) -> None:
        self._next = ENDED
        self._held = []
