"""The recorded bodies beside the repository, where they are, and what each of them says, read from its own JSON."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from app.errors import GatewayError
from app.messages import Dialect, Received
from tests.unit.dialects.decoding import decoded

FOLDER = Path(__file__).parents[2].parent / "shared" / "streams"
_DIALECTS: dict[str, Dialect] = {
    "chat": "openai_chat",
    "messages": "anthropic_messages",
    "responses": "openai_responses",
    "completions": "openai_completions",
}

needs_recordings = pytest.mark.skipif(not FOLDER.is_dir(), reason="no folder with recorded streams")


@dataclass
class Summary:
    """What the first choice of a body says."""

    text: str = ""
    calls: list[dict[str, str]] = field(default_factory=list)
    finish_reason: str | None = None
    stop_sequence: str | None = None
    usage: dict[str, int] = field(default_factory=dict)
    """The counts that both dialects have."""


class Recording:
    def __init__(self, row: dict[str, Any]) -> None:
        self.row = row
        self.name: str = row["file"]
        self.dialect = _DIALECTS[row["api"]]

    @cached_property
    def body(self) -> bytes:
        return (FOLDER / self.name).read_bytes()

    @cached_property
    def _decoded(self) -> tuple[list[Received], GatewayError | None]:
        return decoded(self.dialect, self.body)

    @property
    def chunks(self) -> list[Received]:
        return self._decoded[0]

    @property
    def error(self) -> GatewayError | None:
        """Why the backend would call this stream failed."""
        return self._decoded[1]

    @property
    def without_usage(self) -> bytes:
        """The body without the events that only count, which the gateway asked for on its own."""
        return b"".join(
            chunk.native.raw
            for chunk in self.chunks
            if chunk.native and (chunk.chunk.choices or chunk.chunk.usage is None)
        )


def recordings() -> list[Recording]:
    index = FOLDER / "index.jsonl"
    rows = [json.loads(line) for line in index.read_text().splitlines()] if index.exists() else []
    return [Recording(row) for row in rows if row["api"] in _DIALECTS]


ODD = {
    "anthropic/vercel+ai-028.sse": "the message begins twice, by hand",
    "anthropic/vercel+ai-029.sse": "the message begins twice, by hand",
    "cerebras/vercel+ai-001.sse": "two completions, one after the other, of which only the second has a [DONE]",
    "openai-compatible/vercel+ai-001.sse": "calls numbered from 1, of which one lacks its id",
    "snowflakecomputing/pydantic+pydantic-ai-001.sse": "no reason to finish",
    "snowflakecomputing/pydantic+pydantic-ai-002.sse": "no reason to finish",
    "writer/traceloop+openllmetry-002.sse": "two choices, of which one has ended when the other goes on",
    "openai/pydantic+pydantic-ai-036.sse": "a response asked for again, from its second event on",
    "openai/vercel+ai-003.sse": "another id for the same item in each event",
    "openai/vercel+ai-019.sse": "most of the text's pieces taken out by hand",
    "openai/vercel+ai-022.sse": "most of the text's pieces taken out by hand",
}
"""What cannot be compared once something of it was changed; untouched they are byte for byte the same, like all."""

RECORDINGS = recordings()
WHOLE = [recording for recording in RECORDINGS if recording.error is None]
SHORTENED = frozenset(name for name, why in ODD.items() if "taken out" in why)
REGULAR = [recording for recording in WHOLE if recording.name not in ODD]
FAILED = [recording for recording in RECORDINGS if recording.error is not None]


def summary_of(dialect: Dialect, body: bytes) -> Summary:
    summary = _READERS[dialect](list(_events(body)))
    summary.usage = {name: count for name, count in summary.usage.items() if count}
    return summary


def _events(body: bytes) -> Iterator[dict[str, Any]]:
    for line in body.replace(b"\r\n", b"\n").split(b"\n"):
        data = line.removeprefix(b"data:").strip()
        if line.startswith(b"data:") and data and data != b"[DONE]":
            yield json.loads(data)


def _openai(events: list[dict[str, Any]]) -> Summary:
    summary = Summary()
    by_index: dict[Any, dict[str, str]] = {}
    for event in events:
        usage = event.get("usage") or (event.get("x_groq") or {}).get("usage")
        _count(summary, usage, "prompt_tokens", "completion_tokens")
        if usage and usage.get("total_tokens"):
            # xAI and Gemini count thinking beside the completion, in the total alone.
            completion = usage["total_tokens"] - (usage.get("prompt_tokens") or 0)
            summary.usage["completion_tokens"] = max(completion, summary.usage.get("completion_tokens", 0))
        for choice in event.get("choices") or ():
            if choice.get("index", 0) != 0:
                continue
            delta = choice.get("delta") or choice.get("message") or {}
            summary.finish_reason = choice.get("finish_reason") or summary.finish_reason
            # Some repeat a delta's content as a text.
            summary.text += _text(delta.get("content")) if delta else choice.get("text") or ""
            for call in delta.get("tool_calls") or ():
                _add_call(summary, by_index, call)
    return summary


_ANTHROPIC_COUNTS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")


def _count(summary: Summary, usage: dict[str, Any] | None, *names: str) -> None:
    summary.usage |= {name: usage[name] for name in names if usage and usage.get(name) is not None}


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part.get("type") == "text")
    return content or ""


def _add_call(summary: Summary, by_index: dict[Any, dict[str, str]], call: dict[str, Any]) -> None:
    function = call.get("function") or {}
    known = by_index.get(call.get("index"))
    if function.get("name") and (known is None or known["id"] != call.get("id")):
        known = by_index[call.get("index")] = {"id": call["id"], "name": function["name"], "arguments": ""}
        summary.calls.append(known)
    assert known is not None
    known["arguments"] += function.get("arguments") or ""


def _anthropic(events: list[dict[str, Any]]) -> Summary:
    summary = Summary()
    calls: dict[int, dict[str, str]] = {}
    for event in events:
        match event["type"]:
            case "message_stop":
                break
            case "message_start":
                _count(summary, event["message"]["usage"], *_ANTHROPIC_COUNTS)
            case "content_block_start" if event["content_block"]["type"] == "tool_use":
                block = event["content_block"]
                whole = json.dumps(block["input"]) if block.get("input") else ""
                calls[event["index"]] = {"id": block["id"], "name": block["name"], "arguments": whole}
                summary.calls.append(calls[event["index"]])
            case "content_block_start":
                summary.text += event["content_block"].get("text") or ""
            case "content_block_delta":
                delta = event["delta"]
                summary.text += delta.get("text") or ""
                if event["index"] in calls:
                    calls[event["index"]]["arguments"] += delta.get("partial_json") or ""
            case "message_delta":
                summary.finish_reason = event["delta"].get("stop_reason") or summary.finish_reason
                summary.stop_sequence = event["delta"].get("stop_sequence")
                _count(summary, event["usage"], *_ANTHROPIC_COUNTS)
    return summary


def _responses(events: list[dict[str, Any]]) -> Summary:
    """The summary of the whole response that ends a stream; calls of tools that nobody offered are the provider's."""
    summary = Summary()
    ends = ("response.completed", "response.incomplete")
    response: dict[str, Any] = next((event["response"] for event in events if event["type"] in ends), {})
    offered = {tool.get("name") for tool in response.get("tools") or () if tool.get("type") == "custom"}
    for item in response.get("output") or ():
        match item["type"]:
            case "message":
                summary.text += "".join(part.get("text") or "" for part in item["content"])
            case "function_call":
                summary.calls.append({"id": item["call_id"], "name": item["name"], "arguments": item["arguments"]})
            case "custom_tool_call" if item["name"] in offered:
                summary.calls.append({"id": item["call_id"], "name": item["name"], "arguments": item["input"]})
    summary.finish_reason = (response.get("incomplete_details") or {}).get("reason") or response.get("status")
    _count(summary, response.get("usage"), "input_tokens", "output_tokens")
    return summary


_READERS: dict[Dialect, Callable[[list[dict[str, Any]]], Summary]] = {
    "openai_chat": _openai,
    "openai_completions": _openai,
    "anthropic_messages": _anthropic,
    "openai_responses": _responses,
}
