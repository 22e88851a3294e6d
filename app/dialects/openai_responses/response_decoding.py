"""A provider's stream of Responses events, and its whole response, to the common form: pure.

`quick` reads the frequent events, `chunk` any other; `ItemEvents` what they say about items. Where no event says
anything, the response itself is asked last. What has no place in the common form is left to the native event alone.
"""

from typing import Any, cast

from msgspec.structs import replace

from app.dialects.errors import ProviderFailed
from app.dialects.openai_responses.delta_events import (
    ArgumentsDelta,
    DeltaEvent,
    SummaryDelta,
    TextDelta,
    ThoughtDelta,
)
from app.dialects.openai_responses.item_events import Event, ItemEvents
from app.dialects.openai_responses.items import finish_reason, whole_message
from app.dialects.openai_responses.numbering import Numbering
from app.dialects.openai_responses.usage import decode_usage
from app.dialects.quick_decoding import QuickDecoder
from app.messages import Choice, Dialect, Message, ModelResponse, Native


class ResponseDecoder:
    """One stream, event by event."""

    dialect: Dialect = "openai_responses"

    def __init__(self) -> None:
        self.ended = False
        self._id = ""
        self._created = 0
        self._model = ""
        self._items = ItemEvents()
        self._numbering = Numbering()
        self._deltas = QuickDecoder[DeltaEvent](cast(Any, DeltaEvent))
        self._place = (0, 0)

    def quick(self, raw: bytes, sequence: int, data: bytes) -> ModelResponse | None:
        # A decoder that fails too often is not asked any more: only what can be a piece is tried.
        said = self._deltas.decode(data) if b'.delta"' in data and not self.ended else None
        item = self._items.open.get(said.output_index) if said is not None else None
        if said is None or item is None:
            return None
        item.said = item.part_said = True
        text, part, delta = said.delta, 0, None
        match said:
            case TextDelta():
                kind, part = "response.output_text.delta", said.content_index
                self._items.chars += len(text)
                delta = Message(None, text)
            case SummaryDelta():
                kind, part = "response.reasoning_summary_text.delta", said.summary_index
                delta = self._thought_piece(text)
            case ThoughtDelta():
                kind, part = "response.reasoning_text.delta", said.content_index
                delta = self._thought_piece(text)
            case ArgumentsDelta():
                kind = "response.function_call_arguments.delta"
                if item.call is not None:
                    delta = Message(tool_calls=(item.more(text),))
        if self._place[0] != said.output_index or self._place[1] != part:
            self._place = (said.output_index, part)
        native = Native("openai_responses", raw, sequence, data, kind, None, self._place if delta else None)
        return self._chunk((Choice(0, delta),) if delta and text else (), native)

    def _thought_piece(self, text: str) -> Message:
        self._items.has_thought = self._items.has_thought or bool(text)
        return Message(reasoning_content=text)

    def chunk(self, event: Event, native: Native | None = None) -> ModelResponse:
        event = self._numbering.numbered(event)
        kind = event.get("type")
        if kind == "response.output_text.delta":
            return self._text_delta(event, native)
        match kind:
            case "response.created" | "response.in_progress" | "response.queued":
                return self._begun(str(kind), event["response"], native)
            case "response.completed" | "response.incomplete":
                return self._terminal(str(kind), event["response"], native)
            case "response.failed":
                raise ProviderFailed(event["response"].get("error") or {})
            case "error":
                raise ProviderFailed(event.get("error") or event)
            case str() if kind.endswith(".done"):
                said, ends = self._items.done(kind, event)
                if ends is not None and native is not None:
                    native = replace(native, ends=ends)
            case _:
                said = self._items.piece(kind, event)
        return self._chunk(() if said is None else (Choice(delta=said),), native)

    def bare(self, native: Native) -> ModelResponse:
        return self._chunk((), native)

    def done(self) -> None:
        """Some providers send the last word of OpenAI's other API too; it does not count."""

    def may_end(self) -> bool:
        return False

    def _chunk(self, choices: tuple[Choice, ...], native: Native | None) -> ModelResponse:
        return ModelResponse(id=self._id, created=self._created, model=self._model, choices=choices, native=native)

    def _text_delta(self, event: Event, native: Native | None) -> ModelResponse:
        """One with log probabilities, or with fields of a provider's own."""
        text, logprobs = event["delta"], event.get("logprobs")
        self._items.text(event, text)
        choice = Choice(delta=Message(content=text), logprobs={"content": logprobs} if logprobs else None)
        if native is not None and not logprobs:
            native = replace(native, place=(event.get("output_index"), event.get("content_index")))
        return ModelResponse(id=self._id, created=self._created, model=self._model, choices=(choice,), native=native)

    def _begun(self, kind: str, response: Event, native: Native | None) -> ModelResponse:
        self._know(response)
        choices = (Choice(delta=Message(role="assistant")),) if kind == "response.created" else ()
        return self._chunk(choices, native)

    def _know(self, response: Event) -> None:
        self._id = self._id or response.get("id") or ""
        self._created = self._created or int(response.get("created_at") or 0)
        self._model = response.get("model") or self._model
        self._items.tools = response.get("tools") or self._items.tools

    def _terminal(self, kind: str, response: Event, native: Native | None) -> ModelResponse:
        self.ended = True
        self._know(response)
        said = Message()
        if not self._items.open:
            # Whoever tells no items at all has them here.
            said = whole_message(response.get("output") or (), self._items.tools)
            self._items.calls = len(said.tool_calls)
        status = response.get("status") or kind.removeprefix("response.")
        return ModelResponse(
            id=self._id,
            created=self._created,
            model=self._model,
            choices=(Choice(delta=said, finish_reason=finish_reason(status, response, self._items.calls > 0)),),
            usage=decode_usage(response["usage"]) if response.get("usage") else None,
            service_tier=response.get("service_tier") or None,
            native=native,
        )


def decode_response(body: dict[str, Any], native: Native | None = None) -> ModelResponse:
    """What only this dialect knows of it stands in `extra` under the dialect's name."""
    status = body.get("status") or "completed"
    if status == "failed":
        raise ProviderFailed(body.get("error") or {})
    said = whole_message(body["output"], body.get("tools") or ())
    return ModelResponse(
        id=body.get("id") or "",
        created=int(body.get("created_at") or 0),
        model=body.get("model") or "",
        choices=(Choice(message=said, finish_reason=finish_reason(status, body, bool(said.tool_calls))),),
        usage=decode_usage(body["usage"]) if body.get("usage") else None,
        service_tier=body.get("service_tier") or None,
        extra={"openai_responses": body},
        native=native,
    )
