"""Chunks to the SSE events of a text completion, where they cannot go out as they came. Pure; one for each stream.

While they can, a reason to finish and what comes after it wait; text of another choice lets them go.

Whatever comes in, this goes out: texts under the same id, time and model; the reasons to finish last, one for each
choice; usage where the client asked for it; `[DONE]`. An event of the provider's own keeps all else that it says.
"""

from collections.abc import Sequence

import msgspec

from app.dialects.openai_chat.errors import error_event
from app.dialects.openai_chat.response_encoding import encode_usage
from app.dialects.openai_completions.response_encoding import reason, text_of
from app.dialects.passthrough import Event, Held, Step
from app.dialects.translation.ids import with_prefix
from app.errors import GatewayError
from app.messages import Choice, Dialect, ModelResponse, Native, Received, Request, Usage

_encode = msgspec.json.Encoder().encode


class TextEncoder:
    """A `StreamEncoder`. `created` (Unix seconds) and `new_id` stand in where a provider gave no time or id."""

    dialect: Dialect = "openai_completions"

    def __init__(self, request: Request, new_id: str, created: int) -> None:
        self._request = request
        self._new_id = new_id
        self._created = created
        self._fixed: Event = {}
        self._reasons: dict[int, str | None] = {}
        """The reason to finish of each choice that is open; None where there is none yet."""
        self._finished: set[int] = set()
        self._usage: Usage | None = None
        self._is_done = False

    def follow_piece(self, received: Received) -> bool:
        return False

    def step(self, chunk: ModelResponse, native: Native, holding: bool) -> Step:
        if not chunk.choices and chunk.usage is not None and not self._request.include_usage:
            return "drop"
        self._is_done = self._is_done or (not native.data and b"[DONE]" in native.raw)
        if self._is_done or any(choice.finish_reason for choice in chunk.choices):
            return "hold"
        goes_on = not holding or any(choice.delta is not None and choice.delta.content for choice in chunk.choices)
        return "send" if goes_on else "hold"

    def is_complete(self, held: Sequence[Held]) -> bool:
        return self._is_done

    def take_over(self) -> None:
        """What followed has told everything."""

    def gap(self) -> None:
        """Choices are known by their indexes: nothing has to be noted."""

    def follow(self, chunk: ModelResponse, native: Native) -> None:
        # The client has seen this id.
        self._begin(chunk, chunk.id)
        for choice in chunk.choices:
            if choice.finish_reason:
                self._reasons.pop(choice.index, None)
                self._finished.add(choice.index)
            elif choice.index not in self._finished:
                self._reasons.setdefault(choice.index, None)

    def encode(self, chunk: ModelResponse) -> bytes:
        return self._encode(chunk, {})

    def encode_texts(self, chunk: ModelResponse, texts: Sequence[str]) -> bytes | None:
        return None

    def encode_event(self, chunk: ModelResponse, event: Event) -> bytes:
        return self._encode(chunk, event)

    def _encode(self, chunk: ModelResponse, event: Event) -> bytes:
        self._begin(chunk)
        choices = [encoded for choice in chunk.choices if (encoded := self._choice(choice)) is not None]
        return self._event(event, _beside(event, choices)) if choices else b""

    def finish(self) -> bytes:
        """The clean end. A choice whose reason was taken away by a policy ends as `stop`: that the provider gave one at
        all is made sure before."""
        self._begin(ModelResponse())
        if not (self._finished or self._reasons):
            self._reasons.setdefault(0, None)
        out = [self._event({}, [_ending(index, self._reasons[index])]) for index in sorted(self._reasons)]
        if self._usage is not None and self._request.include_usage:
            out.append(_data({**self._fixed, "choices": [], "usage": encode_usage(self._usage)}))
        return b"".join(out) + b"data: [DONE]\n\n"

    def fail(self, error: GatewayError) -> bytes:
        """Return the error event. No `[DONE]` follows, which would make the stream a success."""
        return error_event(error)

    def _begin(self, chunk: ModelResponse, sent_id: str = "") -> None:
        self._usage = chunk.usage or self._usage
        if not self._fixed:
            self._fixed = {
                "id": sent_id or with_prefix(chunk.id, "cmpl-") or self._new_id,
                "object": "text_completion",
                "created": chunk.created or self._created,
                "model": chunk.model or self._request.model,
            }

    def _choice(self, choice: Choice) -> Event | None:
        if choice.index in self._finished:
            return None
        self._reasons[choice.index] = choice.finish_reason or self._reasons.get(choice.index)
        text = text_of(choice)
        if not text and choice.logprobs is None:
            return None
        return {"text": text, "index": choice.index, "logprobs": choice.logprobs, "finish_reason": None}

    def _event(self, native_event: Event, choices: list[Event]) -> bytes:
        sent = {**native_event, **self._fixed, "choices": choices}
        sent.pop("usage", None)
        return _data(sent | ({"usage": None} if self._request.include_usage else {}))


def _beside(native_event: Event, choices: list[Event]) -> list[Event]:
    """Return the choices with the other fields of the provider's choices of the same index."""
    given = {choice.get("index") or 0: choice for choice in native_event.get("choices") or ()}
    return [{**given.get(choice["index"], {}), **choice} for choice in choices]


def _ending(index: int, finish_reason: str | None) -> Event:
    return {"text": "", "index": index, "logprobs": None, "finish_reason": reason(finish_reason)}


def _data(event: Event) -> bytes:
    return b"data: " + _encode(event) + b"\n\n"
