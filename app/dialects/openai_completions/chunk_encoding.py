"""Chunks to the SSE events of a text completion, where they cannot go out as they came. Pure; one for each stream.

Whatever comes in, this goes out: texts under the same id, time and model; the reasons to finish last, one for each
choice; usage where the client asked for it; `[DONE]`. An event of the provider's own keeps all else that it says.
"""

from typing import Any

import msgspec

from app.dialects.ids import text_completion_id
from app.dialects.openai_chat.response_encoding import encode_usage
from app.dialects.openai_completions.response_encoding import reason, text_of
from app.messages import Choice, ModelResponse, Request, Usage

_encode = msgspec.json.Encoder().encode
_Event = dict[str, Any]


class TextEncoder:
    """`created` (Unix seconds) and `transaction_id` stand in where the provider gave no time or id."""

    def __init__(self, request: Request, transaction_id: str, created: int) -> None:
        self._request = request
        self._transaction_id = transaction_id
        self._created = created
        self._fixed: _Event = {}
        self._reasons: dict[int, str | None] = {}
        """Of the choices that are open; None where there is none yet."""
        self._finished: set[int] = set()
        self._usage: Usage | None = None

    def follow(self, chunk: ModelResponse) -> None:
        """This went out as it came."""
        self._begin(chunk)
        for choice in chunk.choices:
            if choice.finish_reason:
                self._reasons.pop(choice.index, None)
                self._finished.add(choice.index)
            elif choice.index not in self._finished:
                self._reasons.setdefault(choice.index, None)

    def format(self, chunk: ModelResponse) -> bytes:
        self._begin(chunk)
        choices = [encoded for choice in chunk.choices if (encoded := self._choice(choice)) is not None]
        if not choices:
            return b""
        own = chunk.native.event if chunk.native is not None else None
        return self._event(own or {}, _beside(own, choices))

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

    def _begin(self, chunk: ModelResponse) -> None:
        self._usage = chunk.usage or self._usage
        if not self._fixed:
            self._fixed = {
                "id": text_completion_id(chunk.id) or f"cmpl-{self._transaction_id}",
                "object": "text_completion",
                "created": chunk.created or self._created,
                "model": chunk.model or self._request.model,
            }

    def _choice(self, choice: Choice) -> _Event | None:
        if choice.index in self._finished:
            return None
        self._reasons[choice.index] = choice.finish_reason or self._reasons.get(choice.index)
        text = text_of(choice)
        if not text and choice.logprobs is None:
            return None
        return {"text": text, "index": choice.index, "logprobs": choice.logprobs, "finish_reason": None}

    def _event(self, own: _Event, choices: list[_Event]) -> bytes:
        sent = {**own, **self._fixed, "choices": choices}
        sent.pop("usage", None)
        return _data(sent | ({"usage": None} if self._request.include_usage else {}))


def _beside(own: _Event | None, choices: list[_Event]) -> list[_Event]:
    """With what the provider's own choices say beside."""
    given = {choice.get("index") or 0: choice for choice in (own or {}).get("choices") or ()}
    return [{**given.get(choice["index"], {}), **choice} for choice in choices]


def _ending(index: int, said: str | None) -> _Event:
    return {"text": "", "index": index, "logprobs": None, "finish_reason": reason(said)}


def _data(event: _Event) -> bytes:
    return b"data: " + _encode(event) + b"\n\n"
