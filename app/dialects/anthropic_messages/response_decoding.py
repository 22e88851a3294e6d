"""A provider's Anthropic message, whole or streamed, to the common form: pure.

Calls of the provider's own tools never look like calls for the client: they and their results stand in the message's
`extra`, under `server_tools`. Citations of pages with an address become annotations when their text is complete.
Dropped, as nothing in the common form says them: citations of places in documents, compactions, fallbacks, pings, and
blocks not yet known; the native event has them all.
"""

from typing import Any

import msgspec

from app.dialects.anthropic_messages.block_reading import OpenBlock, annotations, is_server_call, is_server_result
from app.dialects.anthropic_messages.delta_events import DeltaEvent, TextDelta, ThinkingDelta
from app.dialects.anthropic_messages.usage_decoding import decode_usage
from app.dialects.errors import ProviderFailed
from app.dialects.quick_decoding import QuickDecoder
from app.dialects.validation import rest
from app.messages import Choice, Dialect, Function, Message, ModelResponse, Native, ThinkingBlock, ToolCall

_DELTA_EVENT = b"event: content_block_delta"
_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_MESSAGE = frozenset(
    ["id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "stop_details", "usage", "error"]
)


class ResponseDecoder:
    """One stream, event by event."""

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
        self._has_reason = False

    def quick(self, raw: bytes, sequence: int, data: bytes) -> ModelResponse | None:
        said = self._deltas.decode(data) if raw.startswith(_DELTA_EVENT) and not self.ended else None
        if said is None:
            return None
        match said.delta:
            case TextDelta(text=text):
                self._chars += len(text)
                choice = Choice(0, Message(None, text)) if text else None
            case ThinkingDelta(thinking=thinking):
                choice = Choice(0, Message(reasoning_content=thinking)) if thinking else None
        native = Native("anthropic_messages", raw, sequence, data, "content_block_delta")
        return ModelResponse(id=self._id, model=self._model, choices=(choice,) if choice else (), native=native)

    def chunk(self, event: dict[str, Any], native: Native | None = None) -> ModelResponse:
        match event.get("type"):
            case "content_block_delta":
                said = self._delta(event["index"], event["delta"])
            case "content_block_start":
                said = self._start(event["index"], event["content_block"])
            case "content_block_stop":
                said = self._stop(event["index"])
            case "message_start":
                return self._message_start(event["message"], native)
            case "message_delta":
                return self._message_delta(event, native)
            case "message_stop":
                self._check_reason()
                self.ended = True
                said = None
            case _:
                said = None
        choices = () if said is None else (Choice(delta=said),)
        return ModelResponse(id=self._id, model=self._model, choices=choices, native=native)

    def bare(self, native: Native) -> ModelResponse:
        return ModelResponse(id=self._id, model=self._model, native=native)

    def done(self) -> None:
        """Some providers that speak this dialect send OpenAI's last word too; it does not count."""

    def may_end(self) -> bool:
        return False

    def _message_start(self, message: dict[str, Any], native: Native | None) -> ModelResponse:
        self._id = self._id or message.get("id") or ""
        self._model = self._model or message.get("model") or ""
        self._usage |= _present(message.get("usage"))
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
            native=native,
        )

    def _message_delta(self, event: dict[str, Any], native: Native | None) -> ModelResponse:
        delta = event.get("delta") or {}
        self._usage |= _present(event.get("usage"))
        reason = delta.get("stop_reason")
        self._has_reason = self._has_reason or bool(reason)
        finish = Choice(delta=Message(), finish_reason=_reason(reason), stop_sequence=delta.get("stop_sequence"))
        return ModelResponse(
            id=self._id,
            model=self._model,
            choices=(finish,) if reason else (),
            usage=decode_usage(self._usage) if self._usage else None,
            extra={name: event[name] for name in ("context_management",) if event.get(name)} | rest(delta, _MESSAGE),
            native=native,
        )

    def _check_reason(self) -> None:
        """Why it stopped is part of every message: where that is missing, something was lost on the way."""
        if not self._has_reason:
            raise ProviderFailed({"message": "The provider's answer ended without a stop reason."})

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

    def _start(self, index: int, said: dict[str, Any]) -> Message | None:
        block = self._blocks[index] = OpenBlock(said, self._chars)
        match said.get("type"):
            case "text" if said.get("text"):
                self._chars += len(said["text"])
                return Message(content=said["text"])
            case "thinking" if said.get("thinking") or said.get("signature"):
                signature = said.get("signature") or None
                blocks = (ThinkingBlock(signature=signature),) if signature else ()
                return Message(reasoning_content=said.get("thinking") or None, thinking_blocks=blocks)
            case "redacted_thinking":
                return Message(thinking_blocks=(ThinkingBlock(type="redacted_thinking", data=said.get("data")),))
            case "tool_use":
                block.call = self._calls
                self._calls += 1
                return _calling(ToolCall(block.call, said.get("id"), function=Function(said.get("name"))))
            case kind if is_server_result(kind):
                return self._server_tool(said)
        return None

    def _stop(self, index: int) -> Message | None:
        block = self._blocks.pop(index, None)
        if block is None:
            return None
        if block.call is not None and not block.arguments and block.said.get("input"):
            # It came whole with its start.
            return _calling(ToolCall(block.call, function=Function(arguments=_json(block.said["input"]))))
        if is_server_call(block.said.get("type")):
            return self._server_tool(block.with_input())
        notes = annotations(block.citations, block.first_char, self._chars) if block.citations else ()
        return Message(annotations=notes) if notes else None

    def _server_tool(self, said: dict[str, Any]) -> Message:
        # OpenAI's SDK adds up lists by the index of their entries.
        shown = {"index": self._server_tools, **said}
        self._server_tools += 1
        return Message(extra={"server_tools": [shown]})


def decode_response(body: dict[str, Any], native: Native | None = None) -> ModelResponse:
    choice = Choice(
        message=_whole_message(body["content"], first_call=0),
        finish_reason=_reason(body.get("stop_reason")),
        stop_sequence=body.get("stop_sequence"),
    )
    usage = _present(body.get("usage"))
    return ModelResponse(
        id=body.get("id") or "",
        model=body.get("model") or "",
        choices=(choice,),
        usage=decode_usage(usage) if usage else None,
        extra=rest(body, _MESSAGE),
        native=native,
    )


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
                function = Function(block.get("name"), _json(block.get("input") or {}))
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


def _reason(said: str | None) -> str | None:
    """OpenAI's word where it says no less."""
    return _REASONS.get(said, said) if said else None


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _present(said: dict[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (said or {}).items() if value is not None}
