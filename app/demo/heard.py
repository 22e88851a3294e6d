"""What a client makes of the bytes it gets, in any dialect: text, thinking, tool arguments, a clean end or an error.

It is written from the providers' public wire formats alone and shares nothing with the gateway's own dialects: a
mistake there must show here.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from app.demo.calls import Api


@dataclass
class Heard:
    text: str = ""
    thinking: str = ""
    tools: dict[int, str] = field(default_factory=dict)
    """Arguments by the index of the call."""
    tool_names: list[str] = field(default_factory=list)
    error: dict[str, Any] | None = None
    ended: bool = False
    """The dialect's own end was there: `[DONE]`, `message_stop`, `response.completed`, or a whole body."""
    events: int = 0

    def tool(self, index: int, name: str | None, arguments: str) -> None:
        if name:
            self.tool_names.append(name)
        self.tools[index] = self.tools.get(index, "") + arguments


class EventReader:
    """Bytes in, in any cut; complete events out."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[str]:
        """The data of each event, comments left out."""
        *events, self._rest = (self._rest + data).split(b"\n\n")
        for event in events:
            lines = [line[5:].strip() for line in event.splitlines() if line.startswith(b"data:")]
            if lines:
                yield b"\n".join(lines).decode()


def hear_event(api: Api, data: str, heard: Heard) -> None:
    heard.events += 1
    if data == "[DONE]":
        heard.ended = True
        return
    event: dict[str, Any] = json.loads(data)
    match api:
        case "openai_chat":
            _hear_chunk(event, heard)
        case "anthropic_messages":
            _hear_anthropic(event, heard)
        case "openai_responses":
            _hear_response(event, heard)


def hear_whole(api: Api, body: dict[str, Any]) -> Heard:
    """A response that is not streamed, or an error's body."""
    heard = Heard(events=1)
    if body.get("error"):
        heard.error = body
        return heard
    heard.ended = True
    match api:
        case "openai_chat":
            for choice in body["choices"]:
                _hear_message(choice["message"], heard)
        case "anthropic_messages":
            for index, block in enumerate(body["content"]):
                _hear_block(index, block, heard)
        case "openai_responses":
            for index, item in enumerate(body["output"]):
                _hear_item(index, item, heard)
    return heard


def _hear_chunk(chunk: dict[str, Any], heard: Heard) -> None:
    if "error" in chunk:
        heard.error = chunk
    for choice in chunk.get("choices", ()):
        _hear_message(choice.get("delta") or {}, heard)


def _hear_message(message: dict[str, Any], heard: Heard) -> None:
    heard.text += message.get("content") or ""
    heard.thinking += message.get("reasoning_content") or ""
    for at, call in enumerate(message.get("tool_calls") or ()):
        function = call.get("function") or {}
        heard.tool(call.get("index", at), function.get("name"), function.get("arguments") or "")


def _hear_anthropic(event: dict[str, Any], heard: Heard) -> None:
    match event["type"]:
        case "content_block_start":
            _hear_block(event["index"], {**event["content_block"], "input": None}, heard)
        case "content_block_delta":
            _hear_delta(event["index"], event["delta"], heard)
        case "message_stop":
            heard.ended = True
        case "error":
            heard.error = event


def _hear_block(index: int, block: dict[str, Any], heard: Heard) -> None:
    match block["type"]:
        case "text":
            heard.text += block["text"]
        case "thinking":
            heard.thinking += block["thinking"]
        case "tool_use":
            # In a stream the input follows piece by piece.
            whole = block["input"]
            heard.tool(index, block["name"], "" if whole is None else json.dumps(whole))


def _hear_delta(index: int, delta: dict[str, Any], heard: Heard) -> None:
    match delta["type"]:
        case "text_delta":
            heard.text += delta["text"]
        case "thinking_delta":
            heard.thinking += delta["thinking"]
        case "input_json_delta":
            heard.tool(index, None, delta["partial_json"])


def _hear_response(event: dict[str, Any], heard: Heard) -> None:
    match event["type"]:
        case "response.output_text.delta":
            heard.text += event["delta"]
        case "response.reasoning_text.delta" | "response.reasoning_summary_text.delta":
            heard.thinking += event["delta"]
        case "response.output_item.added" if event["item"]["type"] == "function_call":
            heard.tool(event["output_index"], event["item"]["name"], event["item"]["arguments"])
        case "response.function_call_arguments.delta":
            heard.tool(event["output_index"], None, event["delta"])
        case "response.completed":
            heard.ended = True
        case "error":
            heard.error = event


def _hear_item(index: int, item: dict[str, Any], heard: Heard) -> None:
    match item["type"]:
        case "message":
            heard.text += "".join(part["text"] for part in item["content"])
        case "reasoning":
            parts = [*item["summary"], *(item.get("content") or ())]
            heard.thinking += "".join(part["text"] for part in parts)
        case "function_call":
            heard.tool(index, item["name"], item["arguments"])
