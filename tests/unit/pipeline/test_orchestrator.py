"""The orchestrator over both stages, with a real formatter and telemetry, and a reader that can be slow."""

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, Sequence

import pytest
from msgspec.structs import replace

from app.dialects import streaming_dialects
from app.errors import (
    BreakerOpen,
    GatewayError,
    InternalError,
    PolicyBlocked,
    PolicyFailed,
    PolicyTimeout,
    QueueOverflow,
    UpstreamTruncated,
)
from app.messages import Batch, Choice, InputMessage, Message, ModelResponse, Received, Request, TextPart
from app.opened_stream import OpenedStream
from app.pipeline import AdmissionControl, ByteBudget, PolicyExecutor, PolicyOrchestrator
from app.policies import LoadedPolicy, Policy, PolicyContext, StreamContext
from app.settings import PipelineSettings, QueueBreakerSettings, Seconds
from app.stages import Borrower, Generated, Taker
from tests.support import run
from tests.unit.pipeline.rig import Outcome, content, finish, loaded, observed, settings

REQUEST = Request(dialect="openai_chat", model="m", messages=(InputMessage("user", (TextPart("hello"),)),), stream=True)
WHOLE = ModelResponse(
    id="r", model="m", choices=(Choice(message=Message(role="assistant", content="hi"), finish_reason="stop"),)
)


class Upstream:
    """A backend's stream that knows whether it was closed."""

    def __init__(self, *chunks: ModelResponse | Exception, hangs: bool = False) -> None:
        self.closed = False
        self.asked = 0
        self._chunks = chunks
        self._hangs = hangs

    async def stream(self) -> AsyncGenerator[Batch, None]:
        try:
            for chunk in self._chunks:
                self.asked += 1
                if isinstance(chunk, Exception):
                    raise chunk
                yield (Received(chunk),)
            if self._hangs:
                await asyncio.get_running_loop().create_future()
        finally:
            self.closed = True


class Provider(Borrower[Received]):
    """A stream whose chunks come when a test says so, each in a turn of the test's."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False
        self.has_ended = False
        self.left: list[Received] = []

    def comes(self, *chunks: ModelResponse) -> None:
        received = [Received(chunk) for chunk in chunks]
        if self._idle is None:
            self.left += received
            return
        try:
            if not self._idle.take(received):
                self._give_back()
        except Exception as error:
            self._give_back(error)

    def ends(self) -> None:
        self.has_ended = True
        self._wake()

    async def pass_to(self, taker: Taker[Received]) -> bool:
        while True:
            if self.left:
                left, self.left = self.left, []
                if not taker.take(left):
                    return True
            elif self.has_ended:
                return False
            elif await self._wait(taker):
                return True

    async def aclose(self) -> None:
        self.closed = True


class Reader:
    """A client that keeps what it is sent. A slow one never takes anything at once; a stuck one never gets beyond its
    first send."""

    def __init__(self, slow: bool = False, stuck: bool = False) -> None:
        self.sent = b""
        self._left = b""
        self._slow = slow or stuck
        self._stuck = stuck

    def take(self, pieces: Sequence[bytes]) -> bool:
        data = b"".join(pieces)
        if self._slow:
            self._left = data
        else:
            self.sent += data
        return not self._slow

    async def flush(self) -> None:
        if self._stuck:
            await asyncio.get_running_loop().create_future()
        self.sent += self._left
        self._left = b""


def an_orchestrator(
    policies: Sequence[LoadedPolicy] = (),
    with_settings: PipelineSettings | None = None,
    admission: AdmissionControl | None = None,
) -> PolicyOrchestrator:
    chosen = with_settings or settings()
    return PolicyOrchestrator(
        policies,
        PolicyExecutor(policies, chosen),
        admission or AdmissionControl(QueueBreakerSettings()),
        ByteBudget(chosen.total_queue_bytes),
        chosen,
    )


async def stream_through(
    orchestrator: PolicyOrchestrator, upstream: Upstream | Provider, reader: Reader, outcome: Outcome
) -> GatewayError | None:
    formatter = streaming_dialects()["openai_chat"].formatter(REQUEST, outcome.obs.transaction_id, 1)
    policy_ctx = PolicyContext(outcome.obs.transaction_id, REQUEST)
    try:
        with orchestrator.admit("", outcome.obs) as admission:
            if isinstance(upstream, Provider):
                opened = OpenedStream([Received(content("first "))], upstream)
            else:
                stream = upstream.stream()
                opened = OpenedStream(await anext(stream), Generated(stream))
            await orchestrator.process_streaming_response(opened, formatter, reader, admission, policy_ctx, outcome.obs)
    except GatewayError as error:
        return error
    return None


def test_chunks_that_came_at_once_are_kept_no_longer_than_they_are_needed() -> None:
    upstream, reader, outcome = Upstream(content("he"), finish()), Reader(), observed()

    async def main() -> None:
        stream = upstream.stream()
        opened = OpenedStream(await anext(stream), Generated(stream))
        orchestrator = an_orchestrator()
        formatter = streaming_dialects()["openai_chat"].formatter(REQUEST, outcome.obs.transaction_id, 1)
        policy_ctx = PolicyContext(outcome.obs.transaction_id, REQUEST)
        with orchestrator.admit("", outcome.obs) as admission:
            await orchestrator.process_streaming_response(opened, formatter, reader, admission, policy_ctx, outcome.obs)
        assert opened.first == ()

    run(main())


def test_a_stream_reaches_its_reader_whole_and_the_upstream_is_closed() -> None:
    upstream, reader, outcome = Upstream(content("he"), content("llo"), finish()), Reader(), observed()
    assert run(stream_through(an_orchestrator(), upstream, reader, outcome)) is None
    assert b'"content":"he"' in reader.sent
    assert reader.sent.endswith(b"data: [DONE]\n\n")
    assert upstream.closed


def test_a_stream_that_failed_has_no_clean_end_and_says_what_came_before() -> None:
    upstream, reader, outcome = Upstream(content("he"), UpstreamTruncated("cut")), Reader(), observed()
    error = run(stream_through(an_orchestrator(), upstream, reader, outcome))
    assert isinstance(error, UpstreamTruncated)
    assert b'"content":"he"' in reader.sent
    assert b"[DONE]" not in reader.sent
    assert upstream.closed


def test_a_defect_is_an_internal_error_and_never_a_clean_end() -> None:
    upstream, reader, outcome = Upstream(content("he"), KeyError("boom")), Reader(), observed()
    error = run(stream_through(an_orchestrator(), upstream, reader, outcome))
    assert isinstance(error, InternalError)
    assert b"[DONE]" not in reader.sent


def test_a_reader_that_fails_ends_the_stream_and_closes_the_upstream() -> None:
    class Broken(Reader):
        def take(self, pieces: Sequence[bytes]) -> bool:
            raise OSError("gone")

    upstream, outcome = Upstream(content("he"), hangs=True), observed()
    assert isinstance(run(stream_through(an_orchestrator(), upstream, Broken(), outcome)), InternalError)
    assert upstream.closed


def test_a_cancelled_stream_closes_its_upstream() -> None:
    upstream, outcome = Upstream(content("he"), hangs=True), observed()

    async def main() -> None:
        task = asyncio.ensure_future(stream_through(an_orchestrator(), upstream, Reader(), outcome))
        for _ in range(20):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
    assert upstream.closed


def test_a_hook_that_swallows_the_cancellation_does_not_keep_its_stream() -> None:
    hook_runs = asyncio.Event()

    class Stubborn(Policy):
        async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
            hook_runs.set()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.get_running_loop().create_future()

    async def main() -> None:
        upstream = Upstream(content("he"), content("llo"), finish())
        orchestrator = an_orchestrator([loaded(Stubborn())])
        task = asyncio.create_task(stream_through(orchestrator, upstream, Reader(), observed()))
        await hook_runs.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert upstream.closed
        assert upstream.asked == 1

    run(main())


def tight(put_timeout: float = 0.02) -> PipelineSettings:
    return replace(settings(), queue_items=2, put_timeout=Seconds(put_timeout))


def test_a_reader_that_is_stuck_holds_the_upstream_back_and_then_overflows() -> None:
    upstream = Upstream(*(content(str(number)) for number in range(100)), hangs=True)
    outcome = observed()
    error = run(stream_through(an_orchestrator(with_settings=tight()), upstream, Reader(stuck=True), outcome))
    assert isinstance(error, QueueOverflow)
    assert upstream.asked < 20
    assert upstream.closed
    assert outcome.counter("flowspan_queue_overflows_total", queue="sse") == 1
    assert outcome.counter("flowspan_queue_overflows_total", queue="policy_out") == 0
    assert outcome.counter("flowspan_queue_discarded_items_total", queue="sse") > 0


def test_overflows_open_the_queues_breaker_and_a_probe_closes_it() -> None:
    now = [0.0]
    admission = AdmissionControl(QueueBreakerSettings(threshold=2, cooldown=Seconds(15)), clock=lambda: now[0])
    orchestrator = an_orchestrator(with_settings=tight(), admission=admission)

    async def main() -> list[str]:
        ends = []
        for stuck, at in ((True, 0), (True, 1), (False, 2), (False, 20), (False, 21)):
            now[0] = at
            upstream = Upstream(*(content(str(number)) for number in range(20)), finish())
            error = await stream_through(orchestrator, upstream, Reader(stuck=stuck), observed())
            ends.append(type(error).__name__)
        return ends

    assert run(main()) == ["QueueOverflow", "QueueOverflow", "BreakerOpen", "NoneType", "NoneType"]


def test_a_rejected_stream_never_asks_its_upstream() -> None:
    admission = AdmissionControl(QueueBreakerSettings(threshold=1))
    orchestrator = an_orchestrator(with_settings=tight(), admission=admission)
    upstream, outcome = Upstream(content("x"), finish()), observed()

    async def main() -> GatewayError | None:
        await stream_through(orchestrator, Upstream(*[content("x")] * 20), Reader(stuck=True), observed())
        return await stream_through(orchestrator, upstream, Reader(), outcome)

    error = run(main())
    assert isinstance(error, BreakerOpen)
    assert error.retry_after is not None
    assert upstream.asked == 0
    assert outcome.counter("flowspan_breaker_rejections_total", breaker="queue:sse", reason="open") == 1


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_client_that_keeps_up_is_sent_each_chunk_in_the_turn_in_which_it_comes_and_without_a_task() -> None:
    async def main() -> None:
        provider, reader, outcome = Provider(), Reader(), observed()
        streaming = asyncio.create_task(stream_through(an_orchestrator(), provider, reader, outcome))
        await turns()
        for text in ("he", "llo"):
            provider.comes(content(text))
            assert f'"content":"{text}"'.encode() in reader.sent
        assert asyncio.all_tasks() == {asyncio.current_task(), streaming}
        provider.comes(finish())
        provider.ends()
        assert await streaming is None
        assert reader.sent.endswith(b"data: [DONE]\n\n")
        assert not provider.closed

    run(main())


def test_a_client_that_reads_slowly_is_sent_everything_in_its_order() -> None:
    async def main() -> None:
        provider, reader, outcome = Provider(), Reader(slow=True), observed()
        streaming = asyncio.create_task(
            stream_through(an_orchestrator(with_settings=tight(5)), provider, reader, outcome)
        )
        await turns()
        for number in range(50):
            provider.comes(content(f"<{number}>"))
            if number % 7 == 0:
                await turns()
        provider.comes(finish())
        provider.ends()
        assert await streaming is None
        assert re.findall(rb"<(\d+)>", reader.sent) == [b"%d" % number for number in range(50)]
        assert reader.sent.endswith(b"data: [DONE]\n\n")

    run(main())


@pytest.mark.parametrize("later", range(5))
def test_what_fails_in_the_providers_turn_ends_the_stream_and_is_not_the_providers_matter(later: int) -> None:
    """What comes before the stream's task has its turn fills the queues, up to a stage that gets no task any more."""

    class Breaks(Reader):
        def take(self, pieces: Sequence[bytes]) -> bool:
            if b"first" not in pieces[0]:
                raise OSError("gone")
            return super().take(pieces)

    async def main() -> None:
        provider, outcome = Provider(), observed()
        orchestrator = an_orchestrator(with_settings=tight())
        streaming = asyncio.create_task(stream_through(orchestrator, provider, Breaks(), outcome))
        await turns()
        provider.comes(content("second"))
        for _ in range(later):
            await asyncio.sleep(0)
        for number in range(10):
            provider.comes(content(str(number)))
        assert isinstance(await streaming, InternalError)
        assert provider.closed
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())


def test_a_stream_that_is_cancelled_while_its_client_is_behind_leaves_no_task() -> None:
    async def main() -> None:
        provider, outcome = Provider(), observed()
        streaming = asyncio.create_task(stream_through(an_orchestrator(), provider, Reader(stuck=True), outcome))
        await turns()
        for number in range(5):
            provider.comes(content(str(number)))
        await turns()
        streaming.cancel()
        with pytest.raises(asyncio.CancelledError):
            await streaming
        assert provider.closed
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())


class Replaces(Policy):
    async def on_request(self, request: Request, ctx: PolicyContext) -> Request:
        return request.map_text(str.upper)

    async def on_response(self, response: ModelResponse, ctx: PolicyContext) -> ModelResponse:
        return replace(response, model="other")


class Raises(Policy):
    async def on_request(self, request: Request, ctx: PolicyContext) -> Request:
        raise RuntimeError("boom")

    async def on_response(self, response: ModelResponse, ctx: PolicyContext) -> ModelResponse:
        raise RuntimeError("boom")


class Forgets(Policy):
    async def on_request(self, request: Request, ctx: PolicyContext) -> Request:
        return None  # type: ignore[return-value]  # the fault under test


class Hangs(Policy):
    async def on_request(self, request: Request, ctx: PolicyContext) -> Request:
        await asyncio.get_running_loop().create_future()
        return request


class Blocks(Policy):
    async def on_request(self, request: Request, ctx: PolicyContext) -> Request:
        raise PolicyBlocked("No.")


def ask(policy: Policy, fail_open: bool = False) -> Request:
    outcome = observed()
    orchestrator = an_orchestrator([loaded(policy, fail_open)], settings(policy_timeout=0.05))
    return run(orchestrator.process_request(REQUEST, PolicyContext("t", REQUEST), outcome.obs))


def test_a_request_that_no_policy_changes_is_the_same_object() -> None:
    assert ask(Policy()) is REQUEST


def test_a_request_can_be_changed() -> None:
    assert ask(Replaces()).messages[0].parts == (TextPart("HELLO"),)


@pytest.mark.parametrize(
    ("policy", "error"), [(Raises(), PolicyFailed), (Forgets(), PolicyFailed), (Hangs(), PolicyTimeout)]
)
def test_a_failing_on_request_stops_or_is_passed_by_as_declared(policy: Policy, error: type[GatewayError]) -> None:
    with pytest.raises(error):
        ask(policy)
    assert ask(policy, fail_open=True) is REQUEST


def test_a_deliberate_no_to_a_request_stands_in_any_case() -> None:
    with pytest.raises(PolicyBlocked):
        ask(Blocks(), fail_open=True)


def answer(policy: Policy, fail_open: bool = False) -> ModelResponse:
    outcome = observed()
    orchestrator = an_orchestrator([loaded(policy, fail_open)])
    return run(orchestrator.process_full_response(Received(WHOLE), PolicyContext("t", REQUEST), outcome.obs)).chunk


def test_a_whole_response_goes_through_on_response_or_the_block_hooks() -> None:
    class Delta(Policy):
        async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
            await ctx.emit_text(text.upper())

    class Complete(Policy):
        async def on_content_complete(self, text: str, ctx: StreamContext) -> None:
            await ctx.emit_text(text + "!")

    def answer_of(policy: Policy) -> str | None:
        message = answer(policy).choices[0].message
        return message.content if message is not None else None

    assert answer(Policy()) is WHOLE
    assert answer(Replaces()).model == "other"
    assert answer_of(Delta()) == "HI"
    assert answer_of(Complete()) == "hi!"


def test_a_failing_on_response_stops_or_is_passed_by_as_declared() -> None:
    with pytest.raises(PolicyFailed):
        answer(Raises())
    assert answer(Raises(), fail_open=True) is WHOLE


def test_waiting_for_a_client_behind_a_hook_is_not_the_policys_time() -> None:
    class Passes(Policy):
        async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
            await ctx.emit_text(text)

    upstream = Upstream(*(content(str(number)) for number in range(100)), finish())
    outcome = observed()
    orchestrator = an_orchestrator([loaded(Passes())], tight(put_timeout=0.2))
    assert isinstance(run(stream_through(orchestrator, upstream, Reader(stuck=True), outcome)), QueueOverflow)
    assert outcome.obs.ledger.snapshot()["policy"] < 0.1
