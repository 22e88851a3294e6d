"""What of a stream's beginning is held, for how long, and what becomes of the attempt meanwhile."""

import asyncio
import gc
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.backends.attempts import AttemptControl, GuardedAttempt
from app.backends.beginnings import Waits, has_value, opened
from app.breakers.deployments import AttemptPermit
from app.errors import UpstreamFailed, UpstreamTimeout, UpstreamTruncated
from app.limits import Limit
from app.messages import (
    Batch,
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
from app.opened_stream import OpenedStream
from app.settings import Deployment, UpstreamBreakerSettings
from app.stages import generated, pieces_of
from tests.support import run
from tests.unit.backends.fakes import FakeAttempt, FakeObservability, ask

DEPLOYMENT = Deployment(id="d", model_name="m", model="x/d", provider="x")
ROLE, TEXT = Message(role="assistant", content=""), Message(content="Hello")
DOWN = UpstreamFailed("down", upstream_status=503)
HOUR = 3600.0


def chunk(message: Message | None = None, **fields: Any) -> ModelResponse:
    return ModelResponse(id="r", choices=() if message is None else (Choice(delta=message, **fields),))


def native(dialect: Dialect, event: dict[str, Any], message: Message | None = None) -> Received:
    data = msgspec.json.encode(event)
    return Received(chunk(message), Native(dialect, data, data=data, kind=event.get("type", "")))


def comment(dialect: Dialect) -> Received:
    return Received(chunk(), Native(dialect, b": waiting\n\n"))


@pytest.mark.parametrize(
    "received",
    [
        Received(chunk()),
        Received(chunk(ROLE)),
        Received(ModelResponse(id="r", usage=Usage(5, 0))),
        Received(ModelResponse(id="r", extra={"prompt_filter_results": [{}]})),
        Received(chunk(Message(role="assistant", extra={"audio": None}))),
        Received(chunk(ROLE, logprobs={"content": [], "refusal": None})),
        comment("openai_chat"),
        comment("anthropic_messages"),
        comment("openai_responses"),
        native("openai_chat", {"choices": [{"delta": {"role": "assistant"}}]}, ROLE),
        native("anthropic_messages", {"type": "ping"}),
        native("anthropic_messages", {"type": "message_start"}, ROLE),
        native("anthropic_messages", {"type": "content_block_start", "content_block": {"type": "text", "text": ""}}),
        native("anthropic_messages", {"type": "content_block_start", "content_block": {"type": "thinking"}}),
        native("anthropic_messages", {"type": "content_block_delta", "delta": {"type": "text_delta", "text": ""}}),
        native("anthropic_messages", {"type": "content_block_stop"}),
        native("openai_responses", {"type": "response.created"}, ROLE),
        native("openai_responses", {"type": "response.in_progress"}),
        native("openai_responses", {"type": "response.queued"}),
        native("openai_responses", {"type": "response.output_item.added", "item": {"type": "reasoning"}}),
        native("openai_responses", {"type": "response.content_part.added"}),
    ],
)
def test_what_holds_nothing_of_an_answer(received: Received) -> None:
    assert not has_value(received)


@pytest.mark.parametrize(
    "received",
    [
        Received(chunk(TEXT)),
        Received(chunk(Message(reasoning_content="Hm"))),
        Received(chunk(Message(refusal="No"))),
        Received(chunk(Message(tool_calls=(ToolCall(0, "c", function=Function("f")),)))),
        Received(chunk(Message(thinking_blocks=(ThinkingBlock(signature="s"),)))),
        Received(chunk(Message(annotations=({"type": "url_citation"},)))),
        Received(chunk(Message(extra={"audio": {"id": "a"}}))),
        Received(chunk(Message(), finish_reason="stop")),
        Received(chunk(Message(), logprobs={"content": [{"token": "Hello"}]})),
        native("anthropic_messages", {"type": "content_block_start", "content_block": {"type": "server_tool_use"}}),
        native("anthropic_messages", {"type": "content_block_start", "content_block": None}),
        native("anthropic_messages", {"type": "content_block_delta", "delta": {"type": "citations_delta"}}),
        native("anthropic_messages", {"type": "message_delta"}),
        native("anthropic_messages", {"type": "new_event"}),
        native("openai_responses", {"type": "response.output_item.added", "item": {"type": "web_search_call"}}),
        native("openai_responses", {"type": "response.web_search_call.in_progress"}),
        native("openai_responses", {"type": "response.output_item.added"}),
    ],
)
def test_what_holds_something_of_an_answer_or_nobody_knows(received: Received) -> None:
    assert has_value(received)


class Setup:
    """One attempt. Its provider sends batches of chunks; a number is a silence in seconds, an error ends the stream."""

    def __init__(self, *steps: Sequence[ModelResponse] | float | BaseException) -> None:
        self.obs = FakeObservability()
        self.control = AttemptControl(UpstreamBreakerSettings(threshold=1))
        self.attempt = FakeAttempt()
        self.closed = False
        self._steps = steps

    async def opened(self, hold: float = HOUR, **waits: Any) -> OpenedStream:
        permit = self.control.admit(DEPLOYMENT, self.obs, stream=True)
        assert isinstance(permit, AttemptPermit)
        guard = GuardedAttempt(self.attempt, permit, self.control, self.obs, DEPLOYMENT, ask())
        return await opened(guard, self._stream(), Waits(waits.pop("first_chunk", HOUR), hold=hold, **waits))

    @generated
    async def _stream(self) -> AsyncGenerator[Batch, None]:
        try:
            for step in self._steps:
                match step:
                    case BaseException():
                        raise step
                    case float():
                        await asyncio.sleep(step)
                    case _:
                        yield [Received(one) for one in step]
        finally:
            self.closed = True

    @property
    def is_blamed(self) -> bool:
        return self.control.refusal(DEPLOYMENT) is not None

    @property
    def first_tokens(self) -> int:
        return self.attempt.calls.count(("first_token",))


async def rest_of(stream: OpenedStream) -> list[ModelResponse]:
    return [received.chunk async for batch in pieces_of(stream.rest) for received in batch]


def first_of(stream: OpenedStream) -> list[ModelResponse]:
    return [received.chunk for received in stream.first]


HOLLOW, FULL, END = chunk(ROLE), chunk(TEXT), chunk(Message(), finish_reason="stop")


def test_chunks_are_held_until_one_holds_something_and_go_on_in_their_order() -> None:
    setup = Setup([HOLLOW], [chunk(), HOLLOW], [chunk(), FULL, chunk()], [END])

    async def main() -> None:
        stream = await setup.opened()
        assert first_of(stream) == [HOLLOW, chunk(), HOLLOW, chunk(), FULL, chunk()]
        assert await rest_of(stream) == [END]

    run(main())
    assert setup.first_tokens == 1
    assert (setup.attempt.ends, setup.attempt.failure, setup.closed) == (1, None, True)


def test_nothing_is_held_before_a_chunk_that_holds_something() -> None:
    setup = Setup([FULL], [END])

    async def main() -> None:
        tasks = len(asyncio.all_tasks())
        stream = await setup.opened()
        assert len(asyncio.all_tasks()) == tasks
        assert first_of(stream) == [FULL]
        await rest_of(stream)

    run(main())
    assert setup.first_tokens == 0


def test_without_holding_the_first_chunks_go_on_whatever_they_hold() -> None:
    async def main() -> None:
        stream = await Setup([HOLLOW], [FULL], [END]).opened(hold=0)
        assert first_of(stream) == [HOLLOW]
        assert await rest_of(stream) == [FULL, END]

    run(main())


@pytest.mark.parametrize("before", range(4))
def test_an_error_before_the_first_piece_fails_the_attempt_and_blames_the_deployment(before: int) -> None:
    setup = Setup(*[[HOLLOW]] * before, DOWN)
    with pytest.raises(UpstreamFailed, match="down"):
        run(setup.opened())
    assert setup.is_blamed
    assert (setup.attempt.ends, setup.attempt.failure, setup.closed) == (1, "upstream_error", True)


@pytest.mark.parametrize("before", range(4))
def test_an_end_before_the_first_piece_is_no_answer(before: int) -> None:
    setup = Setup(*[[HOLLOW]] * before)
    with pytest.raises(UpstreamTruncated):
        run(setup.opened())
    assert setup.is_blamed


@pytest.mark.parametrize("before", range(3))
def test_a_first_piece_that_is_late_fails_the_attempt_however_long_its_beginning_may_be_held(before: int) -> None:
    setup = Setup(*[[HOLLOW]] * before, HOUR, [FULL])
    with pytest.raises(UpstreamTimeout, match=r"within 0\.02 seconds"):
        run(setup.opened(hold=0.001, first_token=0.02))
    assert setup.is_blamed
    assert (setup.attempt.failure, setup.closed) == ("upstream_timeout", True)


def test_pings_do_not_put_off_the_limit_on_the_first_piece() -> None:
    pings: list[Sequence[ModelResponse] | float] = [[HOLLOW], 0.001]
    setup = Setup(*pings * 10_000)
    with pytest.raises(UpstreamTimeout):
        run(setup.opened(first_token=0.03))


def test_a_silence_within_what_is_held_fails_the_attempt_and_each_chunk_ends_one() -> None:
    setup = Setup([HOLLOW], 0.01, [HOLLOW], 0.01, [HOLLOW], HOUR)
    with pytest.raises(UpstreamTimeout, match="silent"):
        run(setup.opened(next_chunk=0.1))
    assert len(setup.attempt.calls) > 2


def test_once_the_hold_has_ended_the_rest_goes_on_as_it_comes() -> None:
    setup = Setup([HOLLOW], [chunk()], 0.03, [HOLLOW], [FULL], [END])

    async def main() -> None:
        stream = await setup.opened(hold=0.01)
        assert first_of(stream) == [HOLLOW, chunk()]
        assert await anext(pieces_of(stream.rest)) == [Received(HOLLOW)]
        assert await rest_of(stream) == [FULL, END]

    run(main())
    assert setup.first_tokens == 0
    assert setup.attempt.failure is None


def test_an_end_after_the_hold_is_an_end() -> None:
    async def main() -> None:
        stream = await Setup([HOLLOW], 0.03).opened(hold=0.01)
        assert first_of(stream) == [HOLLOW]
        assert await rest_of(stream) == []

    run(main())


def test_an_error_after_the_hold_ends_the_stream_that_the_client_has() -> None:
    setup = Setup([HOLLOW], 0.03, DOWN)

    async def main() -> None:
        stream = await setup.opened(hold=0.01)
        with pytest.raises(UpstreamFailed):
            await rest_of(stream)

    run(main())
    assert setup.is_blamed


def test_after_the_hold_the_pipelines_limit_on_silence_holds_and_is_the_providers_fault() -> None:
    setup = Setup([HOLLOW], HOUR)

    async def main() -> None:
        stream = await setup.opened(hold=0.01, next_chunk=0.02)
        limit = Limit(0.05)
        with pytest.raises(UpstreamTimeout), limit:
            await anext(pieces_of(stream.rest))
        assert limit.expired

    run(main())
    assert (setup.attempt.failure, setup.closed) == ("upstream_timeout", True)
    assert setup.is_blamed


@pytest.mark.parametrize("hold", [HOUR, 0.001])
def test_a_client_that_leaves_meanwhile_closes_the_stream(hold: float) -> None:
    setup = Setup([HOLLOW], HOUR)

    async def read() -> None:
        stream = await setup.opened(hold=hold)
        await rest_of(stream)

    async def main() -> None:
        reading = asyncio.create_task(read())
        await asyncio.sleep(0.02)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())
    assert (setup.attempt.ends, setup.attempt.failure, setup.closed) == (1, "cancelled", True)


def test_a_stream_that_is_closed_after_its_hold_is_closed_at_the_provider() -> None:
    setup = Setup([HOLLOW], HOUR)

    async def main() -> None:
        stream = await setup.opened(hold=0.001)
        await stream.rest.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())
    assert (setup.attempt.ends, setup.closed) == (1, True)


def test_an_error_that_nobody_waits_for_any_more_is_not_complained_of() -> None:
    """The client has gone by the time that its stream fails."""
    complaints: list[dict[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        setup = Setup([HOLLOW], 0.01, UpstreamFailed("down", upstream_status=503))
        stream = await setup.opened(hold=0.001)
        await asyncio.sleep(0.03)
        assert setup.closed
        await stream.rest.aclose()

    run(main())
    gc.collect()
    assert complaints == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from([HOLLOW, chunk(), FULL]), min_size=1, max_size=3), max_size=6))
def test_however_a_stream_is_cut_nothing_is_lost_or_out_of_order(
    batches: list[list[ModelResponse]],
) -> None:
    async def main() -> None:
        stream = await Setup(*batches, [END]).opened()
        assert first_of(stream) + await rest_of(stream) == [one for batch in batches for one in batch] + [END]

    run(main())
