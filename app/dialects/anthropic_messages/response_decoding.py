"""A provider's Anthropic message, whole or streamed, to the common form: pure.

Citations of pages with an address become annotations when their text is complete. Dropped, as nothing in the common
form says them: citations of places in documents, compactions, fallbacks, pings, and blocks not yet known; the native
event has them all.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from msgspec import Struct

from app.dialects.anthropic_messages.content_decoding import (
    annotations,
    arguments_of,
    is_server_call,
    is_server_result,
    whole_message,
)
from app.dialects.anthropic_messages.mending import EventMender
from app.dialects.anthropic_messages.stop_reasons import EXACT
from app.dialects.anthropic_messages.usage_decoding import present, usage_of
from app.dialects.fast_path import QuickDecoder, Run
from app.dialects.finish_reasons import graver, reason_in, refuse_unfinished, unfinished
from app.dialects.response_heads import id_in
from app.dialects.tool_calls import as_object
from app.dialects.validation import rest
from app.messages import (
    Choice,
    Dialect,
    Function,
    Message,
    ModelResponse,
    ThinkingBlock,
    ToolCall,
)

_DELTA_EVENT = b"content_block_delta"
_MESSAGE = frozenset(
    ["id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "stop_details", "usage", "error"]
)


class TextDelta(Struct, frozen=True, gc=False, forbid_unknown_fields=True, tag="text_delta"):
    text: str


class ThinkingDelta(Struct, frozen=True, gc=False, forbid_unknown_fields=True, tag="thinking_delta"):
    thinking: str


class InputDelta(Struct, frozen=True, gc=False, forbid_unknown_fields=True, tag="input_json_delta"):
    partial_json: str


class DeltaEvent(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The most frequent event: a piece of text, of thinking or of a call's arguments."""

    type: Literal["content_block_delta"]
    index: int
    delta: TextDelta | ThinkingDelta | InputDelta


def _text_of(delta: TextDelta | ThinkingDelta | InputDelta) -> str:
    if isinstance(delta, TextDelta):
        return delta.text
    return delta.thinking if isinstance(delta, ThinkingDelta) else delta.partial_json


@dataclass(slots=True)
class OpenBlock:
    """A block of a stream while it is open; `fields` as it began, `call` its position if it is a client's tool call."""

    fields: dict[str, Any]
    first_char: int
    call: int | None = None
    arguments: list[str] = field(default_factory=list)
    citations: list[dict[str, Any]] = field(default_factory=list)

    def more(self, arguments: str) -> ToolCall:
        """Return a piece of the call that adds these arguments."""
        return ToolCall(self.call or 0, function=Function(arguments=arguments))

    def with_input(self) -> dict[str, Any]:
        return {**self.fields, "input": as_object("".join(self.arguments))} if self.arguments else self.fields


class ResponseDecoder:
    """Decodes one stream, event by event."""

    dialect: Dialect = "anthropic_messages"

    def __init__(self) -> None:
        self.ended = False
        self._id = ""
        self._model = ""
        self._usage: dict[str, Any] = {}
        self._deltas = QuickDecoder(DeltaEvent)
        self._mender = EventMender()
        self._blocks: dict[int, OpenBlock] = {}
        self._calls = 0
        self._server_tools = 0
        self._chars = 0
        self._reason: str | None = None
        """Why it stopped, the gravest of several."""

    def quick(self, name: bytes, events: Sequence[bytes], at: int = 0) -> Run | None:
        event = self._deltas.decode(events[at]) if name == _DELTA_EVENT and not self.ended else None
        if event is None:
            return None
        block = None
        if isinstance(event.delta, InputDelta):
            block = self._blocks.get(event.index)
            if block is None or block.call is None:
                return None
        first = text = _text_of(event.delta)
        texts: tuple[str, ...] = ()
        if text and len(events) > at + 1 and (more := self._more_text(event, events, at + 1)):
            texts = (first, *more)
            text = "".join(texts)
        if isinstance(event.delta, TextDelta):
            self._chars += len(text)
            message = Message(None, text)
        elif block is None:
            message = Message(reasoning_content=text)
        else:
            if text:
                block.arguments += texts or (text,)
            message = _calling(block.more(text))
        chunk = ModelResponse(id=self._id, model=self._model, choices=(Choice(0, message),) if text else ())
        return Run(chunk, texts, "content_block_delta")

    def _more_text(self, first: DeltaEvent, events: Sequence[bytes], at: int) -> list[str]:
        """The texts of the events from `at` on that go on with the same block."""
        index, kind = first.index, type(first.delta)
        texts: list[str] = []
        for event in self._deltas.decode_on(events, at):
            delta = event.delta
            text = _text_of(delta)
            if not text or event.index != index or type(delta) is not kind:
                break
            texts.append(text)
        return texts

    def mend(self, event: dict[str, Any]) -> bool:
        return self._mender.mend(event, has_called=self._calls > 0)

    def chunk(self, event: dict[str, Any]) -> ModelResponse:
        match event.get("type"):
            case "content_block_delta":
                message = self._delta(event["index"], event["delta"])
            case "content_block_start":
                message = self._start(event["index"], event["content_block"])
            case "content_block_stop":
                return self._block_stop(event["index"])
            case "message_start":
                return self._message_start(event["message"])
            case "message_delta":
                return self._message_delta(event)
            case "message_stop":
                self._check_reason()
                self.ended = True
                message = None
            case _:
                message = None
        choices = () if message is None else (Choice(delta=message),)
        return ModelResponse(id=self._id, model=self._model, choices=choices)

    def bare(self) -> ModelResponse:
        return ModelResponse(id=self._id, model=self._model)

    def done(self) -> None:
        """Some providers that speak this dialect send OpenAI's last word too; it does not count."""

    def may_end(self) -> bool:
        return False

    def _message_start(self, message: dict[str, Any]) -> ModelResponse:
        self._id = self._id or id_in(message.get("id"))
        self._model = self._model or str(message.get("model") or "")
        self._count(message.get("usage"))
        delta = Message(role="assistant")
        if content := message.get("content"):
            delta = whole_message(content, first_call=self._calls)
            self._calls += len(delta.tool_calls)
        return ModelResponse(
            id=self._id,
            model=self._model,
            choices=(Choice(delta=delta),),
            usage=usage_of(self._usage),
            extra=rest(message, _MESSAGE),
        )

    def _message_delta(self, event: dict[str, Any]) -> ModelResponse:
        delta = event.get("delta") or {}
        self._count(event.get("usage"))
        if reason := _reason(delta.get("stop_reason")):
            reason = self._reason = graver(self._reason, reason)
        finish = Choice(delta=Message(), finish_reason=reason, stop_sequence=delta.get("stop_sequence"))
        return ModelResponse(
            id=self._id,
            model=self._model,
            choices=(finish,) if reason else (),
            usage=usage_of(self._usage),
            extra={name: event[name] for name in ("context_management",) if event.get(name)} | rest(delta, _MESSAGE),
        )

    def _count(self, usage: object) -> None:
        """Add what an event counts: each number is that of the message so far. A zero says nothing, except beside an
        input: after a compaction, that is of the last of several prompts, of which nothing came from the cache."""
        counts = present(usage)
        for name, value in counts.items():
            if value or name not in self._usage or counts.get("input_tokens"):
                self._usage[name] = value

    def _check_reason(self) -> None:
        """Why it stopped is part of every message: where that is missing, something was lost on the way."""
        if self._reason is None:
            raise unfinished()

    def _delta(self, index: int, delta: dict[str, Any]) -> Message | None:
        match delta.get("type"):
            case "text_delta":
                text = delta["text"]
                self._chars += len(text)
                return Message(content=text) if text else None
            case "thinking_delta":
                return Message(reasoning_content=delta["thinking"]) if delta["thinking"] else None
            case "signature_delta":
                return Message(thinking_blocks=(ThinkingBlock(signature=delta["signature"]),))
            case "input_json_delta":
                return self._arguments(index, delta["partial_json"])
            case "citations_delta":
                if (block := self._blocks.get(index)) is not None:
                    block.citations.append(delta["citation"])
        return None

    def _arguments(self, index: int, text: str) -> Message | None:
        if not text:
            return None
        if (block := self._blocks.get(index)) is None:
            raise ValueError("arguments of no call")
        block.arguments.append(text)
        return None if block.call is None else _calling(block.more(text))

    def _start(self, index: int, fields: dict[str, Any]) -> Message | None:
        block = self._blocks[index] = OpenBlock(fields, self._chars)
        match fields.get("type"):
            case "text" if fields.get("text"):
                self._chars += len(fields["text"])
                return Message(content=fields["text"])
            case "thinking" if fields.get("thinking") or fields.get("signature"):
                signature = fields.get("signature") or None
                blocks = (ThinkingBlock(signature=signature),) if signature else ()
                return Message(reasoning_content=fields.get("thinking") or None, thinking_blocks=blocks)
            case "redacted_thinking":
                return Message(thinking_blocks=(ThinkingBlock(type="redacted_thinking", data=fields.get("data")),))
            case "tool_use":
                block.call = self._calls
                self._calls += 1
                return _calling(ToolCall(block.call, fields.get("id"), function=Function(fields.get("name"))))
            case kind if is_server_result(kind):
                return self._server_tool(fields)
        return None

    def _block_stop(self, index: int) -> ModelResponse:
        block = self._blocks.pop(index, None)
        message = None if block is None else self._rest_of(block)
        choices = () if message is None else (Choice(delta=message),)
        return ModelResponse(id=self._id, model=self._model, choices=choices, ends="all")

    def _rest_of(self, block: OpenBlock) -> Message | None:
        """The part of a block that is passed on when it is complete."""
        if block.call is not None and not block.arguments and block.fields.get("input"):
            # It came whole with its start.
            return _calling(ToolCall(block.call, function=Function(arguments=arguments_of(block.fields["input"]))))
        if is_server_call(block.fields.get("type")):
            return self._server_tool(block.with_input())
        notes = annotations(block.citations, block.first_char, self._chars) if block.citations else ()
        return Message(annotations=notes) if notes else None

    def _server_tool(self, block: dict[str, Any]) -> Message:
        # OpenAI's SDK adds up lists by the index of their entries.
        numbered = {"index": self._server_tools, **block}
        self._server_tools += 1
        return Message(extra={"server_tools": [numbered]})


def decode_response(body: dict[str, Any]) -> ModelResponse:
    choice = Choice(
        message=whole_message(body["content"], first_call=0),
        finish_reason=_reason(body.get("stop_reason")),
        stop_sequence=body.get("stop_sequence"),
    )
    response = ModelResponse(
        id=id_in(body.get("id")),
        model=str(body.get("model") or ""),
        choices=(choice,),
        usage=usage_of(present(body.get("usage"))),
        extra=rest(body, _MESSAGE),
    )
    return refuse_unfinished(response)


def _calling(call: ToolCall) -> Message:
    return Message(tool_calls=(call,))


def _reason(word: Any) -> Any:
    """The common form's word where it says no less."""
    reason = reason_in(word)
    return EXACT.get(reason, reason) if isinstance(reason, str) else reason
