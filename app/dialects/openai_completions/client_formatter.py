"""Chunks to the SSE body of a text completion. Pure; one for each stream.

While a provider's own events come one after the other, their bytes are the body. From the first one that is missing,
changed or put in on, `TextEncoder` makes them anew. A reason to finish and what comes after it wait for `finish()`, so
that what a policy says last comes before them; text of another choice lets them go.
"""

import msgspec

from app.dialects.openai_chat.errors import error_body
from app.dialects.openai_completions.chunk_encoding import TextEncoder
from app.dialects.verbatim import EDITED, ENDED, separator
from app.errors import GatewayError
from app.messages import ModelResponse, Native, Request


class CompletionsClientFormatter:
    """`created` (Unix seconds) and `transaction_id` stand in where the provider gave no time or id."""

    def __init__(self, request: Request, transaction_id: str, created: int) -> None:
        self._encoder = TextEncoder(request, transaction_id, created)
        self._include_usage = request.include_usage
        self._next = 0
        self._held: list[tuple[ModelResponse, Native]] = []
        self._raw = b""
        self._is_done = False

    def format(self, chunk: ModelResponse) -> bytes:
        if self._next == ENDED:
            return b""
        native = chunk.native
        if native is not None and native.sequence == self._next and native.dialect == "openai_completions":
            self._next += 1
            return self._format_verbatim(chunk, native)
        return self._hand_over() + self._encoder.format(chunk)

    def finish(self) -> bytes:
        """The clean end: the provider's own if it came through whole."""
        if self._next == ENDED:
            return b""
        if self._next > 0 and self._is_done:
            out = b"".join([native.raw for _, native in self._held])
        else:
            out = self._hand_over() + self._encoder.finish()
        self._end()
        return out

    def fail(self, error: GatewayError) -> bytes:
        """The error event, and nothing after it: a `[DONE]` would make the stream a success."""
        if self._next == ENDED:
            return b""
        out = self._hand_over() + b"data: " + msgspec.json.encode(error_body(error)) + b"\n\n"
        self._end()
        return out

    def keepalive(self) -> bytes:
        return b"" if self._next == ENDED else separator(self._raw) + b": keepalive\n\n"

    def _format_verbatim(self, chunk: ModelResponse, native: Native) -> bytes:
        if not chunk.choices and chunk.usage is not None and not self._include_usage:
            return b""
        if not native.data and b"[DONE]" in native.raw:
            self._is_done = True
        ends = self._is_done or any(choice.finish_reason for choice in chunk.choices)
        goes_on = any(choice.delta is not None and choice.delta.content for choice in chunk.choices)
        if ends or (self._held and not goes_on):
            self._held.append((chunk, native))
            return b""
        return self._sent([*self._held, (chunk, native)])

    def _sent(self, chunks: list[tuple[ModelResponse, Native]]) -> bytes:
        """They go out as they came."""
        self._held = []
        for chunk, native in chunks:
            self._encoder.follow(chunk)
            self._raw = native.raw
        return b"".join([native.raw for _, native in chunks])

    def _hand_over(self) -> bytes:
        """To the encoder, at the first event that does not follow the one before."""
        if self._next == EDITED:
            return b""
        self._next = EDITED
        held, self._held = self._held, []
        gap = separator(self._raw)
        self._raw = b""
        return gap + b"".join([self._encoder.format(chunk) for chunk, _ in held])

    def _end(self) -> None:
        self._next = ENDED
        self._held = []
