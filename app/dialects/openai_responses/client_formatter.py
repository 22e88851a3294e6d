"""Chunks to the SSE body of a response. Pure; one for each stream.

While a provider's own events come one after the other, their bytes are the body, and nothing is added at its end. From
the first one that is missing, changed or put in on, `EventEncoder` numbers what follows anew, and what repeats a text
says what was sent. The terminal event waits for `finish()`, so that what a policy says last comes before it.
"""

from app.dialects.openai_responses.event_encoding import TERMINAL, EventEncoder
from app.dialects.openai_responses.followed import Followed
from app.dialects.verbatim import EDITED, ENDED, separator
from app.errors import GatewayError
from app.messages import ModelResponse, Native, Request


class ResponsesClientFormatter:
    """`created` (Unix seconds) and `transaction_id` stand in where the provider gave no time or id."""

    def __init__(self, request: Request, transaction_id: str, created: int) -> None:
        self._encoder = EventEncoder(request, transaction_id, created)
        self._followed = Followed()
        self._next = 0
        self._expected = 0
        self._held: list[tuple[ModelResponse, Native]] = []
        """The terminal event, and what comes after it."""
        self._raw = b""

    def format(self, chunk: ModelResponse) -> bytes:
        native = chunk.native
        if native is None or native.dialect != "openai_responses":
            return self._encoder.format(chunk) if self._next == EDITED else self._format_edited(chunk, None)
        if native.sequence != self._next:
            return self._format_edited(chunk, native)
        self._next += 1
        if self._held or native.kind in TERMINAL:
            self._held.append((chunk, native))
            return b""
        self._followed.add(chunk, native)
        self._raw = native.raw
        return native.raw

    def finish(self) -> bytes:
        """The clean end: the provider's own if it came through whole."""
        if self._next == ENDED:
            return b""
        if self._held and self._next > 0:
            out = b"".join([native.raw for _, native in self._held])
        else:
            out = self._hand_over() + self._encoder.finish()
        self._end()
        return out

    def fail(self, error: GatewayError) -> bytes:
        """The events of an error, and nothing after them."""
        if self._next == ENDED:
            return b""
        self._held = []
        before = b"" if self._next == EDITED else self._hand_over()
        out = before + self._encoder.fail(error)
        self._end()
        return out

    def keepalive(self) -> bytes:
        return b"" if self._next == ENDED else separator(self._raw) + b": keepalive\n\n"

    def _format_edited(self, chunk: ModelResponse, native: Native | None) -> bytes:
        if self._next == ENDED:
            return b""
        before = b"" if self._next == EDITED else self._hand_over()
        return before + (self._encoder.format(chunk) if native is None else self._encode(chunk, native))

    def _encode(self, chunk: ModelResponse, native: Native) -> bytes:
        if native.sequence != self._expected:
            self._encoder.gap()
        self._expected = native.sequence + 1
        own = native.event
        return b"" if own is None else self._encoder.format_native(chunk, own)

    def _hand_over(self) -> bytes:
        """To the encoder, at the first event that does not follow the one before."""
        self._expected = self._next - len(self._held)
        self._next = EDITED
        self._encoder.follow(self._followed)
        self._followed = Followed()
        held, self._held = self._held, []
        gap = separator(self._raw)
        self._raw = b""
        return gap + b"".join([self._encode(chunk, native) for chunk, native in held])

    def _end(self) -> None:
        self._next = ENDED
        self._followed = Followed()
        self._held = []
