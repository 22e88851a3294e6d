"""A provider's text completion, whole or streamed, to the common form: pure.

What a choice holds beside its text stands in its message's `extra`, and is left to the native event in a stream.
"""

from collections.abc import Sequence
from typing import Any

from app.dialects.fast_path import Run
from app.dialects.finish_reasons import graver, reason_in, refuse_open, refuse_unfinished
from app.dialects.openai_chat.mending import mend_choices, mend_fields
from app.dialects.openai_chat.text_forms import name_in, text_in
from app.dialects.openai_chat.usage_decoding import usage_of
from app.dialects.response_heads import id_in, unix_time
from app.dialects.validation import rest
from app.messages import Choice, Dialect, Message, ModelResponse

_RESPONSE = frozenset(["id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier"])
_CHOICE = frozenset(["index", "text", "logprobs", "finish_reason"])
_TEXTS = frozenset({"text", "message", "delta"})
_NOTHING = Message()


class ResponseDecoder:
    """Decodes one stream, chunk by chunk. Only `[DONE]` ends it."""

    dialect: Dialect = "openai_completions"

    def __init__(self) -> None:
        self.ended = False
        self._id = ""
        self._created = 0
        self._model = ""
        self._begun: set[int] = set()
        self._finished: dict[int, str] = {}
        """The reason to finish of each choice that has one, the gravest of several."""

    def quick(self, name: bytes, events: Sequence[bytes], at: int = 0) -> Run | None:
        """No event of this dialect is frequent enough for a fast path."""
        return None

    def mend(self, event: dict[str, Any]) -> bool:
        return _mend(event, is_piece=True)

    def chunk(self, event: dict[str, Any]) -> ModelResponse:
        self._id = id_in(event.get("id")) or self._id
        self._created = unix_time(event.get("created")) or self._created
        self._model = name_in(event.get("model")) or self._model
        return ModelResponse(
            id=self._id,
            created=self._created,
            model=self._model,
            choices=tuple(map(self._delta, event.get("choices") or ())),
            usage=usage_of(event),
            system_fingerprint=name_in(event.get("system_fingerprint")),
        )

    def bare(self) -> ModelResponse:
        return ModelResponse(id=self._id, created=self._created, model=self._model)

    def done(self) -> None:
        refuse_open(self._begun, self._finished)
        self.ended = True

    def may_end(self) -> bool:
        return False

    def _delta(self, fields: dict[str, Any]) -> Choice:
        text, index = fields.get("text"), fields.get("index") or 0
        reason = reason_in(fields.get("finish_reason"))
        self._begun.add(index)
        if reason is not None:
            reason = self._finished[index] = graver(self._finished.get(index), reason)
        return Choice(
            index=index,
            delta=Message(content=text) if text else _NOTHING,
            finish_reason=reason,
            logprobs=fields.get("logprobs"),
        )


def mend_response(body: dict[str, Any]) -> bool:
    """Put right in place what no client of legacy completions could use; whether anything was."""
    if any(isinstance(choice, dict) and _TEXTS.isdisjoint(choice) for choice in body.get("choices") or ()):
        raise ValueError("a choice without a text")
    return _mend(body, is_piece=False)


def _mend(body: dict[str, Any], is_piece: bool) -> bool:
    mended = mend_choices(body)
    for choice in body["choices"]:
        mended = mend_fields(choice) or mended
        if isinstance(text := choice.get("text"), str):
            continue
        # Some answer as they do a chat.
        messages = [choice.get(name) or {} for name in ("message", "delta")]
        words = text_in(text) or "".join([text_in(message.get("content")) for message in messages])
        if words or not is_piece or "text" in choice:
            choice["text"] = words
            choice.pop("message", None)
            choice.pop("delta", None)
            mended = True
    return mended


def decode_response(body: dict[str, Any]) -> ModelResponse:
    if not body["choices"]:
        raise ValueError("no choices")
    response = ModelResponse(
        id=id_in(body.get("id")),
        created=unix_time(body.get("created")),
        model=name_in(body.get("model")) or "",
        choices=tuple(map(_whole, body["choices"])),
        usage=usage_of(body),
        system_fingerprint=name_in(body.get("system_fingerprint")),
        service_tier=name_in(body.get("service_tier")),
        extra=rest(body, _RESPONSE),
    )
    return refuse_unfinished(response)


def _whole(fields: dict[str, Any]) -> Choice:
    extra = rest(fields, _CHOICE)
    return Choice(
        index=fields.get("index") or 0,
        message=Message(role="assistant", content=fields["text"], extra=extra),
        finish_reason=reason_in(fields.get("finish_reason")),
        logprobs=fields.get("logprobs"),
    )
