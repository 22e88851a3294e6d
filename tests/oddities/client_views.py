"""An answer as a client of any dialect understands it, so that one expectation holds for all of them.

    read("messages", stream=True, reply) == ClientView(text="part of", finish="length")

Tool arguments are what the client parses: an object, or the text where it is no JSON. Tokens are OpenAI's counts: input
with what was cached, output with reasoning.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.behaviour.clients import Reply

Api = Literal["chat", "messages", "responses"]
Finish = Literal["stop", "length", "tool_calls", "content_filter"]
_STOP_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_INCOMPLETE = {"max_output_tokens": "length", "content_filter": "content_filter"}


@dataclass(frozen=True)
class Call:
    """A tool call. `id` is compared only where a case says one."""

    name: str
    arguments: object = field(default_factory=dict)
    id: str = field(default="", compare=False)


@dataclass(frozen=True)
class ClientView:
    """What a client has in the end. `finish` is chat's word, or the dialect's own where chat has none."""

    text: str = ""
    thinking: str = ""
    calls: tuple[Call, ...] = ()
    finish: str | None = None
    tokens: tuple[int, int] | None = None
    """Input and output; None where nothing was told."""
    error: str | None = None
    """Its message; None if the answer ended well."""
    status: int = 200
    id: str | None = None
    model: str | None = None
    created: object = None
    """Always there in both of OpenAI's dialects, never in Anthropic's."""


class _Reading:
    """An answer in the making."""

    def __init__(self) -> None:
        self.text = ""
        self.thinking = ""
        self.calls: dict[object, list[str]] = {}
        self.finish: str | None = None
        self.tokens: tuple[int, int] | None = None
        self.error: str | None = None
        self.id: str | None = None
        self.model: str | None = None
        self.created: object = None

    def call(self, key: object, id: str | None = None, name: str | None = None, arguments: object = "") -> None:
        """Another piece of a call, as SDKs add pieces up: id and name replace what was there, arguments grow."""
        kept = self.calls.setdefault(key, ["", "", ""])
        kept[0], kept[1] = id or kept[0], name or kept[1]
        kept[2] += arguments if isinstance(arguments, str) else json.dumps(arguments)

    def view(self, status: int) -> ClientView:
        calls = tuple(Call(name, _arguments(text), id) for id, name, text in self.calls.values())
        return ClientView(
            self.text,
            self.thinking,
            calls,
            self.finish,
            self.tokens,
            self.error,
            status,
            self.id,
            self.model,
            self.created,
        )


def read(api: Api, stream: bool, reply: Reply) -> ClientView:
    """What a client makes of a reply. Raises AssertionError at what its SDK would stumble over."""
    reading = _Reading()
    if reply.status >= 400:
        reading.error = _message(reply.json())
    elif stream:
        assert reply.headers["content-type"].startswith("text/event-stream"), reply
        _STREAMS[api](reading, reply.body)
    else:
        _WHOLE[api](reading, reply.json())
    return reading.view(reply.status)


def events(body: bytes) -> Iterator[Any]:
    """The events of a stream, parsed; `[DONE]` as that text."""
    for block in body.replace(b"\r\n", b"\n").split(b"\n\n"):
        data = b"\n".join(line[5:].strip() for line in block.split(b"\n") if line.startswith(b"data:"))
        if data:
            yield data.decode() if data == b"[DONE]" else json.loads(data)


def _arguments(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _message(body: Any) -> str:
    error = body.get("error", body)
    return str(error["message"]) if isinstance(error, dict) else str(error)


def _chat_stream(reading: _Reading, body: bytes) -> None:
    done = False
    for event in events(body):
        assert not done, f"something comes after the end: {event}"
        if event == "[DONE]":
            done = True
        elif event.get("error"):
            reading.error = _message(event)
        else:
            _chat_head(reading, event)
            for choice in event["choices"]:
                _chat_message(reading, choice["delta"], streamed=True)
                reading.finish = choice.get("finish_reason") or reading.finish
    if reading.error is None and not (done and reading.finish):
        reading.error = "no end"


def _chat_whole(reading: _Reading, body: Any) -> None:
    _chat_head(reading, body)
    for choice in body["choices"]:
        _chat_message(reading, choice["message"], streamed=False)
        reading.finish = choice["finish_reason"]


def _chat_head(reading: _Reading, body: Any) -> None:
    reading.id, reading.model, reading.created = body["id"], body["model"], body["created"]
    if usage := body.get("usage"):
        reading.tokens = usage["prompt_tokens"], usage["completion_tokens"]


def _chat_message(reading: _Reading, message: Any, *, streamed: bool) -> None:
    reading.text += message.get("content") or message.get("refusal") or ""
    reading.thinking += message.get("reasoning_content") or message.get("reasoning") or ""
    for number, call in enumerate(message.get("tool_calls") or ()):
        function = call.get("function") or {}
        key = call["index"] if streamed else number
        reading.call(key, call.get("id"), function.get("name"), function.get("arguments") or "")


def _messages_stream(reading: _Reading, body: bytes) -> None:
    ended = False
    started: dict[str, Any] = {}
    pieces: dict[object, list[str]] = {}
    for event in events(body):
        match event["type"]:
            case "message_start":
                started = event["message"]
                reading.id, reading.model = started["id"], started["model"]
            case "content_block_start":
                _messages_block(reading, event["index"], event["content_block"])
            case "content_block_delta":
                delta = event["delta"]
                reading.text += delta.get("text", "")
                reading.thinking += delta.get("thinking", "")
                if partial := delta.get("partial_json"):
                    pieces.setdefault(event["index"], []).append(partial)
            case "message_delta":
                reading.finish = _stop_reason(event["delta"]["stop_reason"])
                reading.tokens = _messages_tokens({**started["usage"], **event["usage"]})
            case "message_stop":
                ended = True
            case "error":
                reading.error = _message(event)
    _read_input(reading, pieces)
    if reading.error is None and not ended:
        reading.error = "no end"


def _messages_whole(reading: _Reading, body: Any) -> None:
    reading.id, reading.model = body["id"], body["model"]
    for index, block in enumerate(body["content"]):
        _messages_block(reading, index, block)
    _no_input(reading)
    reading.finish = _stop_reason(body["stop_reason"])
    reading.tokens = _messages_tokens(body["usage"])


def _messages_block(reading: _Reading, index: int, block: Any) -> None:
    reading.text += block.get("text", "")
    reading.thinking += block.get("thinking", "")
    if block["type"] == "tool_use":
        assert block["name"], block
        reading.call(index, block["id"], block["name"], block["input"] or "")


def _read_input(reading: _Reading, pieces: dict[object, list[str]]) -> None:
    """What the deltas say of a call's input; SDKs then read nothing of its start."""
    for index, partial in pieces.items():
        reading.calls[index][2] = "".join(partial)
    _no_input(reading)


def _no_input(reading: _Reading) -> None:
    """A block of a stream whose input never came has the `{}` that it began with."""
    for call in reading.calls.values():
        call[2] = call[2] or "{}"


def _stop_reason(reason: str | None) -> str | None:
    return _STOP_REASONS.get(reason or "", reason)


def _messages_tokens(usage: Any) -> tuple[int, int]:
    cached = (usage.get("cache_read_input_tokens") or 0) + (usage.get("cache_creation_input_tokens") or 0)
    return usage["input_tokens"] + cached, usage["output_tokens"]


def _responses_stream(reading: _Reading, body: bytes) -> None:
    ended = False
    deltas = ""
    for event in events(body):
        assert not ended, f"something comes after the end: {event}"
        match event["type"]:
            case "response.output_text.delta" | "response.refusal.delta":
                deltas += event["delta"]
            case "response.completed" | "response.incomplete" | "response.failed":
                ended = True
                _responses_whole(reading, event["response"])
            case "error":
                # `response.failed` may follow.
                reading.error = str(event["message"])
    if reading.error is None and not ended:
        reading.error = "no end"
    if reading.error is None:
        assert reading.text == deltas, f"the deltas say {deltas!r}, the response {reading.text!r}"
    reading.text = deltas


def _responses_whole(reading: _Reading, body: Any) -> None:
    reading.id, reading.model, reading.created = body["id"], body["model"], body["created_at"]
    for number, item in enumerate(body["output"]):
        match item["type"]:
            case "message":
                parts = item["content"]
                reading.text += "".join(part.get("text") or part.get("refusal") or "" for part in parts)
            case "reasoning":
                parts = [*item.get("summary", ()), *(item.get("content") or ())]
                reading.thinking += "".join(part["text"] for part in parts)
            case "function_call":
                reading.call(number, item["call_id"], item["name"], item["arguments"])
    if usage := body.get("usage"):
        reading.tokens = usage["input_tokens"], usage["output_tokens"]
    match body["status"]:
        case "completed":
            reading.finish = "tool_calls" if reading.calls else "stop"
        case "incomplete":
            reason = body["incomplete_details"]["reason"]
            reading.finish = _INCOMPLETE.get(reason, reason)
        case status:
            reading.error = _message(body) if body.get("error") else f"status {status}"


_STREAMS = {"chat": _chat_stream, "messages": _messages_stream, "responses": _responses_stream}
_WHOLE = {"chat": _chat_whole, "messages": _messages_whole, "responses": _responses_whole}
