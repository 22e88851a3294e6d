"""Streams as providers send them, with what a policy may do to them; made by hypothesis.

Each event carries fields that nobody knows (`x_...`), by which it is found again in what goes out.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from app.dialects import StreamFormatter, streaming_dialects
from app.messages import Choice, Dialect, Message, Received, part_of
from tests.unit.dialects.decoding import decoded
from tests.unit.dialects.samples import call, request

Event = dict[str, Any]

TEXTS = st.text("abcdefg é\n", min_size=1, max_size=6)
ARGUMENTS = st.sampled_from(["{}", '{"a": 1}', '{"path": "x", "n": [1, 2]}', '{"text": "}{"}'])


def sse(dialect: Dialect, event: Event | str) -> bytes:
    data = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)
    name = f"event: {event['type']}\n" if dialect != "openai_chat" and isinstance(event, dict) else ""
    return f"{name}data: {data}\n\n".encode()


@dataclass
class NativeStream:
    dialect: Dialect
    events: list[Event | str]
    include_usage: bool = False
    chunks: list[Received] = field(init=False)

    def __post_init__(self) -> None:
        for at, event in enumerate(self.events):
            if isinstance(event, dict):
                event["x_event"] = at
        self.chunks, _ = decoded(self.dialect, self.body)

    @property
    def body(self) -> bytes:
        return b"".join(sse(self.dialect, event) for event in self.events)

    def formatter(self) -> StreamFormatter:
        asked = request(self.dialect, include_usage=self.include_usage, n=2)
        return streaming_dialects()[self.dialect].formatter(asked, "txn", 1700000000)

    def render(self, chunks: list[Received]) -> bytes:
        formatter = self.formatter()
        return b"".join([formatter.format(chunk) for chunk in chunks]) + formatter.finish()


def pieces(text: str) -> list[str]:
    return [text[at : at + 3] for at in range(0, len(text), 3)]


@st.composite
def openai_streams(draw: st.DrawFn) -> NativeStream:
    include_usage = draw(st.booleans())
    beside: Event = {"usage": None} if include_usage else {}
    base = {"object": "chat.completion.chunk", "created": 5, "id": "chatcmpl-1", "model": "gpt"}

    def chunk(delta: Event, finish: str | None = None) -> Event:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish, "x_choice": 1}
        return {**base, "choices": [choice], **beside}

    events: list[Event | str] = []
    if draw(st.booleans()):
        azure: Event = {"id": "", "object": "", "created": 0, "model": "", "choices": [], **beside}
        events.append(azure)
    events.append(chunk({"role": "assistant", "content": ""}))
    events += [chunk({"reasoning_content": text}) for text in draw(st.lists(TEXTS, max_size=2))]
    events += [chunk({"content": text, "x_delta": 1}) for text in draw(st.lists(TEXTS, max_size=4))]
    calls = draw(st.lists(ARGUMENTS, max_size=3))
    events += [chunk({"tool_calls": [entry]}) for entry in _openai_calls(calls, draw(st.booleans()))]
    events.append(chunk({}, "tool_calls" if calls else draw(st.sampled_from(["stop", "length"]))))
    if include_usage or draw(st.booleans()):
        usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7, "x_usage": 1}
        events.append({**base, "choices": [], "usage": usage})
    return NativeStream("openai_chat", [*events, "[DONE]"], include_usage)


def _openai_calls(calls: list[str], interleaved: bool) -> list[Event]:
    rows = []
    for at, arguments in enumerate(calls):
        begun: Event = {"index": at, "id": f"c{at}", "type": "function", "x_call": at}
        rows.append([{**begun, "function": {"name": f"tool{at}", "arguments": ""}}])
        rows[-1] += [{"index": at, "function": {"arguments": piece}, "x_call": at} for piece in pieces(arguments)]
    if not interleaved:
        return [entry for row in rows for entry in row]
    return [row[at] for at in range(max(map(len, rows), default=0)) for row in rows if at < len(row)]


@st.composite
def anthropic_streams(draw: st.DrawFn) -> NativeStream:
    usage = {"input_tokens": 3, "output_tokens": 1, "x_usage": 1}
    message: Event = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": []}
    message |= {"stop_reason": None, "stop_sequence": None, "usage": usage}
    events: list[Event | str] = [{"type": "message_start", "message": message}]
    kinds = draw(st.lists(st.sampled_from(["text", "tool_use", "server_tool_use", "result", "new"]), max_size=4))
    kinds = draw(st.sampled_from([["thinking"], ["redacted_thinking"], []])) + kinds
    for at, kind in enumerate(kinds):
        start, *deltas = _anthropic_block(draw, kind, at)
        block: list[Event | str] = [{"type": "content_block_start", "index": at, "content_block": start}]
        if draw(st.booleans()):
            block.append({"type": "ping"})
        block += [{"type": "content_block_delta", "index": at, "delta": delta} for delta in deltas]
        events += [*block, {"type": "content_block_stop", "index": at}]
    reason = "tool_use" if "tool_use" in kinds else draw(st.sampled_from(["end_turn", "max_tokens", "pause_turn"]))
    ended = {"stop_reason": reason, "stop_sequence": None}
    events.append({"type": "message_delta", "delta": ended, "usage": {"output_tokens": 9, "x_usage": 2}})
    return NativeStream("anthropic_messages", [*events, {"type": "message_stop"}])


def _anthropic_block(draw: st.DrawFn, kind: str, at: int) -> list[Event]:
    match kind:
        case "text":
            texts = draw(st.lists(TEXTS, min_size=1, max_size=4))
            return [{"type": "text", "text": ""}, *({"type": "text_delta", "text": text} for text in texts)]
        case "thinking":
            signature = {"type": "signature_delta", "signature": "sig"}
            texts = draw(st.lists(TEXTS, max_size=2))
            thoughts = [{"type": "thinking_delta", "thinking": text} for text in texts]
            return [{"type": "thinking", "thinking": "", "signature": ""}, *thoughts, signature]
        case "redacted_thinking":
            return [{"type": "redacted_thinking", "data": "xyz"}]
        case "tool_use" | "server_tool_use":
            start = {"type": kind, "id": f"c{at}", "name": f"tool{at}", "input": {}}
            parts = ["", *pieces(draw(ARGUMENTS))]
            return [start, *({"type": "input_json_delta", "partial_json": part} for part in parts)]
        case _:
            return [{"type": f"x_{kind}", "content": ["anything"]}]


def changed(received: Received) -> Received:
    """A copy with its text in capitals; arguments and names stay."""
    chunk = received.chunk
    choices = tuple(
        Choice(
            index=choice.index,
            delta=_capitals(choice.delta) if choice.delta is not None else None,
            finish_reason=choice.finish_reason,
            stop_sequence=choice.stop_sequence,
        )
        for choice in chunk.choices
    )
    return Received(part_of(chunk, choices, chunk.usage))


def _capitals(message: Message) -> Message:
    return Message(
        role=message.role,
        content=message.content and message.content.upper(),
        reasoning_content=message.reasoning_content and message.reasoning_content.upper(),
        thinking_blocks=message.thinking_blocks,
        tool_calls=message.tool_calls,
    )


def inserted(kind: str, like: Received, at: int) -> Received:
    inserted = call('{"own": 1}', 70000 + at, f"own{at}", "own")
    delta = Message(content=f"<{at}>") if kind == "text" else Message(tool_calls=(inserted,))
    return Received(part_of(like.chunk, (Choice(delta=delta),)))


@dataclass(frozen=True)
class Edit:
    kind: str
    at: int


_EDITS = st.builds(
    Edit, st.sampled_from(["drop", "drop", "change", "text", "call", "duplicate", "swap"]), st.integers(0, 40)
)
EDITS = st.lists(_EDITS, max_size=5)


def edited(chunks: list[Received], edits: list[Edit]) -> list[Received]:
    out = list(chunks)
    for number, edit in enumerate(edits):
        if not out:
            break
        at = edit.at % len(out)
        match edit.kind:
            case "drop":
                del out[at]
            case "change":
                out[at] = changed(out[at])
            case "duplicate":
                out.insert(at, out[at])
            case "swap":
                out[at - 1], out[at] = out[at], out[at - 1]
            case kind:
                out.insert(at, inserted(kind, out[at], number))
    return out
