"""Chunks to the SSE body of a chat completion. Pure; one for each stream.

While a provider's own events come one after the other, their bytes are the body, and nothing is added at its end. From
the first one that is missing, changed or put in on, `ChunkEncoder` numbers what follows anew. A reason to finish and
what comes after it wait for `finish()`, so that what a policy says last comes before them.
"""

import msgspec

from app.dialects.openai_chat.choice_state import ChoiceState
from app.dialects.openai_chat.chunk_encoding import ChunkEncoder
from app.dialects.openai_chat.errors import error_body
from app.dialects.verbatim import EDITED, ENDED, separator
from app.errors import GatewayError
from app.messages import Choice, ModelResponse, Request


class OpenAIClientFormatter:
    """`created` (Unix seconds) and `transaction_id` stand in where the provider gave no time or id."""

    def __init__(self, request: Request, transaction_id: str, created: int) -> None:
        self._encoder = ChunkEncoder(request, transaction_id, created)
        self._include_usage = request.include_usage
        self._next = 0
        self._held: list[ModelResponse] = []
        self._raw = b""
        self._latest: ModelResponse | None = None
        self._first: ChoiceState | None = None
        """The first choice, while it is open and nothing is held."""
        self._is_done = False

    def format(self, chunk: ModelResponse) -> bytes:
        native = chunk.native
        if native is None and self._next == EDITED:
            return self._encoder.format(chunk)
        if native is None or native.sequence != self._next or native.dialect != "openai_chat":
            return self._format_edited(chunk)
        self._next += 1
        if self._first is not None and len(chunk.choices) == 1 and self._goes_on(chunk.choices[0], self._first):
            self._raw = native.raw
            return native.raw
        return self._format_verbatim(chunk, native.raw)

    def finish(self) -> bytes:
        """The clean end: the provider's own if it came through whole."""
        if self._next == ENDED:
            return b""
        if self._next > 0 and self._is_complete():
            out = b"".join([chunk.native.raw for chunk in self._held if chunk.native is not None])
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

    def _goes_on(self, choice: Choice, first: ChoiceState) -> bool:
        """The most frequent chunks, quickly: a piece of what the first choice says."""
        said = choice.delta
        if said is None or choice.finish_reason is not None or choice.index != 0:
            return False
        if said.tool_calls or said.reasoning_content or said.thinking_blocks or said.annotations:
            first.follow_delta(said)
        return True

    def _format_edited(self, chunk: ModelResponse) -> bytes:
        if self._next == ENDED:
            return b""
        before = b"" if self._next == EDITED else self._hand_over()
        return before + self._encode(chunk)

    def _encode(self, chunk: ModelResponse) -> bytes:
        native = chunk.native
        if native is None or native.dialect != "openai_chat":
            return self._encoder.format(chunk)
        event = native.event
        return b"" if event is None else self._encoder.format_native(chunk, event)

    def _format_verbatim(self, chunk: ModelResponse, raw: bytes) -> bytes:
        if not chunk.choices:
            return self._format_beside(chunk, raw)
        self._latest = chunk
        if self._held:
            self._held.append(chunk)
            return self._release() if any(_says_more(choice) for choice in chunk.choices) else b""
        if any(choice.finish_reason is not None for choice in chunk.choices):
            self._hold(chunk)
            return b""
        self._follow(chunk)
        return raw

    def _format_beside(self, chunk: ModelResponse, raw: bytes) -> bytes:
        """No part of the answer: a comment, the usage, `[DONE]`."""
        if chunk.usage is not None and not self._include_usage:
            return b""
        if chunk.native is not None and not chunk.native.data and b"[DONE]" in raw:
            self._is_done = True
        if self._held or self._is_done or chunk.usage is not None:
            self._hold(chunk)
            return b""
        self._raw = raw
        return raw

    def _hold(self, chunk: ModelResponse) -> None:
        self._held.append(chunk)
        self._first = None

    def _release(self) -> bytes:
        """Another choice goes on: its end is not near, and what was held goes out as it came."""
        released = [(chunk, chunk.native.raw) for chunk in self._held if chunk.native is not None]
        self._held = []
        for chunk, _ in released:
            self._follow(chunk)
        return b"".join([raw for _, raw in released])

    def _follow(self, chunk: ModelResponse) -> None:
        self._encoder.follow(chunk)
        self._first = self._encoder.first_choice()
        if chunk.native is not None:
            self._raw = chunk.native.raw

    def _is_complete(self) -> bool:
        held = [choice for chunk in self._held for choice in chunk.choices]
        finished = {choice.index for choice in held if choice.finish_reason is not None}
        still_open = (self._encoder.open_choices() | {choice.index for choice in held}) - finished
        return self._is_done or (self._latest is not None and not still_open)

    def _hand_over(self) -> bytes:
        """To the encoder, at the first event that does not follow the one before."""
        if self._next == EDITED:
            return b""
        self._next = EDITED
        if self._latest is not None:
            self._encoder.begin(self._latest)
        held, self._held = self._held, []
        gap = separator(self._raw)
        self._raw = b""
        return gap + b"".join([self._encode(chunk) for chunk in held])

    def _end(self) -> None:
        self._next = ENDED
        self._held = []


def _says_more(choice: Choice) -> bool:
    """A provider may well repeat an empty delta after its reason to finish."""
    delta = choice.delta
    return (
        choice.finish_reason is None
        and delta is not None
        and bool(delta.content or delta.refusal or delta.reasoning_content or delta.tool_calls or delta.thinking_blocks)
    )
