"""No policy makes bytes leave that say what it took out, and what it left alone leaves as it came: streams and whole
responses, of every dialect, and requests."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.dialects import StreamingDialect, client_dialects, streaming_dialects
from app.dialects.anthropic_messages.response_decoding import decode_response as decode_anthropic
from app.dialects.openai_chat.response_decoding import decode_response as decode_chat
from app.dialects.openai_completions.response_decoding import decode_response as decode_completion
from app.dialects.openai_responses.response_decoding import decode_response as decode_response_
from app.messages import Choice, Dialect, Message, ModelResponse, Native, Received, Request, ToolCall
from app.policies.base import Policy
from app.policies.context import PolicyContext, StreamContext
from flowspan.testing import received_through, request_through, run_received
from tests.unit.dialects.decoding import decoded
from tests.unit.dialects.openai_responses import events as responses
from tests.unit.dialects.samples import BOUNDED, request

SECRET = "Zq7x"
HIDDEN = "---"
DIALECTS: list[Dialect] = list(streaming_dialects())
_DECODE: dict[Dialect, Callable[[dict[str, Any]], ModelResponse]] = {
    "openai_chat": decode_chat,
    "anthropic_messages": decode_anthropic,
    "openai_completions": decode_completion,
    "openai_responses": decode_response_,
}
Event = dict[str, Any]
Block = tuple[str, str]
"""A kind (`text`, `thinking`, `call`, `search`) and what it says."""
TEXTS = st.sampled_from(["a", "well, ", f"to {SECRET}", SECRET, f"{SECRET} now. ", "fine. ", "a, then b. "])
CALM = st.sampled_from(["a", "well, ", "fine. ", "a, then b. "])


def blocks(texts: st.SearchStrategy[str]) -> st.SearchStrategy[list[Block]]:
    kinds = st.sampled_from(["text", "text", "thinking", "call"])
    return st.lists(st.tuples(kinds, texts) | st.just(("search", "calm")), min_size=1, max_size=5)


def hide(text: str) -> str:
    return text.replace(SECRET, HIDDEN)


def hidden(chunk: ModelResponse) -> ModelResponse:
    return replace(chunk, choices=tuple(map(_hidden_choice, chunk.choices)))


def _hidden_choice(choice: Choice) -> Choice:
    delta, message = (one and _hidden_message(one) for one in (choice.delta, choice.message))
    return replace(choice, delta=delta, message=message)


def _hidden_message(message: Message) -> Message:
    calls = [
        replace(call, function=replace(call.function, arguments=hide(call.function.arguments)))
        for call in message.tool_calls
    ]
    thoughts = [replace(block, thinking=hide(block.thinking), signature=None) for block in message.thinking_blocks]
    return replace(
        message,
        content=message.content and hide(message.content),
        reasoning_content=message.reasoning_content and hide(message.reasoning_content),
        thinking_blocks=tuple(
            [new if SECRET in old.thinking else old for old, new in zip(message.thinking_blocks, thoughts, strict=True)]
        ),
        tool_calls=tuple(calls),
    )


class Pieces(Policy):
    """Changes each piece where it comes."""

    async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
        await ctx.emit_text(hide(text))

    async def on_thinking_delta(self, thinking: str, ctx: StreamContext) -> None:
        await ctx.emit_thinking(hide(thinking))

    async def on_tool_call_delta(self, call: ToolCall, ctx: StreamContext) -> None:
        await ctx.emit_tool_call(
            replace(call, function=replace(call.function, arguments=hide(call.function.arguments)))
        )


class Wholes(Policy):
    """Holds each block until it is complete."""

    async def on_content_complete(self, text: str, ctx: StreamContext) -> None:
        await ctx.emit_text(hide(text))

    async def on_thinking_complete(self, thinking: str, ctx: StreamContext) -> None:
        await ctx.emit_thinking(hide(thinking))

    async def on_tool_call_complete(self, call: ToolCall, ctx: StreamContext) -> None:
        await ctx.emit_tool_call(
            replace(call, function=replace(call.function, arguments=hide(call.function.arguments)))
        )


class Copies(Policy):
    """Sends a changed copy of every chunk."""

    async def on_chunk(self, chunk: ModelResponse, ctx: StreamContext) -> None:
        await ctx.emit(hidden(chunk))


class Drops(Policy):
    """Leaves out the chunks that say it."""

    async def on_chunk(self, chunk: ModelResponse, ctx: StreamContext) -> None:
        if hidden(chunk) == chunk:
            await ctx.emit(chunk)


class Late(Policy):
    """Sends everything at the end, some chunks as they came and some changed."""

    async def on_chunk(self, chunk: ModelResponse, ctx: StreamContext) -> None:
        ctx.policy.state(self, list[ModelResponse]).append(chunk)

    async def on_stream_complete(self, ctx: StreamContext) -> None:
        for chunk in ctx.policy.state(self, list[ModelResponse]):
            await ctx.emit(hidden(chunk))


class OneLater(Policy):
    """Sends each piece of text when the next has come, as it came or changed."""

    async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
        waiting = ctx.policy.state(self, list[ModelResponse])
        waiting.append(ctx.chunk)
        if len(waiting) > 1:
            await self._send(waiting.pop(0), ctx)

    async def on_content_complete(self, text: str, ctx: StreamContext) -> None:
        for chunk in ctx.policy.state(self, list[ModelResponse]):
            await self._send(chunk, ctx)
        ctx.policy.state(self, list[ModelResponse]).clear()

    async def on_thinking_delta(self, thinking: str, ctx: StreamContext) -> None:
        await ctx.emit_thinking(hide(thinking))

    async def on_tool_call_delta(self, call: ToolCall, ctx: StreamContext) -> None:
        await Pieces().on_tool_call_delta(call, ctx)

    async def _send(self, chunk: ModelResponse, ctx: StreamContext) -> None:
        changed = hidden(chunk)
        await ctx.emit(chunk if changed == chunk else changed)


class Mutes(Policy):
    """Lets no text, no thinking and no call through."""

    async def on_content_delta(self, text: str, ctx: StreamContext) -> None: ...

    async def on_thinking_delta(self, thinking: str, ctx: StreamContext) -> None: ...

    async def on_tool_call_delta(self, call: ToolCall, ctx: StreamContext) -> None: ...


class Responds(Pieces):
    """Changes a whole response by the hook for it."""

    async def on_response(self, response: ModelResponse, ctx: PolicyContext) -> ModelResponse:
        return hidden(response)


POLICIES: list[type[Policy]] = [Pieces, Wholes, Copies, Drops, Late, OneLater, Mutes, Responds]


def stream_and_body(dialect: Dialect, answer: list[Block]) -> tuple[bytes, Event]:
    """A provider's stream, and its whole body, that say the same."""
    match dialect:
        case "openai_chat":
            return _chat(answer)
        case "openai_completions":
            return _completion(answer)
        case "anthropic_messages":
            return _anthropic(answer)
        case _:
            return _response(answer)


def _sse(*events: Event | str, named: bool = False) -> bytes:
    lines = [(f"event: {one['type']}\n" if named and isinstance(one, dict) else "", one) for one in events]
    return "".join(
        f"{name}data: {one if isinstance(one, str) else json.dumps(one)}\n\n" for name, one in lines
    ).encode()


def _arguments(text: str) -> str:
    return json.dumps({"q": text})


def _chat(answer: list[Block]) -> tuple[bytes, Event]:
    base = {"id": "chatcmpl-1", "created": 5, "model": "gpt", "x_beside": "b"}
    deltas: list[Event] = [{"role": "assistant", "content": ""}]
    calls: list[Event] = []
    for kind, text in answer:
        if kind == "call":
            function = {"name": "f", "arguments": _arguments(text)}
            calls.append({"id": f"c{len(calls)}", "type": "function", "function": function, "x_call": 1})
            deltas.append({"tool_calls": [{"index": len(calls) - 1, **calls[-1]}]})
        elif kind != "search":
            deltas.append({"content" if kind == "text" else "reasoning": text, "x_delta": 1})
    reason = "tool_calls" if calls else "stop"
    rows: list[Event] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    rows.append({"index": 0, "delta": {}, "finish_reason": reason})
    texts = {name: "".join(text for kind, text in answer if kind == name) for name in ("text", "thinking")}
    message: Event = {"role": "assistant", "content": texts["text"] or None, "reasoning": texts["thinking"] or None}
    message |= {
        "copy": {"text": texts["text"], "reasoning": texts["thinking"]},
        **({"tool_calls": calls} if calls else {}),
    }
    choice = {"index": 0, "message": message, "finish_reason": reason, "x_choice": 1}
    chunks = [{**base, "object": "chat.completion.chunk", "choices": [row]} for row in rows]
    return _sse(*chunks, "[DONE]"), {**base, "object": "chat.completion", "choices": [choice]}


def _completion(answer: list[Block]) -> tuple[bytes, Event]:
    base = {"id": "cmpl-1", "object": "text_completion", "created": 5, "model": "gpt", "x_beside": "b"}
    texts = [text for kind, text in answer if kind == "text"]
    rows: list[Event] = [{"index": 0, "text": text, "finish_reason": None} for text in texts]
    rows.append({"index": 0, "text": "", "finish_reason": "stop"})
    choice = {"index": 0, "text": "".join(texts), "finish_reason": "stop", "copy": "".join(texts)}
    return _sse(*[{**base, "choices": [row]} for row in rows], "[DONE]"), {**base, "choices": [choice]}


def _anthropic(answer: list[Block]) -> tuple[bytes, Event]:
    message: Event = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "x_beside": "b"}
    content = [_anthropic_block(kind, text, at) for at, (kind, text) in enumerate(answer)]
    events: list[Event] = [
        {"type": "message_start", "message": {**message, "content": [], "usage": {"input_tokens": 1}}}
    ]
    for at, block in enumerate(content):
        start, deltas = _anthropic_deltas(block)
        events.append({"type": "content_block_start", "index": at, "content_block": start})
        events += [{"type": "content_block_delta", "index": at, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": at})
    ended = {
        "stop_reason": "tool_use" if any(kind == "call" for kind, _ in answer) else "end_turn",
        "stop_sequence": None,
    }
    events += [{"type": "message_delta", "delta": ended, "usage": {"output_tokens": 2}}, {"type": "message_stop"}]
    usage = {"input_tokens": 1, "output_tokens": 2}
    return _sse(*events, named=True), {**message, "content": content, **ended, "usage": usage}


def _anthropic_block(kind: str, text: str, at: int) -> Event:
    match kind:
        case "text":
            return {"type": "text", "text": text, "x_block": at}
        case "thinking":
            return {"type": "thinking", "thinking": text, "signature": f"sig{at}"}
        case "call":
            return {"type": "tool_use", "id": f"toolu_{at}", "name": "f", "input": {"q": text}}
        case _:
            return {"type": "server_tool_use", "id": f"srv_{at}", "name": "web_search", "input": {"query": text}}


def _anthropic_deltas(block: Event) -> tuple[Event, list[Event]]:
    match block["type"]:
        case "text":
            return {**block, "text": ""}, [{"type": "text_delta", "text": block["text"]}]
        case "thinking":
            signed = {"type": "signature_delta", "signature": block["signature"]}
            thought = {"type": "thinking_delta", "thinking": block["thinking"]}
            return {**block, "thinking": "", "signature": ""}, [thought, signed]
        case _:
            return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]


def _response(answer: list[Block]) -> tuple[bytes, Event]:
    rows: list[Event] = []
    for at, (kind, text) in enumerate(answer):
        match kind:
            case "text":
                rows += responses.text_events(text, at=at)
            case "thinking":
                rows += responses.thought(text, at=at, encrypted_content=f"gAAA{at}")
            case "call":
                rows += responses.called(_arguments(text), at=at)
            case _:
                item = {"id": f"ws_{at}", "type": "web_search_call", "status": "completed", "x_query": text}
                rows += [responses.added(item, at), responses.done(item, at)]
    stream = responses.stream(rows)
    last = stream.events[-1]
    assert isinstance(last, dict)
    body: Event = last["response"]
    return stream.body, body


def sent(dialect: Dialect, stream: bytes, policy: Policy) -> bytes:
    """What a client of the same dialect is sent of a stream."""
    chunks, error = decoded(dialect, stream)
    assert error is None
    asked = request(dialect, include_usage=True)
    formatter = _dialect(dialect).formatter(asked, "txn", 7)
    events = [formatter.format(one) for one in run_received(policy, chunks, request=asked)]
    return b"".join([*events, formatter.finish()])


def answered(dialect: Dialect, raw: bytes, policy: Policy) -> bytes:
    """The body that a client of the same dialect gets of a whole response."""
    asked = request(dialect, stream=False)
    received = Received(_DECODE[dialect](json.loads(raw)), Native(dialect, raw, data=raw))
    response = received_through(policy, received, request=asked)
    if response.native is not None:
        return response.native.raw
    return json.dumps(_dialect(dialect).encode_response(response.chunk, asked)).encode()


def _dialect(name: Dialect) -> StreamingDialect:
    return streaming_dialects()[name]


@pytest.mark.parametrize("dialect", DIALECTS)
@given(blocks(TEXTS), st.sampled_from(POLICIES))
@BOUNDED
def test_what_a_policy_takes_out_of_a_stream_leaves_in_no_byte(
    dialect: Dialect, answer: list[Block], policy: type[Policy]
) -> None:
    assert SECRET.encode() not in sent(dialect, stream_and_body(dialect, answer)[0], policy())


@pytest.mark.parametrize("dialect", DIALECTS)
@given(blocks(TEXTS), st.sampled_from(POLICIES))
@BOUNDED
def test_what_a_policy_takes_out_of_a_whole_response_leaves_in_no_byte(
    dialect: Dialect, answer: list[Block], policy: type[Policy]
) -> None:
    raw = json.dumps(stream_and_body(dialect, answer)[1]).encode()
    assert SECRET.encode() not in answered(dialect, raw, policy())


@pytest.mark.parametrize("dialect", DIALECTS)
@given(blocks(CALM), st.sampled_from([Pieces, Copies, Drops, OneLater, Responds]))
@BOUNDED
def test_what_a_policy_leaves_alone_leaves_byte_for_byte(
    dialect: Dialect, answer: list[Block], policy: type[Policy]
) -> None:
    stream, body = stream_and_body(dialect, answer)
    # Copies that say the same are other chunks all the same: nobody compares what they say.
    assert policy is Copies or sent(dialect, stream, policy()) == stream
    raw = json.dumps(body, indent=1).encode()
    assert answered(dialect, raw, policy()) == raw


@given(blocks(TEXTS), st.sampled_from([Pieces, Wholes, Copies, Responds]))
@BOUNDED
def test_blocks_of_a_message_that_a_policy_left_alone_stay_as_they_came(
    answer: list[Block], policy: type[Policy]
) -> None:
    body = stream_and_body("anthropic_messages", answer)[1]
    content = json.loads(answered("anthropic_messages", json.dumps(body).encode(), policy()))["content"]
    untouched = [block for block in body["content"] if SECRET not in json.dumps(block)]
    assert [block for block in content if HIDDEN not in json.dumps(block)] == untouched


@given(blocks(TEXTS), st.sampled_from([Pieces, Wholes, Copies, Responds]))
@BOUNDED
def test_items_of_a_response_that_a_policy_left_alone_stay_as_they_came(
    answer: list[Block], policy: type[Policy]
) -> None:
    body = stream_and_body("openai_responses", answer)[1]
    output = json.loads(answered("openai_responses", json.dumps(body).encode(), policy()))["output"]
    untouched = [item for item in body["output"] if SECRET not in json.dumps(item)]
    assert [item for item in output if HIDDEN not in json.dumps(item)] == untouched


class Asks(Policy):
    async def on_request(self, request: Request, ctx: PolicyContext) -> Request:
        return request.map_text(hide)


_ASKED: dict[Dialect, Callable[[str], Event]] = {
    "openai_chat": lambda text: {"messages": [{"role": "user", "content": text, "x_beside": text}]},
    "anthropic_messages": lambda text: {
        "max_tokens": 9,
        "messages": [{"role": "user", "content": [{"type": "text", "text": text, "x_beside": text}]}],
    },
    "openai_responses": lambda text: {"input": [{"role": "user", "content": text}], "instructions": text},
}


@pytest.mark.parametrize("dialect", list(client_dialects()))
@given(TEXTS)
@BOUNDED
def test_a_request_says_nothing_of_what_a_policy_took_out_and_all_of_what_it_left(dialect: Dialect, text: str) -> None:
    speaks = client_dialects()[dialect]
    body = {"model": "m", **_ASKED[dialect](text)}
    asked = request_through(Asks(), speaks.decode_request(body, {}))
    encoded = speaks.encode_request(asked)
    assert SECRET not in json.dumps(encoded)
    if SECRET not in text:
        name = "input" if dialect == "openai_responses" else "messages"
        assert encoded[name] == body[name]


@given(st.sampled_from(["model", "messages", "user", "stop", "extra", "temperature", "headers", "n"]))
@BOUNDED
def test_a_changed_request_has_lost_the_clients_own_bytes(field: str) -> None:
    asked = streaming_dialects()["openai_completions"].decode_request({"model": "m", "prompt": "a"}, {})
    received = asked.with_raw(b"{}")
    other: dict[str, Any] = {"messages": (), "extra": {"x": 1}, "headers": {"x": "y"}, "stop": ("x",)}
    assert received.raw == b"{}"
    assert replace(received, caller="k", size=2).raw == b"{}"
    assert replace(received, **{field: other.get(field, 5)}).raw is None
