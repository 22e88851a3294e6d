"""A provider's stream of Responses events, and its whole response, to the common form: pure.

`quick` reads the frequent events, `chunk` any other; `ItemEvents` what they say about items. Where no event says
anything, the response itself is asked last. What has no place in the common form is left to the native event alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from msgspec import Struct
from msgspec.structs import replace

from app.dialects.errors import ProviderFailed
from app.dialects.fast_path import QuickDecoder, Run
from app.dialects.finish_reasons import unfinished
from app.dialects.openai_responses.item_events import Event, ItemEvents
from app.dialects.openai_responses.items import finish_reason, whole_logprobs, whole_message
from app.dialects.openai_responses.mending import mend_event
from app.dialects.openai_responses.numbering import Numbering
from app.dialects.openai_responses.usage import usage_of
from app.dialects.response_heads import id_in, unix_time
from app.messages import BlockEnd, Choice, Dialect, Message, ModelResponse

_FORMS: Mapping[str, type] = {
    "output_index": int,
    "content_index": int,
    "summary_index": int,
    "item_id": str,
    "item": dict,
    "part": dict,
    "annotation": dict,
    "text": str,
    "logprobs": list,
}


class TextDelta(
    Struct, frozen=True, gc=False, forbid_unknown_fields=True, tag_field="type", tag="response.output_text.delta"
):
    """A piece of text, without log probabilities: with pieces of thinking and of arguments the most frequent events."""

    delta: str
    output_index: int
    content_index: int
    item_id: str = ""
    logprobs: tuple[()] | None = None
    sequence_number: int | None = None
    obfuscation: str = ""


class SummaryDelta(
    Struct,
    frozen=True,
    gc=False,
    forbid_unknown_fields=True,
    tag_field="type",
    tag="response.reasoning_summary_text.delta",
):
    delta: str
    output_index: int
    summary_index: int
    item_id: str = ""
    sequence_number: int | None = None
    obfuscation: str = ""


class ThoughtDelta(
    Struct, frozen=True, gc=False, forbid_unknown_fields=True, tag_field="type", tag="response.reasoning_text.delta"
):
    delta: str
    output_index: int
    content_index: int
    item_id: str = ""
    sequence_number: int | None = None
    obfuscation: str = ""


class ArgumentsDelta(
    Struct,
    frozen=True,
    gc=False,
    forbid_unknown_fields=True,
    tag_field="type",
    tag="response.function_call_arguments.delta",
):
    delta: str
    output_index: int
    item_id: str = ""
    sequence_number: int | None = None
    obfuscation: str = ""


DeltaEvent = TextDelta | SummaryDelta | ThoughtDelta | ArgumentsDelta


def _part(event: DeltaEvent) -> int:
    """The number of the part of its item to which a piece belongs."""
    if isinstance(event, SummaryDelta):
        return event.summary_index
    return 0 if isinstance(event, ArgumentsDelta) else event.content_index


class ResponseDecoder:
    """Decodes one stream, event by event."""

    dialect: Dialect = "openai_responses"

    def __init__(self) -> None:
        self.ended = False
        self._id = ""
        self._created = 0
        self._model = ""
        self._items = ItemEvents()
        self._numbering = Numbering()
        self._deltas = QuickDecoder[DeltaEvent](cast(Any, DeltaEvent))
        self._position = (0, 0)

    def quick(self, name: bytes, events: Sequence[bytes], at: int = 0) -> Run | None:
        # A decoder that fails too often is not asked any more: only what can be a piece is tried.
        event = self._deltas.decode(events[at]) if b'.delta"' in events[at] and not self.ended else None
        item = self._items.open.get(event.output_index) if event is not None else None
        if event is None or item is None:
            return None
        item.streamed = item.part_streamed = True
        text, part, delta = event.delta, 0, None
        texts: tuple[str, ...] = ()
        if text and len(events) > at + 1 and (more := self._more_text(event, events, at + 1)):
            texts = (text, *more)
            text = "".join(texts)
        match event:
            case TextDelta():
                kind, part = "response.output_text.delta", event.content_index
                self._items.chars += len(text)
                delta = Message(None, text)
            case SummaryDelta():
                kind, part = "response.reasoning_summary_text.delta", event.summary_index
                delta = self._thought_piece(text)
            case ThoughtDelta():
                kind, part = "response.reasoning_text.delta", event.content_index
                delta = self._thought_piece(text)
            case ArgumentsDelta():
                kind = "response.function_call_arguments.delta"
                if item.call is not None:
                    delta = Message(tool_calls=(item.more(text),))
        if self._position[0] != event.output_index or self._position[1] != part:
            self._position = (event.output_index, part)
        position = self._position if delta else None
        return Run(self._chunk((Choice(0, delta),) if delta and text else ()), texts, kind, delta is not None, position)

    def _thought_piece(self, text: str) -> Message:
        self._items.has_thought = self._items.has_thought or bool(text)
        return Message(reasoning_content=text)

    def _more_text(self, first: DeltaEvent, events: Sequence[bytes], at: int) -> list[str]:
        """The texts of the events from `at` on that go on with the same part of the same item."""
        kind, index, part = type(first), first.output_index, _part(first)
        texts: list[str] = []
        if kind is ArgumentsDelta:
            return texts
        for event in self._deltas.decode_on(events, at):
            if type(event) is not kind or event.output_index != index or _part(event) != part or not event.delta:
                break
            texts.append(event.delta)
        return texts

    def mend(self, event: Event) -> bool:
        return mend_event(event)

    def chunk(self, event: Event) -> ModelResponse:
        _check_form(event)
        kind = event.get("type")
        match kind:
            case "response.created" | "response.in_progress" | "response.queued":
                return self._begun(str(kind), event["response"])
            case "response.completed" | "response.incomplete":
                return self._terminal(str(kind), event["response"])
            case "response.failed" | "response.cancelled":
                response = event["response"]
                raise ProviderFailed(response.get("error") or {}, self._counted(response))
            case "error":
                raise ProviderFailed(event.get("error") or event)
        event = self._numbering.numbered(event)
        if kind == "response.output_text.delta":
            return self._text_delta(event)
        if isinstance(kind, str) and kind.endswith(".done"):
            message, ends = self._items.done(kind, event)
        else:
            message, ends = self._items.piece(kind, event), None
        return self._chunk(() if message is None else (Choice(delta=message),), ends)

    def bare(self) -> ModelResponse:
        return self._chunk(())

    def done(self) -> None:
        """Some providers send the last word of OpenAI's other API too; it does not count."""

    def may_end(self) -> bool:
        return False

    def _chunk(self, choices: tuple[Choice, ...], ends: BlockEnd | None = None) -> ModelResponse:
        return ModelResponse(id=self._id, created=self._created, model=self._model, choices=choices, ends=ends)

    def _text_delta(self, event: Event) -> ModelResponse:
        """Decode a piece of text with log probabilities, or with fields of a provider's own."""
        text, logprobs = event["delta"], event.get("logprobs")
        self._items.text(event, text)
        choice = Choice(delta=Message(content=text), logprobs={"content": logprobs} if logprobs else None)
        return ModelResponse(id=self._id, created=self._created, model=self._model, choices=(choice,))

    def _begun(self, kind: str, response: Event) -> ModelResponse:
        self._know(response)
        choices = (Choice(delta=Message(role="assistant")),) if kind == "response.created" else ()
        return self._chunk(choices)

    def _know(self, response: Event) -> None:
        self._id = self._id or id_in(response.get("id"))
        self._created = self._created or unix_time(response.get("created_at"))
        self._model = str(response.get("model") or self._model)
        self._items.tools = response.get("tools") or self._items.tools

    def _counted(self, response: Event) -> ModelResponse:
        """A chunk with the usage alone."""
        return replace(self._chunk(()), usage=usage_of(response))

    def _terminal(self, kind: str, response: Event) -> ModelResponse:
        self.ended = True
        self._know(response)
        message = self._items.last(response.get("output") or ())
        # The event is the last one, whatever a server that forgot to write it down says of the response.
        status = response.get("status") or ""
        status = kind.removeprefix("response.") if status in ("", "in_progress", "queued") else str(status)
        return ModelResponse(
            id=self._id,
            created=self._created,
            model=self._model,
            choices=(Choice(delta=message, finish_reason=finish_reason(status, response, self._items.calls > 0)),),
            usage=usage_of(response),
            service_tier=response.get("service_tier") or None,
        )


def _check_form(event: Event) -> None:
    """Raise TypeError if a field that events have in common is not what it should be; the formatter relies on them."""
    for name in event.keys() & _FORMS.keys():
        value = event[name]
        if value is not None and not isinstance(value, _FORMS[name]):
            raise TypeError(f"{name} is of type {type(value).__name__}")


def decode_response(body: dict[str, Any]) -> ModelResponse:
    status = body.get("status") or "completed"
    message = whole_message(body["output"], body.get("tools") or ())
    logprobs = whole_logprobs(body["output"])
    reason = finish_reason(str(status), body, bool(message.tool_calls))
    if reason is None and not body.get("background"):
        raise unfinished()
    return ModelResponse(
        id=id_in(body.get("id")),
        created=unix_time(body.get("created_at")),
        model=str(body.get("model") or ""),
        choices=(Choice(message=message, finish_reason=reason, logprobs=logprobs),),
        usage=usage_of(body),
        service_tier=body.get("service_tier") or None,
    )
