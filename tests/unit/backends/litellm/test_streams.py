"""Streams through the real LiteLLM from a scripted provider on a real socket."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import pytest

from app.backends.litellm.backend import LiteLLMBackend
from app.errors import (
    BackendError,
    UpstreamFailed,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnreachable,
)
from app.messages import ModelResponse, Received, Request, ThinkingBlock
from app.settings import Deployment
from app.stages import Source, pieces_of
from tests.support import run
from tests.unit.backends.fakes import FakeAttempt, ask, text_of
from tests.upstream import (
    Body,
    End,
    Fin,
    Head,
    Rst,
    Script,
    ScriptedUpstream,
    Stall,
    anthropic_ending,
    anthropic_events,
    anthropic_start,
    anthropic_text_events,
    openai_event,
    openai_events,
    stream_of,
)

KEY = "sk-canary-0123456789abcdef"
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
HELLO = ({"content": "Hel"}, {"content": "lo"})
OPENAI, ANTHROPIC, VLLM = "openai/gpt-5", "anthropic/claude-sonnet-4-5", "hosted_vllm/llama"


def backend(upstream: ScriptedUpstream, model: str = OPENAI, timeout: float = 5, **params: Any) -> LiteLLMBackend:
    base = upstream.url if model.startswith("anthropic/") else f"{upstream.url}/v1"
    params = {"api_key": KEY, "api_base": base, **params}
    return LiteLLMBackend(Deployment(id="d", model_name="m", model=model, provider="p", params=params), timeout)


class Played:
    """What came of one stream: the chunks, and the error that ended it."""

    def __init__(self) -> None:
        self.chunks: list[ModelResponse] = []
        self.error: BackendError | None = None
        self.sent: Any = None
        self.headers: dict[str, str] = {}

    @property
    def deltas(self) -> list[Any]:
        return [choice.delta for chunk in self.chunks for choice in chunk.choices]

    @property
    def finish_reasons(self) -> dict[int, str]:
        return {choice.index: choice.finish_reason for c in self.chunks for choice in c.choices if choice.finish_reason}


def play(
    script: Script,
    model: str = OPENAI,
    request: Request | None = None,
    trace_headers: dict[str, str] | None = None,
    **params: Any,
) -> Played:
    attempt = FakeAttempt(trace_headers=trace_headers or {})

    async def main() -> Played:
        played = Played()
        async with ScriptedUpstream(script) as upstream:
            try:
                async for batch in pieces_of(backend(upstream, model, **params).stream(request or ask(), attempt)):
                    played.chunks += [received.chunk for received in batch]
            except BackendError as error:
                played.error = error
            if upstream.requests:
                played.sent, played.headers = upstream.requests[0].json(), upstream.requests[0].headers
        return played

    return run(main(), timeout=30)


def test_an_openai_stream_comes_through() -> None:
    played = play(stream_of(openai_events(*HELLO, usage=USAGE)))
    assert played.error is None
    assert text_of(played.chunks) == "Hello"
    assert played.finish_reasons == {0: "stop"}
    last = played.chunks[-1]
    assert last.choices == ()
    assert last.usage is not None
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (5, 2)
    assert {chunk.model for chunk in played.chunks} == {"gpt-scripted-2025-01-01"}
    assert {chunk.id for chunk in played.chunks} == {"chatcmpl-scripted"}
    assert played.sent["stream_options"] == {"include_usage": True}
    assert played.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
def test_a_traceparent_is_sent_only_where_propagation_is_on(model: str) -> None:
    script = stream_of(openai_events(*HELLO) if model == OPENAI else anthropic_text_events("Hel", "lo"))
    assert "traceparent" not in play(script, model).headers
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert play(script, model, trace_headers={"traceparent": traceparent}).headers["traceparent"] == traceparent


def test_an_anthropic_stream_comes_through() -> None:
    played = play(stream_of(anthropic_text_events("Hel", "lo")), ANTHROPIC)
    assert played.error is None
    assert text_of(played.chunks) == "Hello"
    assert played.finish_reasons == {0: "stop"}
    assert played.chunks[-1].usage is not None
    assert played.chunks[-1].usage.prompt_tokens == 9
    assert played.headers["x-api-key"] == KEY


HALF_CALL = [
    openai_event({"role": "assistant", "content": None}),
    openai_event(
        {"tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}]}
    ),
    openai_event({"tool_calls": [{"index": 0, "function": {"arguments": '{"path": "/tm'}}]}),
]
TEXT = openai_events(*HELLO, finish=None, done=False)
CLAUDE_TEXT = anthropic_text_events("Hel", "lo")
CLAUDE_HALF_CALL = anthropic_events(
    anthropic_start(),
    {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {}},
    },
    {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"path": "/tm'}},
)


@pytest.mark.parametrize("ending", [(End(),), (Fin(),), (Rst(),)], ids=["clean", "fin", "rst"])
@pytest.mark.parametrize(
    ("model", "events"),
    [
        (OPENAI, TEXT),
        (OPENAI, HALF_CALL),
        (OPENAI, TEXT[:1]),
        (VLLM, TEXT),
        (VLLM, HALF_CALL),
        (ANTHROPIC, CLAUDE_TEXT[:4]),
        (ANTHROPIC, CLAUDE_TEXT[:5]),
        (ANTHROPIC, CLAUDE_HALF_CALL),
    ],
    ids=["text", "call", "role", "vllm-text", "vllm-call", "claude-text", "claude-block", "claude-call"],
)
def test_a_stream_without_its_end_is_truncated_and_never_finishes(
    model: str, events: Sequence[bytes], ending: tuple[Any, ...]
) -> None:
    played = play(stream_of(events, *ending), model)
    assert isinstance(played.error, UpstreamTruncated)
    assert played.finish_reasons == {}


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC, VLLM])
@pytest.mark.parametrize("ending", [(End(),), (Fin(),), (Rst(),)], ids=["clean", "fin", "rst"])
def test_a_body_without_a_single_event_is_no_answer(model: str, ending: tuple[Any, ...]) -> None:
    played = play(stream_of([], *ending), model)
    assert isinstance(played.error, UpstreamTruncated | UpstreamUnreachable)
    assert played.chunks == []


def test_a_finish_without_done_is_an_end() -> None:
    assert play(stream_of(openai_events(*HELLO, done=False))).error is None


def test_an_error_in_an_openai_stream_is_the_providers() -> None:
    bad = b'data: {"error": {"message": "boom with %s", "type": "server_error"}}\n\n' % KEY.encode()
    played = play(stream_of([*TEXT, bad]))
    assert isinstance(played.error, UpstreamFailed)
    assert "boom" in played.error.message
    assert KEY not in played.error.message + (played.error.detail or "")
    assert text_of(played.chunks) == "Hello"


def test_an_overload_in_an_anthropic_stream_stays_an_overload() -> None:
    overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    played = play(stream_of([*CLAUDE_TEXT[:3], *anthropic_events(overloaded)]), ANTHROPIC)
    assert isinstance(played.error, UpstreamFailed)
    assert played.error.status == 529


def test_a_hundred_and_fifty_equal_chunks_are_no_error() -> None:
    played = play(stream_of(openai_events(*[{"content": "----"}] * 150)))
    assert played.error is None
    assert text_of(played.chunks) == "----" * 150


def test_tool_calls_keep_ids_names_and_arguments() -> None:
    rest = openai_event({"tool_calls": [{"index": 0, "function": {"arguments": 'p"}'}}]})
    second = {"index": 1, "id": "c2", "type": "function", "function": {"name": "g", "arguments": "{}"}}
    events = [*HALF_CALL, rest, openai_event({"tool_calls": [second]}), openai_event({}, "tool_calls")]
    played = play(stream_of(events))
    calls = [call for delta in played.deltas for call in delta.tool_calls]
    assert [(call.index, call.id, call.function.name) for call in calls if call.id] == [(0, "c", "f"), (1, "c2", "g")]
    assert "".join(call.function.arguments for call in calls if call.index == 0) == '{"path": "/tmp"}'
    assert played.finish_reasons == {0: "tool_calls"}


def test_refusals_are_put_back() -> None:
    events = [
        openai_event({"role": "assistant", "content": ""}),
        *map(_refusal, ("I ca", "nnot")),
        openai_event({}, "stop"),
    ]
    played = play(stream_of(events))
    assert "".join(delta.refusal or "" for delta in played.deltas) == "I cannot"
    assert played.finish_reasons == {0: "stop"}


def _refusal(text: str) -> bytes:
    return openai_event({"refusal": text})


def test_each_choice_gets_its_own_finish_reason_back() -> None:
    events = [openai_event({"role": "assistant", "content": text}, index=index) for index, text in enumerate("AB")]
    events += [openai_event({}, "length", 0), openai_event({}, "stop", 1)]
    played = play(stream_of(events), request=ask(n=2))
    assert played.finish_reasons == {0: "length", 1: "stop"}
    assert {
        c.index: c.delta.content for chunk in played.chunks for c in chunk.choices if c.delta and c.delta.content
    } == {
        0: "A",
        1: "B",
    }


def test_thinking_stays_apart_and_a_providers_own_tool_is_not_the_clients() -> None:
    def block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
        begun = {"type": "content_block_start", "index": index, "content_block": start}
        moved = [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        return [begun, *moved, {"type": "content_block_stop", "index": index}]

    thought = {"type": "thinking_delta", "thinking": "hmm"}, {"type": "signature_delta", "signature": "SIG"}
    arguments = {"type": "input_json_delta", "partial_json": "{}"}
    events = anthropic_events(
        anthropic_start(),
        *block(0, {"type": "thinking", "thinking": ""}, *thought),
        *block(1, {"type": "redacted_thinking", "data": "RRR"}),
        *block(2, {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}, arguments),
        *block(3, {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}, arguments),
        *anthropic_ending("tool_use"),
    )
    played = play(stream_of(events), ANTHROPIC)
    assert "".join(delta.reasoning_content or "" for delta in played.deltas) == "hmm"
    blocks = [block for delta in played.deltas for block in delta.thinking_blocks]
    assert ThinkingBlock(type="redacted_thinking", data="RRR") in blocks
    assert [block.signature for block in blocks if block.signature] == ["SIG"]
    calls = [call for delta in played.deltas for call in delta.tool_calls]
    assert [(call.index, call.id) for call in calls if call.id] == [(0, "toolu_1")]
    assert {call.index for call in calls} == {0}
    assert all(delta.content is None for delta in played.deltas)
    assert played.finish_reasons == {0: "tool_calls"}


def test_the_models_name_and_early_usage_of_anthropic_are_known() -> None:
    played = play(stream_of(anthropic_text_events("Hi")), ANTHROPIC)
    assert played.chunks[0].model == "claude-scripted-20250101"
    assert played.chunks[0].usage is not None
    assert played.chunks[0].usage.prompt_tokens == 9


def test_usage_that_no_provider_reported_says_that_it_is_estimated() -> None:
    reported, not_reported = (play(stream_of(openai_events(*HELLO, usage=usage))) for usage in (USAGE, None))
    assert reported.chunks[-1].usage is not None
    assert reported.chunks[-1].usage.extra == {}
    assert not_reported.chunks[-1].usage is not None
    assert not_reported.chunks[-1].usage.extra == {"estimated": True}


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC, VLLM])
def test_silence_becomes_a_timeout(model: str) -> None:
    assert isinstance(play([Stall()], model, timeout=0.3).error, UpstreamTimeout)


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC, VLLM])
def test_silence_in_the_stream_becomes_a_timeout(model: str) -> None:
    events = CLAUDE_TEXT[:4] if model == ANTHROPIC else TEXT
    played = play(stream_of(events, Stall()), model, timeout=0.3)
    assert isinstance(played.error, UpstreamTimeout)


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC, VLLM])
def test_nobody_there_is_unreachable(model: str) -> None:
    async def main() -> None:
        async with ScriptedUpstream([]) as upstream:
            gone = backend(upstream, model)
        with pytest.raises(UpstreamUnreachable):
            await anext(pieces_of(gone.stream(ask(), FakeAttempt())))

    run(main(), timeout=30)


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC, VLLM])
@pytest.mark.parametrize("how", ["closed", "cancelled in the stream", "cancelled before the head"])
def test_the_upstream_connection_is_closed_within_a_second(model: str, how: str) -> None:
    events = CLAUDE_TEXT[:4] if model == ANTHROPIC else TEXT
    script: Script = [Stall()] if how == "cancelled before the head" else stream_of(events, Stall())

    async def main() -> float:
        async with ScriptedUpstream(script) as upstream:
            stream = backend(upstream, model).stream(ask(), FakeAttempt())
            if how == "closed":
                await anext(pieces_of(stream))
                left = time.monotonic()
                await stream.aclose()
            else:
                first = asyncio.Event()
                reading = asyncio.ensure_future(_read_all(stream, first))
                await (upstream.asked() if script == [Stall()] else first.wait())
                left = time.monotonic()
                reading.cancel()
                await asyncio.wait([reading])
            async with asyncio.timeout(2):
                await upstream.requests[0].closed.wait()
            assert upstream.requests[0].closed_at is not None
            return upstream.requests[0].closed_at - left

    assert run(main(), timeout=30) < 1


async def _read_all(stream: Source[Received], first: asyncio.Event) -> None:
    async for _ in pieces_of(stream):
        first.set()


def test_one_attempt_is_one_request() -> None:
    async def main() -> int:
        async with ScriptedUpstream([Head(503, {"content-length": "0"}, chunked=False), Body(b"")]) as upstream:
            with pytest.raises(UpstreamFailed):
                await anext(pieces_of(backend(upstream).stream(ask(), FakeAttempt())))
            return len(upstream.requests)

    assert run(main(), timeout=30) == 1


def test_the_choice_that_ends_first_is_the_one_told_first() -> None:
    events = [openai_event({"role": "assistant", "content": text}, index=index) for index, text in enumerate("AB")]
    events += [openai_event({}, "stop", 1), openai_event({"content": "a"}, None, 0), openai_event({}, "length", 0)]
    played = play(stream_of(events), request=ask(n=2))
    ends = [(choice.index, choice.finish_reason) for chunk in played.chunks for choice in chunk.choices]
    assert [one for one in ends if one[1]] == [(1, "stop"), (0, "length")]
    assert text_of(played.chunks) == "Aa"


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC, VLLM])
def test_a_call_cancelled_at_any_moment_leaves_nothing_open(model: str) -> None:
    async def wait(upstream: ScriptedUpstream, turns: int | None) -> None:
        if turns is None:
            await upstream.asked()
        for _ in range(turns or 0):
            await asyncio.sleep(0.001)

    async def main() -> None:
        async with ScriptedUpstream([Stall()]) as upstream:
            asked = backend(upstream, model)
            for turns in (0, 1, 2, 5, 20, None):
                calling = asyncio.ensure_future(anext(pieces_of(asked.stream(ask(), FakeAttempt()))))
                await wait(upstream, turns)
                calling.cancel()
                await asyncio.wait([calling])
            await asked.aclose()
            for request in upstream.requests:
                async with asyncio.timeout(2):
                    await request.closed.wait()

    run(main(), timeout=30)
