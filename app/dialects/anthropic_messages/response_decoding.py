"""A provider's Anthropic message, whole or streamed, to the common form: pure.

Calls of the provider's own tools never look like calls for the client: they and their results stand in the message's
`extra`, under `server_tools`. Citations of pages with an address become annotations when their text is complete.
Dropped, as nothing in the common form says them: citations of places in documents, compactions, fallbacks, pings, and
blocks not yet known; the native event has them all.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from app.dialects.anthropic_messages.stop_reasons import EXACT
from app.dialects.fast_path import QuickDecoder
from app.dialects.finish_reasons import graver, reason_in, refuse_unfinished, unfinished
from app.dialects.response_heads import id_in
from app.dialects.token_counts import decode_counts
from app.dialects.tool_calls import as_object, as_text
from app.dialects.validation import rest
from app.messages import (
    Choice,
    Dialect,
    Function,
    Message,
    ModelResponse,
    Native,
    Received,
    ThinkingBlock,
    ToolCall,
    Usage,
)

_DELTA_EVENT = b"event: content_block_delta"
_MESSAGE = frozenset(
    ["id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "stop_details", "usage", "error"]
)
_SERVER_CALLS = frozenset({"server_tool_use", "mcp_tool_use"})
_COUNTS = frozenset(
    ["input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens_details"]
)


class TextDelta(Struct, frozen=True, gc=False, forbid_unknown_fields=True, tag="text_delta"):
    text: str


class ThinkingDelta(Struct, frozen=True, gc=False, forbid_unknown_fields=True, tag="thinking_delta"):
    thinking: str


class DeltaEvent(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The most frequent event: a piece of text or of thinking."""

    type: Literal["content_block_delta"]
    index: int
    delta: TextDelta | ThinkingDelta


@dataclass(slots=True)
class OpenBlock:
    """A block of a stream while it is open; `fields` as it began, `call` its position if it is a client's tool call."""

    fields: dict[str, Any]
    first_char: int
    call: int | None = None
    arguments: list[str] = field(default_factory=list)
    citations: list[dict[str, Any]] = field(default_factory=list)

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
        self._blocks: dict[int, OpenBlock] = {}
        self._calls = 0
        self._server_tools = 0
        self._chars = 0
        self._reason: str | None = None
        """Why it stopped, the gravest of several."""

    def quick(self, raw: bytes, sequence: int, data: bytes) -> Received | None:
        event = self._deltas.decode(data) if raw.startswith(_DELTA_EVENT) and not self.ended else None
        if event is None:
            return None
        match event.delta:
            case TextDelta(text=text):
                self._chars += len(text)
                choice = Choice(0, Message(None, text)) if text else None
            case ThinkingDelta(thinking=thinking):
                choice = Choice(0, Message(reasoning_content=thinking)) if thinking else None
        native = Native("anthropic_messages", raw, sequence, data, "content_block_delta", is_plain=True)
        chunk = ModelResponse(id=self._id, model=self._model, choices=(choice,) if choice else ())
        return Received(chunk, native)

    def mend(self, event: dict[str, Any]) -> bool:
        """Some servers end an answer that calls tools with `end_turn`, at which no client runs any."""
        delta = event.get("delta")
        if not self._calls or event.get("type") != "message_delta" or not isinstance(delta, dict):
            return False
        return _mend_reason(delta)

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
        self._model = self._model or message.get("model") or ""
        self._count(message.get("usage"))
        delta = Message(role="assistant")
        if content := message.get("content"):
            delta = _whole_message(content, first_call=self._calls)
            self._calls += len(delta.tool_calls)
        return ModelResponse(
            id=self._id,
            model=self._model,
            choices=(Choice(delta=delta),),
            usage=decode_usage(self._usage) if self._usage else None,
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
            usage=decode_usage(self._usage) if self._usage else None,
            extra={name: event[name] for name in ("context_management",) if event.get(name)} | rest(delta, _MESSAGE),
        )

    def _count(self, usage: object) -> None:
        """Add what an event counts: each number is that of the message so far. A zero says nothing, except beside an
        input: after a compaction, that is of the last of several prompts, of which nothing came from the cache."""
        counts = _present(usage)
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
        block = self._blocks.get(index)
        if block is None or not text:
            return None
        block.arguments.append(text)
        return None if block.call is None else _calling(ToolCall(block.call, function=Function(arguments=text)))

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
            return _calling(ToolCall(block.call, function=Function(arguments=_arguments(block.fields["input"]))))
        if is_server_call(block.fields.get("type")):
            return self._server_tool(block.with_input())
        notes = annotations(block.citations, block.first_char, self._chars) if block.citations else ()
        return Message(annotations=notes) if notes else None

    def _server_tool(self, block: dict[str, Any]) -> Message:
        # OpenAI's SDK adds up lists by the index of their entries.
        numbered = {"index": self._server_tools, **block}
        self._server_tools += 1
        return Message(extra={"server_tools": [numbered]})


def mend_response(body: dict[str, Any]) -> bool:
    """Put right, in the body, what no client could use; whether anything was."""
    content = body.get("content")
    blocks = content if isinstance(content, list) else []
    called = any(isinstance(block, dict) and block.get("type") == "tool_use" for block in blocks)
    return called and _mend_reason(body)


def _mend_reason(fields: dict[str, Any]) -> bool:
    if fields.get("stop_reason") != "end_turn":
        return False
    fields["stop_reason"] = "tool_use"
    return True


def decode_response(body: dict[str, Any]) -> ModelResponse:
    choice = Choice(
        message=_whole_message(body["content"], first_call=0),
        finish_reason=_reason(body.get("stop_reason")),
        stop_sequence=body.get("stop_sequence"),
    )
    usage = _present(body.get("usage"))
    response = ModelResponse(
        id=id_in(body.get("id")),
        model=body.get("model") or "",
        choices=(choice,),
        usage=decode_usage(usage) if usage else None,
        extra=rest(body, _MESSAGE),
    )
    return refuse_unfinished(response)


def _whole_message(content: list[dict[str, Any]], first_call: int) -> Message:
    text: list[str] = []
    thinking: list[ThinkingBlock] = []
    calls: list[ToolCall] = []
    server_tools: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    chars = 0
    for block in content:
        match block.get("type"):
            case "text":
                notes += annotations(block.get("citations") or [], chars, chars + len(block["text"]))
                chars += len(block["text"])
                text.append(block["text"])
            case "thinking":
                thinking.append(ThinkingBlock(thinking=block["thinking"], signature=block.get("signature") or None))
            case "redacted_thinking":
                thinking.append(ThinkingBlock(type="redacted_thinking", data=block.get("data")))
            case "tool_use":
                function = Function(block.get("name"), _arguments(block.get("input")))
                calls.append(ToolCall(first_call + len(calls), block.get("id"), function=function))
            case kind if is_server_call(kind) or is_server_result(kind):
                server_tools.append({"index": len(server_tools), **block})
    return Message(
        role="assistant",
        content="".join(text) or None,
        reasoning_content="".join(block.thinking for block in thinking) or None,
        thinking_blocks=tuple(thinking),
        tool_calls=tuple(calls),
        annotations=tuple(notes),
        extra={"server_tools": server_tools} if server_tools else {},
    )


def _calling(call: ToolCall) -> Message:
    return Message(tool_calls=(call,))


def _reason(word: Any) -> Any:
    """The common form's word where it says no less."""
    reason = reason_in(word)
    return EXACT.get(reason, reason) if isinstance(reason, str) else reason


def _arguments(given: Any) -> str:
    """JSON text; some servers have it as such already."""
    return as_text(given) if isinstance(given, str) else msgspec.json.encode(given or {}).decode()


def _present(usage: object) -> dict[str, Any]:
    return {name: value for name, value in usage.items() if value is not None} if isinstance(usage, dict) else {}


def is_server_call(kind: object) -> bool:
    return kind in _SERVER_CALLS


def is_server_result(kind: object) -> bool:
    return isinstance(kind, str) and kind.endswith("_tool_result")


def annotations(citations: list[dict[str, Any]], start: int, end: int) -> tuple[dict[str, Any], ...]:
    """Citations as OpenAI has them, about the characters from `start` to `end`; only pages with an address can be
    shown so."""
    return tuple(_annotation(citation, start, end) for citation in citations if _address(citation))


def _annotation(citation: dict[str, Any], start: int, end: int) -> dict[str, Any]:
    page = {
        "url": _address(citation),
        "title": citation.get("title") or "",
        "start_index": start,
        "end_index": end,
    }
    return {"type": "url_citation", "url_citation": page}


def _address(citation: dict[str, Any]) -> str | None:
    found = citation.get("url") or citation.get("source")
    return found if isinstance(found, str) and found.startswith(("http://", "https://")) else None


def decode_usage(fields: dict[str, Any]) -> Usage:
    """Anthropic counts what goes through a cache beside `input_tokens`; who says `prompt_tokens` counts as OpenAI."""
    details = fields.get("output_tokens_details")
    extra = {name: value for name, value in fields.items() if name not in _COUNTS}
    if isinstance(details, dict) and details:
        extra["output_tokens_details"] = details
    return replace(decode_counts(fields, input_has_cache="input_tokens" not in fields), extra=extra)
