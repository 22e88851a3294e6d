"""A provider's text completion, whole or streamed, to the common form: pure.

What a choice holds beside its text stands in its message's `extra`, and is left to the native event in a stream.
"""

from typing import Any

from app.dialects.openai_chat.usage_decoding import decode_usage
from app.dialects.validation import rest
from app.messages import Choice, Dialect, Message, ModelResponse, Native, Usage

_RESPONSE = frozenset(["id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier"])
_CHOICE = frozenset(["index", "text", "logprobs", "finish_reason"])
_NOTHING = Message()


class ResponseDecoder:
    """One stream, chunk by chunk. Only `[DONE]` ends it."""

    dialect: Dialect = "openai_completions"

    def __init__(self) -> None:
        self.ended = False
        self._id = ""
        self._created = 0
        self._model = ""

    def quick(self, raw: bytes, sequence: int, data: bytes) -> ModelResponse | None:
        """No event of this dialect is frequent enough."""
        return None

    def chunk(self, event: dict[str, Any], native: Native | None = None) -> ModelResponse:
        self._id = event.get("id") or self._id
        self._created = int(event.get("created") or self._created)
        self._model = event.get("model") or self._model
        return ModelResponse(
            id=self._id,
            created=self._created,
            model=self._model,
            choices=tuple(map(_delta, event.get("choices") or ())),
            usage=_usage(event),
            system_fingerprint=event.get("system_fingerprint"),
            native=native,
        )

    def bare(self, native: Native) -> ModelResponse:
        return ModelResponse(id=self._id, created=self._created, model=self._model, native=native)

    def done(self) -> None:
        self.ended = True

    def may_end(self) -> bool:
        return False


def decode_response(body: dict[str, Any], native: Native | None = None) -> ModelResponse:
    if not body["choices"]:
        raise ValueError("no choices")
    return ModelResponse(
        id=body.get("id") or "",
        created=int(body.get("created") or 0),
        model=body.get("model") or "",
        choices=tuple(map(_whole, body["choices"])),
        usage=_usage(body),
        system_fingerprint=body.get("system_fingerprint"),
        service_tier=body.get("service_tier"),
        extra=rest(body, _RESPONSE),
        native=native,
    )


def _delta(said: dict[str, Any]) -> Choice:
    text = said.get("text")
    return Choice(
        index=said.get("index") or 0,
        delta=Message(content=text) if text else _NOTHING,
        finish_reason=said.get("finish_reason") or None,
        logprobs=said.get("logprobs"),
    )


def _whole(said: dict[str, Any]) -> Choice:
    extra = rest(said, _CHOICE)
    return Choice(
        index=said.get("index") or 0,
        message=Message(role="assistant", content=said["text"], extra=extra),
        finish_reason=said.get("finish_reason") or None,
        logprobs=said.get("logprobs"),
    )


def _usage(said: dict[str, Any]) -> Usage | None:
    return decode_usage(said["usage"]) if said.get("usage") else None
