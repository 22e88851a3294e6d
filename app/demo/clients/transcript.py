"""What a client makes of the bytes it gets, in any dialect: text, thinking, tool arguments, a clean end or an error.

It is written from the providers' public wire formats alone and shares nothing with the gateway's own dialects: a
mistake there must show here.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from app.demo.clients.calls import Api


@dataclass
class Transcript:
    text: str = ""
    thinking: str = ""
    tools: dict[int, str] = field(default_factory=dict)
    """Arguments of tool calls, by the index of the call."""
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


def read_event(api: Api, data: str, transcript: Transcript) -> None:
    transcript.events += 1
    if data == "[DONE]":
        transcript.ended = True
        return
    event: dict[str, Any] = json.loads(data)
    match api:
        case "openai_chat":
            _read_chunk(event, transcript)
        case "anthropic_messages":
            _read_anthropic(event, transcript)
        case "openai_responses":
            _read_response(event, transcript)


def read_body(api: Api, body: dict[str, Any]) -> Transcript:
    """The transcript of a response that is not streamed, or of an error's body."""
    transcript = Transcript(events=1)
    if body.get("error"):
        transcript.error = body
        return transcript
    transcript.ended = True
    match api:
        case "openai_chat":
            for choice in body["choices"]:
                _read_message(choice["message"], transcript)
        case "anthropic_messages":
            for index, block in enumerate(body["content"]):
                _read_block(index, block, transcript)
        case "openai_responses":
            for index, item in enumerate(body["output"]):
                _read_item(index, item, transcript)
    return transcript


def _read_chunk(chunk: dict[str, Any], transcript: Transcript) -> None:
    if "error" in chunk:
        transcript.error = chunk
    for choice in chunk.get("choices", ()):
        _read_message(choice.get("delta") or {}, transcript)


def _read_message(message: dict[str, Any], transcript: Transcript) -> None:
    transcript.text += message.get("content") or ""
    transcript.thinking += message.get("reasoning_content") or ""
    for at, call in enumerate(message.get("tool_calls") or ()):
        function = call.get("function") or {}
        transcript.tool(call.get("index", at), function.get("name"), function.get("arguments") or "")


def _read_anthropic(event: dict[str, Any], transcript: Transcript) -> None:
    match event["type"]:
        case "content_block_start":
            _read_block(event["index"], {**event["content_block"], "input": None}, transcript)
        case "content_block_delta":
            _read_delta(event["index"], event["delta"], transcript)
        case "message_stop":
            transcript.ended = True
        case "error":
            transcript.error = event


def _read_block(index: int, block: dict[str, Any], transcript: Transcript) -> None:
    match block["type"]:
        case "text":
            transcript.text += block["text"]
        case "thinking":
            transcript.thinking += block["thinking"]
        case "tool_use":
            # In a stream the input follows piece by piece.
            whole = block["input"]
            transcript.tool(index, block["name"], "" if whole is None else json.dumps(whole))


def _read_delta(index: int, delta: dict[str, Any], transcript: Transcript) -> None:
    match delta["type"]:
        case "text_delta":
            transcript.text += delta["text"]
        case "thinking_delta":
            transcript.thinking += delta["thinking"]
        case "input_json_delta":
            transcript.tool(index, None, delta["partial_json"])


def _read_response(event: dict[str, Any], transcript: Transcript) -> None:
    match event["type"]:
        case "response.output_text.delta":
            transcript.text += event["delta"]
        case "response.reasoning_text.delta" | "response.reasoning_summary_text.delta":
            transcript.thinking += event["delta"]
        case "response.output_item.added" if event["item"]["type"] == "function_call":
            transcript.tool(event["output_index"], event["item"]["name"], event["item"]["arguments"])
        case "response.function_call_arguments.delta":
            transcript.tool(event["output_index"], None, event["delta"])
        case "response.completed":
            transcript.ended = True
        case "error":
            transcript.error = event


def _read_item(index: int, item: dict[str, Any], transcript: Transcript) -> None:
    match item["type"]:
        case "message":
            transcript.text += "".join(part["text"] for part in item["content"])
        case "reasoning":
            parts = [*item["summary"], *(item.get("content") or ())]
            transcript.thinking += "".join(part["text"] for part in parts)
        case "function_call":
            transcript.tool(index, item["name"], item["arguments"])
