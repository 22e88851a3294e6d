"""Whether a body is a legal stream of its dialect: written from the protocols, without a line of the formatters.

`check_openai` and `check_anthropic` raise `AssertionError` at the first event that the official SDKs or the providers'
own streams would not allow, and return what the body says when its deltas are added up. `native`: part of the stream is
a provider's own, which may say more (`x_...` in the tests) and put thinking where it likes.
"""

import json
from dataclasses import dataclass, field
from typing import Any

FINISH_REASONS = {"stop", "length", "tool_calls", "content_filter", "function_call"}
STOP_REASONS = {
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "compaction",
    "refusal",
    "model_context_window_exceeded",
    # A word of the provider's own (that of `samples`): the API's versioning policy lets new ones come.
    "odd",
}


@dataclass
class Event:
    name: str | None
    data: str


@dataclass
class OpenAIChoice:
    content: str = ""
    refusal: str = ""
    reasoning: str = ""
    calls: list[dict[str, str]] = field(default_factory=list)
    finish_reason: str | None = None


@dataclass
class OpenAIStream:
    choices: dict[int, OpenAIChoice] = field(default_factory=dict)
    usage: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    chunks: int = 0
    native: bool = False


@dataclass
class AnthropicStream:
    message: dict[str, Any] | None = None
    blocks: list[dict[str, Any]] = field(default_factory=list)
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: dict[str, Any] | None = None
    error: dict[str, Any] | None = None

    def text(self) -> str:
        return "".join(block["text"] for block in self.blocks if block["type"] == "text")

    def calls(self) -> list[dict[str, Any]]:
        return [block for block in self.blocks if block["type"] == "tool_use"]


def events(body: bytes) -> list[Event]:
    """The events of an SSE body; each must be whole, and a comment must be alone."""
    assert not body.startswith(b"\xef\xbb\xbf"), "a byte order mark hides the first event"
    text = body.decode()
    assert text == "" or text.endswith("\n\n"), "the last event lacks its blank line"
    found = []
    for block in text.split("\n\n")[:-1]:
        assert block, "an empty event"
        lines = block.split("\n")
        if all(line.startswith(":") for line in lines):
            continue
        names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
        data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
        assert len(names) + len(data) == len(lines), f"a field that SDKs do not expect: {block!r}"
        assert len(data) == 1, "exactly one data line"
        assert len(names) <= 1
        found.append(Event(names[0] if names else None, data[0]))
    return found


def check_openai(
    body: bytes, include_usage: bool = False, ended: bool = True, n: int = 1, native: bool = False
) -> OpenAIStream:
    """`ended`: the stream is complete, by `[DONE]` or by an error."""
    stream = OpenAIStream(native=native)
    fixed: tuple[Any, ...] | None = None
    done = False
    for event in events(body):
        assert event.name is None, "OpenAI names no events"
        assert not done, "something after [DONE]"
        assert stream.error is None, "something after an error"
        if event.data == "[DONE]":
            done = True
            continue
        chunk = json.loads(event.data)
        if "error" in chunk:
            assert set(chunk) == {"error"}
            assert set(chunk["error"]) == {"message", "type", "param", "code"}
            stream.error = chunk["error"]
            continue
        assert stream.usage is None, "a chunk after the usage chunk"
        stream.chunks += 1
        if chunk["choices"] or chunk["id"]:
            fixed = fixed or _fixed(chunk)
            assert _fixed(chunk) == fixed, "id, created or model changed"
        _check_openai_usage(stream, chunk, include_usage)
        for choice in chunk["choices"]:
            _check_openai_choice(stream, choice, n)
    if ended:
        assert done or stream.error is not None, "neither [DONE] nor an error"
    if done:
        assert stream.choices, "a completion without a choice"
        assert all(choice.finish_reason for choice in stream.choices.values()), "a choice without a finish reason"
    return stream


def _fixed(chunk: dict[str, Any]) -> tuple[Any, ...]:
    assert chunk["object"] == "chat.completion.chunk"
    assert isinstance(chunk["id"], str)
    assert chunk["id"]
    assert isinstance(chunk["created"], int)
    assert isinstance(chunk["model"], str)
    return chunk["id"], chunk["created"], chunk["model"]


def _check_openai_usage(stream: OpenAIStream, chunk: dict[str, Any], include_usage: bool) -> None:
    if not include_usage:
        assert chunk.get("usage") is None, "usage that nobody asked for"
        assert stream.native or "usage" not in chunk, "usage that nobody asked for"
        return
    assert "usage" in chunk, "usage is null on every chunk but its own"
    if chunk["usage"] is None:
        return
    assert chunk["choices"] == []
    assert all(choice.finish_reason for choice in stream.choices.values()), "usage before the end"
    usage = chunk["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    stream.usage = usage


def _check_openai_choice(stream: OpenAIStream, choice: dict[str, Any], n: int) -> None:
    index, delta = choice["index"], choice["delta"]
    if index not in stream.choices:
        assert index == len(stream.choices) < n, "choices open in the order of their index"
        assert delta["role"] == "assistant", "the first delta of a choice has the role"
        stream.choices[index] = OpenAIChoice()
    else:
        assert "role" not in delta, "the role comes once"
    so_far = stream.choices[index]
    assert so_far.finish_reason is None, "a delta after the finish reason"
    so_far.content += delta.get("content") or ""
    so_far.refusal += delta.get("refusal") or ""
    so_far.reasoning += delta.get("reasoning_content") or ""
    for call in delta.get("tool_calls", ()):
        _check_openai_call(so_far, call, stream.native)
    if choice["finish_reason"] is not None:
        assert delta == {}, "the last delta is empty"
        so_far.finish_reason = choice["finish_reason"]


def _check_openai_call(so_far: OpenAIChoice, call: dict[str, Any], stream_is_native: bool) -> None:
    kind, field_ = ("custom", "input") if "custom" in call else ("function", "arguments")
    if call["index"] == len(so_far.calls):
        assert call["id"], "a call begins with its id"
        assert call["type"] == kind
        assert call[kind]["name"], "a call begins with its name"
        so_far.calls.append({"id": call["id"], "name": call[kind]["name"], "arguments": ""})
    else:
        assert 0 <= call["index"] < len(so_far.calls), "call indexes are contiguous"
        known = {name for name in call if not (stream_is_native and name.startswith("x_"))}
        assert known == {"index", kind}, "id, type and name come once"
        assert set(call[kind]) == {field_}
    so_far.calls[call["index"]]["arguments"] += call[kind][field_]


def check_anthropic(body: bytes, ended: bool = True, native: bool = False) -> AnthropicStream:
    """`ended`: the stream is complete, by `message_stop` or by an error."""
    checker = _AnthropicChecker(native)
    for event in events(body):
        checker.take(event)
    if ended:
        assert checker.stopped or checker.stream.error is not None, "neither message_stop nor an error"
    return checker.stream


class _AnthropicChecker:
    def __init__(self, native: bool) -> None:
        self._native = native
        self.stream = AnthropicStream()
        self.stopped = False
        self._open: dict[str, Any] | None = None
        self._signed = False

    def take(self, event: Event) -> None:
        data = json.loads(event.data)
        assert event.name == data["type"], "the event's name is its type"
        assert not self.stopped, "something after message_stop"
        assert self.stream.error is None, "something after an error"
        match data["type"]:
            case "error":
                assert set(data["error"]) == {"type", "message"}
                self.stream.error = data["error"]
            case "ping":
                pass
            case "message_start":
                self._start(data["message"])
            case kind:
                assert self.stream.message is not None, f"{kind} before message_start"
                self._after_start(kind, data)

    def _start(self, message: dict[str, Any]) -> None:
        assert self.stream.message is None, "message_start comes once"
        assert message["id"]
        assert message["model"]
        assert message["role"] == "assistant"
        assert message["type"] == "message"
        assert message["content"] == []
        counts = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        assert any(message["usage"].get(count) for count in counts), "zero usage"
        self.stream.message = message

    def _after_start(self, kind: str, data: dict[str, Any]) -> None:
        if kind == "message_stop":
            assert self.stream.stop_reason is not None, "message_stop before message_delta"
            self.stopped = True
            return
        assert self.stream.stop_reason is None, f"{kind} after message_delta"
        match kind:
            case "content_block_start":
                self._start_block(data["index"], data["content_block"])
            case "content_block_delta":
                self._delta(data["index"], data["delta"])
            case "content_block_stop":
                assert self._open is not None, "a stop without a block"
                assert data["index"] == len(self.stream.blocks) - 1
                self._open = None
            case "message_delta":
                self._end(data)
            case _:
                assert self._native, f"unknown event {kind}"

    def _start_block(self, index: int, block: dict[str, Any]) -> None:
        assert self._open is None, "a block inside a block"
        assert index == len(self.stream.blocks), "block indexes are contiguous"
        match block["type"]:
            case "text":
                assert block["text"] == ""
            case "thinking":
                assert block["thinking"] == ""
            case "redacted_thinking":
                assert block["data"] is not None
            case "tool_use" | "server_tool_use":
                assert block["id"]
                assert block["name"]
                assert block["input"] == {}
                block = {**block, "json": ""}
            case kind:
                assert self._native, f"unknown block {kind}"
        self._open = block
        self._signed = False
        self.stream.blocks.append(block)

    def _delta(self, index: int, delta: dict[str, Any]) -> None:
        block = self._open
        assert block is not None, "a delta without a block"
        assert index == len(self.stream.blocks) - 1, "a delta for a block that is not open"
        assert not self._signed, "the signature is the last of its block"
        match block["type"], delta["type"]:
            case "text", "text_delta":
                block["text"] += delta["text"]
            case "thinking", "thinking_delta":
                block["thinking"] += delta["thinking"]
            case "thinking", "signature_delta":
                block["signature"] = delta["signature"]
                self._signed = True
            case (("tool_use" | "server_tool_use"), "input_json_delta"):
                block["json"] += delta["partial_json"]
            case "text", "citations_delta":
                assert self._native
            case pair:
                raise AssertionError(f"a delta of another kind than its block: {pair}")

    def _end(self, data: dict[str, Any]) -> None:
        assert self._open is None, "message_delta inside a block"
        delta, usage = data["delta"], data["usage"]
        assert delta["stop_reason"] in STOP_REASONS
        assert (delta["stop_reason"] == "stop_sequence") == (delta["stop_sequence"] is not None)
        assert isinstance(usage["output_tokens"], int)
        assert usage.get("input_tokens", 0) >= 0
        has_calls = any(block["type"] == "tool_use" for block in self.stream.blocks)
        assert has_calls or delta["stop_reason"] != "tool_use", "tool_use without a call"
        self.stream.stop_reason, self.stream.stop_sequence = delta["stop_reason"], delta["stop_sequence"]
        self.stream.usage = usage
