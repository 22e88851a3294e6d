"""The router with scripted backends, real breakers and a manual clock."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from app.backends.attempts import AttemptControl
from app.backends.overrides import DeploymentOverrides
from app.backends.router import Router
from app.breakers.deployments import AttemptPermit
from app.dialects import dialect_of
from app.errors import (
    BreakerOpen,
    LocalFailure,
    OutOfService,
    UnknownModel,
    UpstreamFailed,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamTruncated,
)
from app.messages import (
    Choice,
    ClientCredential,
    Function,
    Message,
    ModelResponse,
    Received,
    Request,
    ToolCall,
    ToolDefinition,
)
from app.settings import Deployment, RetryBudgetSettings, RouterSettings, Seconds, UpstreamBreakerSettings
from app.stages import pieces_of
from telemetry import Attempt
from telemetry.names import BreakerState
from tests.support import run
from tests.unit.backends.fakes import (
    ANSWER,
    Clock,
    FakeObservability,
    ScriptedBackend,
    all_of,
    ask,
    finish,
    text,
    text_of,
)

DOWN = UpstreamFailed("down", upstream_status=503)


class Setup:
    """A router over named backends: `a`, `b`, ... serve the model `m`; `name@other` serves `other`."""

    def __init__(
        self,
        backends: Mapping[str, ScriptedBackend],
        settings: RouterSettings | None = None,
        sleep: Callable[[float], Awaitable[None]] | None = None,
        **fields: Any,
    ) -> None:
        self.clock = Clock()
        self.obs = FakeObservability()
        self.made: list[str] = []
        upstream = UpstreamBreakerSettings(threshold=2, cooldown=Seconds(15))
        self.control = AttemptControl(upstream, self.clock, draw=lambda: 0.5)
        self.overrides = DeploymentOverrides()
        self._backends = backends
        self.deployments = [self._deployment(name, **{"order": order, **fields}) for order, name in enumerate(backends)]
        self.router = Router(
            self.deployments,
            settings or RouterSettings(),
            control=self.control,
            overrides=self.overrides,
            make_backend=self._make,
            clock=self.clock,
            rng=random.Random(1),
            sleep=sleep or self.clock.sleep,
        )

    def _deployment(self, name: str, **fields: Any) -> Deployment:
        _, _, model = name.partition("@")
        return Deployment(id=name, model_name=model or "m", model=f"x/{name}", provider="x", **fields)

    def _make(self, deployment: Deployment) -> ScriptedBackend:
        self.made.append(deployment.id)
        return self._backends[deployment.id]

    def state(self, id: str) -> BreakerState:
        return self.control.states()[id]

    async def stream(self, **fields: Any) -> list[ModelResponse]:
        return [one.chunk for one in await all_of(await self.router.open(ask(**fields), self.obs))]


def test_a_stream_comes_through_as_it_is() -> None:
    setup = Setup({"a": ScriptedBackend(ANSWER)})
    assert run(setup.stream()) == list(ANSWER)
    [attempt] = setup.obs.attempts.started
    assert [call[0] for call in attempt.calls] == ["first_chunk", "response", "usage"]
    assert attempt.calls[1] == ("response", "r1", "served", ("stop",))
    assert attempt.ends == 1


def test_an_unknown_model_is_the_callers_error() -> None:
    with pytest.raises(UnknownModel):
        run(Setup({"a": ScriptedBackend(ANSWER)}).stream(model="nope"))


def test_a_failing_deployment_is_followed_by_the_next() -> None:
    setup = Setup({"a": ScriptedBackend([DOWN]), "b": ScriptedBackend(ANSWER)})
    assert text_of(run(setup.stream())) == "Hello"
    assert setup.obs.tried == ["a", "b"]
    assert setup.obs.attempts.started[1].retry_of is setup.obs.attempts.started[0]
    assert [attempt.ends for attempt in setup.obs.attempts.started] == [1, 1]
    assert setup.obs.attempts.started[0].failure == "upstream_error"


def test_nothing_is_retried_once_a_chunk_has_been_handed_on() -> None:
    setup = Setup({"a": ScriptedBackend([text("Hel"), DOWN]), "b": ScriptedBackend(ANSWER)})
    seen: list[ModelResponse] = []

    async def main() -> None:
        opened = await setup.router.open(ask(), setup.obs)
        seen.extend(received.chunk for received in opened.first)
        async for batch in pieces_of(opened.rest):
            seen.extend(received.chunk for received in batch)

    with pytest.raises(UpstreamFailed):
        run(main())
    assert text_of(seen) == "Hel"
    assert setup.obs.tried == ["a"]


def test_the_last_error_is_raised_when_all_have_failed() -> None:
    late = UpstreamFailed("later", upstream_status=429, retry_after=60)
    no_key = UpstreamFailed("key", upstream_status=401)
    setup = Setup({"a": ScriptedBackend([no_key]), "b": ScriptedBackend([late])})
    with pytest.raises(UpstreamFailed) as raised:
        run(setup.stream())
    assert raised.value.retry_after == 60


def test_retry_after_is_obeyed() -> None:
    limited = UpstreamFailed("slow down", upstream_status=429, retry_after=7)
    setup = Setup({"a": ScriptedBackend([limited], ANSWER)})
    assert text_of(run(setup.stream())) == "Hello"
    assert setup.clock.slept == [7]


@pytest.mark.parametrize(
    ("whose", "status", "asked"), [("gateway", 429, "b"), ("client", 429, "a"), ("client", 503, "b")]
)
def test_a_wait_that_concerns_one_callers_account_is_no_others(whose: str, status: int, asked: str) -> None:
    wait = UpstreamFailed("wait", upstream_status=status, retry_after=7)
    backends = {"a": ScriptedBackend([wait], ANSWER), "b": ScriptedBackend(ANSWER)}
    setup = Setup(backends, RouterSettings(num_retries=0), credentials=whose, backend="openai")
    credential = ClientCredential({"authorization": "Bearer sk-of-the-caller"})
    with pytest.raises(UpstreamFailed):
        run(setup.stream(credential=credential, caller="one"))
    run(setup.stream(credential=credential, caller="other"))
    assert setup.obs.tried == ["a", asked]


def test_retries_back_off() -> None:
    setup = Setup({"a": ScriptedBackend([DOWN])}, RouterSettings(num_retries=1))
    with pytest.raises(UpstreamFailed):
        run(setup.stream())
    [waited] = setup.clock.slept
    assert 0.125 <= waited <= 0.25
    assert setup.obs.tried == ["a", "a"]


def test_no_retry_begins_after_the_requests_time_is_over() -> None:
    limited = UpstreamFailed("slow down", upstream_status=429, retry_after=7)
    setup = Setup({"a": ScriptedBackend([limited], ANSWER)}, RouterSettings(request_timeout=Seconds(5)))
    with pytest.raises(UpstreamFailed):
        run(setup.stream())
    assert setup.clock.slept == []


def test_what_a_provider_rejects_is_not_tried_elsewhere() -> None:
    bad = UpstreamRejected("bad", upstream_status=400)
    setup = Setup({"a": ScriptedBackend([bad]), "b": ScriptedBackend(ANSWER)})
    for _ in range(3):
        with pytest.raises(UpstreamRejected):
            run(setup.stream())
    assert set(setup.obs.tried) == {"a"}
    assert setup.state("a") is BreakerState.CLOSED


def test_fallback_models_are_tried_when_all_deployments_failed() -> None:
    settings = RouterSettings(num_retries=0, fallbacks={"m": ("other",)})
    setup = Setup({"a": ScriptedBackend([DOWN]), "b@other": ScriptedBackend(ANSWER)}, settings)
    assert text_of(run(setup.stream())) == "Hello"
    assert setup.obs.tried == ["a", "b@other"]
    assert [attempt.fallback for attempt in setup.obs.attempts.started] == [False, True]


def test_retries_are_counted_for_the_request_and_each_fallback_is_asked_once() -> None:
    settings = RouterSettings(num_retries=2, fallbacks={"m": ("f", "g")})
    backends = {name: ScriptedBackend([UpstreamFailed("later", upstream_status=429)]) for name in ("a", "b@f", "c@g")}
    setup = Setup(backends, settings)
    with pytest.raises(UpstreamFailed):
        run(setup.stream())
    assert setup.obs.tried == ["a", "a", "a", "b@f", "c@g"]


def test_a_fallback_has_the_retries_that_are_left() -> None:
    settings = RouterSettings(num_retries=2, fallbacks={"m": ("f",)})
    no_key = UpstreamFailed("key", upstream_status=401)
    full = UpstreamFailed("later", upstream_status=429)
    setup = Setup({"a": ScriptedBackend([no_key]), "b@f": ScriptedBackend([full])}, settings)
    with pytest.raises(UpstreamFailed):
        run(setup.stream())
    assert setup.obs.tried == ["a", "b@f", "b@f", "b@f"]


FULL = UpstreamFailed("later", upstream_status=429)


class FailsTogether(ScriptedBackend):
    """Answers nobody before `count` have asked."""

    def __init__(self, count: int) -> None:
        super().__init__([FULL])
        self._missing = count
        self._all_asked = asyncio.Event()

    async def complete(self, request: Request, attempt: Attempt) -> Received:
        self._missing -= 1
        if self._missing <= 0:
            self._all_asked.set()
        await self._all_asked.wait()
        return await super().complete(request, attempt)


@pytest.mark.parametrize(
    ("requests", "budget", "retries"),
    [
        (100, RetryBudgetSettings(share=0.2, min_concurrent=3), 20),
        (4, RetryBudgetSettings(share=0.2, min_concurrent=3), 3),
        (4, RetryBudgetSettings(share=0, min_concurrent=0), 0),
        (4, RetryBudgetSettings(share=1, min_concurrent=0), 4),
    ],
)
def test_retries_under_way_are_a_share_of_the_requests(
    requests: int, budget: RetryBudgetSettings, retries: int
) -> None:
    together = asyncio.Event()
    waiting = 0

    async def sleep(seconds: float) -> None:
        nonlocal waiting
        waiting += 1
        await together.wait()

    async def main() -> int:
        backend = FailsTogether(requests)
        setup = Setup({"a": backend}, RouterSettings(num_retries=1, retry_budget=budget), sleep=sleep)
        asked = (setup.router.complete(ask(stream=False), FakeObservability()) for _ in range(requests))
        crowd = asyncio.gather(*asked, return_exceptions=True)
        for _ in range(20):
            await asyncio.sleep(0)
        together.set()
        assert all(error is FULL for error in await crowd)
        assert len(backend.requests) == requests + waiting
        return waiting

    assert run(main()) == retries


def test_a_retry_that_the_budget_denies_is_told_and_the_fallback_still_asked() -> None:
    settings = RouterSettings(fallbacks={"m": ("f",)}, retry_budget=RetryBudgetSettings(share=0, min_concurrent=0))
    setup = Setup({"a": ScriptedBackend([FULL]), "b@f": ScriptedBackend(ANSWER)}, settings)
    assert text_of(run(setup.stream())) == "Hello"
    assert setup.obs.tried == ["a", "b@f"]
    assert setup.obs.attempts.retries_denied == ["m"]


def test_another_deployment_is_no_retry_to_the_budget() -> None:
    settings = RouterSettings(retry_budget=RetryBudgetSettings(share=0, min_concurrent=0))
    setup = Setup({"a": ScriptedBackend([DOWN]), "b": ScriptedBackend(ANSWER)}, settings)
    assert text_of(run(setup.stream())) == "Hello"
    assert setup.obs.attempts.retries_denied == []


def test_a_breaker_that_opens_during_the_wait_is_not_waited_for_again() -> None:
    """Others' failures open it; the request comes to its end, and does not turn round and round."""
    backend = ScriptedBackend([DOWN])
    waits = 0

    async def sleep(seconds: float) -> None:
        nonlocal waits
        waits += 1
        permit = setup.control.admit(setup.deployments[0], FakeObservability())
        assert isinstance(permit, AttemptPermit)
        setup.control.record(permit, DOWN, FakeObservability())

    setup = Setup({"a": backend}, sleep=sleep)
    with pytest.raises(UpstreamFailed):
        run(setup.stream())
    assert waits == 1
    assert setup.obs.tried == ["a"]
    assert setup.obs.breakers.rejections == [("a", "open")]


def test_what_this_machine_lacks_is_no_reason_to_give_up_nor_to_shut_anybody_out() -> None:
    setup = Setup({"a": ScriptedBackend([LocalFailure("descriptors")]), "b": ScriptedBackend(ANSWER)})
    for _ in range(5):
        assert text_of(run(setup.stream())) == "Hello"
    assert setup.state("a") is BreakerState.CLOSED
    assert setup.obs.attempts.started[0].failure == "local_failure"


def test_a_hung_deployment_whose_clients_give_up_makes_room_for_the_next() -> None:
    hung = ScriptedBackend([ScriptedBackend.HANG])
    setup = Setup({"a": hung, "b": ScriptedBackend([finish()])})

    async def main() -> None:
        for _ in range(2):
            hung.asked.clear()
            task = asyncio.ensure_future(setup.router.complete(ask(stream=False), setup.obs))
            await hung.asked.wait()
            setup.clock.now += 1
            task.cancel()
            await asyncio.wait([task])
        assert (await setup.router.complete(ask(stream=False), setup.obs)).chunk == finish()

    run(main())
    assert setup.obs.tried == ["a", "a", "b"]
    assert setup.state("a") is BreakerState.OPEN


def test_a_fallback_that_nobody_serves_is_an_error_at_the_start() -> None:
    with pytest.raises(ValueError, match="typo"):
        Setup({"a": ScriptedBackend(ANSWER)}, RouterSettings(fallbacks={"m": ("typo",)}))


def test_an_open_breaker_is_skipped_and_all_open_refuses_at_once() -> None:
    setup = Setup({"a": ScriptedBackend([DOWN])}, RouterSettings(num_retries=0))
    for _ in range(2):
        with pytest.raises(UpstreamFailed):
            run(setup.stream())
    with pytest.raises(BreakerOpen) as raised:
        run(setup.stream())
    assert raised.value.retry_after == 15
    assert setup.obs.tried == ["a", "a"]
    assert setup.obs.breakers.rejections == [("a", "open")]
    assert setup.obs.breakers.transitions == [("a", "closed", "open")]


def test_a_drained_deployment_is_asked_by_nobody_until_it_is_restored() -> None:
    setup = Setup({"a": ScriptedBackend(ANSWER, ANSWER), "b": ScriptedBackend(ANSWER)})
    setup.overrides.drain("a")
    run(setup.stream())
    assert setup.router.turned_away() == {"a"}
    setup.overrides.restore("a")
    run(setup.stream())
    assert setup.obs.tried == ["b", "a"]


def test_where_all_are_drained_the_fallback_is_asked_and_without_one_the_model_is_out_of_service() -> None:
    setup = Setup(
        {"a": ScriptedBackend(ANSWER), "b@other": ScriptedBackend(ANSWER)}, RouterSettings(fallbacks={"m": ("other",)})
    )
    setup.overrides.drain("a")
    run(setup.stream())
    assert setup.obs.tried == ["b@other"]
    setup.overrides.drain("b@other")
    with pytest.raises(OutOfService):
        run(setup.stream())


def test_one_that_is_drained_beside_one_whose_breaker_is_open_leaves_a_failing_model() -> None:
    setup = Setup({"a": ScriptedBackend([DOWN], [DOWN]), "b": ScriptedBackend()}, RouterSettings(num_retries=0))
    setup.overrides.drain("b")
    for _ in range(2):
        with pytest.raises(UpstreamFailed):
            run(setup.stream())
    with pytest.raises(BreakerOpen):
        run(setup.stream())


def test_a_deployment_that_is_drained_while_a_request_waits_is_not_asked_again() -> None:
    async def sleep(_: float) -> None:
        setup.overrides.drain("a")

    setup = Setup({"a": ScriptedBackend([DOWN], ANSWER)}, sleep=sleep)
    with pytest.raises(UpstreamFailed):
        run(setup.stream())
    assert setup.obs.tried == ["a"]


def test_an_operators_weight_takes_the_place_of_the_configured_one() -> None:
    backends = {name: ScriptedBackend(*[ANSWER] * 40) for name in "ab"}
    setup = Setup(backends, order=1)
    setup.overrides.set_weight("a", 0)
    for _ in range(20):
        run(setup.stream())
    assert set(setup.obs.tried) == {"b"}
    setup.overrides.set_weight("a", None)
    for _ in range(20):
        run(setup.stream())
    assert set(setup.obs.tried) == {"a", "b"}


def test_a_truncated_stream_counts_against_its_deployment() -> None:
    setup = Setup({"a": ScriptedBackend([text("Hel"), UpstreamTruncated("cut")])})
    for _ in range(2):
        with pytest.raises(UpstreamTruncated):
            run(setup.stream())
    assert setup.state("a") is BreakerState.OPEN


def test_an_empty_stream_is_truncated() -> None:
    with pytest.raises(UpstreamTruncated):
        run(Setup({"a": ScriptedBackend([])}, RouterSettings(num_retries=0)).stream())


def _half_open(script: list[Any]) -> Setup:
    setup = Setup({"a": ScriptedBackend([DOWN], [DOWN], script)}, RouterSettings(num_retries=0))
    for _ in range(2):
        with pytest.raises(UpstreamFailed):
            run(setup.stream())
    setup.clock.now += 20
    return setup


def test_a_probe_that_succeeds_closes_the_breaker() -> None:
    setup = _half_open(list(ANSWER))
    run(setup.stream())
    assert setup.state("a") is BreakerState.CLOSED


def test_a_caller_who_leaves_gives_the_probe_back() -> None:
    setup = _half_open([text("Hel"), ScriptedBackend.HANG])

    async def leave() -> None:
        opened = await setup.router.open(ask(), setup.obs)
        await opened.rest.aclose()

    run(leave())
    assert setup.state("a") is BreakerState.HALF_OPEN
    assert setup.control.refusal(setup.deployments[0]) is None
    assert setup.obs.attempts.started[-1].failure == "cancelled"
    assert setup.obs.attempts.started[-1].ends == 1


@pytest.mark.parametrize("name", ["short", "x" * 100])
def test_a_stream_of_which_nothing_more_is_read_can_be_closed(name: str) -> None:
    """Where the names of tools have to be put back, too."""
    backend = ScriptedBackend([text("Hel"), ScriptedBackend.HANG])
    setup = Setup({"a": backend})

    async def leave() -> None:
        request = ask(dialect="anthropic_messages", tools=(ToolDefinition(name),))
        opened = await setup.router.open(request, setup.obs)
        await opened.rest.aclose()
        assert backend.streams_closed == 1

    run(leave())


@pytest.mark.parametrize("stream", [True, False])
def test_limits_of_a_provider_stay_where_names_of_tools_are_put_back(stream: bool) -> None:
    name, limits = "x" * 100, {"x-ratelimit-remaining-requests": "7"}
    request = ask(dialect="openai_responses", stream=stream, tools=(ToolDefinition(name),))
    [short] = dialect_of(request).tool_names(request)
    message = Message(tool_calls=(ToolCall(index=0, id="c", function=Function(name=short, arguments="{}")),))
    choice = Choice(delta=message) if stream else Choice(message=message)
    backend = ScriptedBackend([Received(ModelResponse(choices=(choice,)), None, limits)])
    setup = Setup({"a": backend})

    async def first() -> Received:
        if stream:
            return (await setup.router.open(request, setup.obs)).first[0]
        return await setup.router.complete(request, setup.obs)

    received = run(first())
    [choice] = received.chunk.choices
    [call] = (choice.delta or choice.message or Message()).tool_calls
    assert (call.function.name, received.limit_headers) == (name, limits)


def test_a_rejected_request_gives_the_probe_back() -> None:
    setup = _half_open([UpstreamRejected("bad", upstream_status=400)])
    with pytest.raises(UpstreamRejected):
        run(setup.stream())
    assert setup.control.refusal(setup.deployments[0]) is None


@pytest.mark.parametrize("stream", [True, False])
def test_a_cancelled_request_closes_the_upstream_and_counts_as_nothing(stream: bool) -> None:
    backend = ScriptedBackend([ScriptedBackend.HANG])
    setup = Setup({"a": backend})

    async def main() -> None:
        asked = setup.stream() if stream else setup.router.complete(ask(stream=False), setup.obs)
        task = asyncio.ensure_future(asked)
        await backend.asked.wait()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    run(main())
    assert backend.streams_closed == int(stream)
    assert setup.obs.attempts.started[0].failure == "cancelled"
    assert setup.state("a") is BreakerState.CLOSED


@pytest.mark.parametrize("stream", [True, False])
def test_a_silent_provider_is_left_after_the_deployments_timeout(stream: bool) -> None:
    backends = {"a": ScriptedBackend([ScriptedBackend.HANG])}
    setup = Setup(backends, RouterSettings(num_retries=0), timeout=Seconds(0.02))
    with pytest.raises(UpstreamTimeout):
        run(setup.stream() if stream else setup.router.complete(ask(stream=False), setup.obs))
    assert setup.obs.attempts.started[0].failure == "upstream_timeout"
    assert backends["a"].streams_closed == int(stream)


def test_after_a_timeout_the_next_deployment_answers() -> None:
    setup = Setup({"a": ScriptedBackend([ScriptedBackend.HANG]), "b": ScriptedBackend(ANSWER)}, timeout=Seconds(0.02))
    assert text_of(run(setup.stream())) == "Hello"


def test_a_plain_request_takes_the_same_way() -> None:
    setup = Setup({"a": ScriptedBackend([DOWN]), "b": ScriptedBackend([finish()])})
    assert run(setup.router.complete(ask(stream=False), setup.obs)).chunk == finish()
    assert [attempt.ends for attempt in setup.obs.attempts.started] == [1, 1]


def test_a_defect_in_a_backend_is_not_retried_and_releases_the_breaker() -> None:
    setup = Setup({"a": ScriptedBackend([KeyError("oops")]), "b": ScriptedBackend(ANSWER)})
    with pytest.raises(KeyError):
        run(setup.stream())
    assert setup.obs.tried == ["a"]
    assert setup.obs.attempts.started[0].failure == "internal_error"


def test_thousands_of_deployments_make_nothing_until_used() -> None:
    backends = {f"d{number}@model-{number}": ScriptedBackend(ANSWER) for number in range(5000)}
    setup = Setup(backends)
    assert setup.made == []
    assert setup.control.states() == {}
    run(setup.stream(model="model-4999"))
    assert setup.made == ["d4999@model-4999"]
    assert len(setup.control.states()) == 1
    assert len(setup.router.model_names()) == 5000


def test_backends_are_made_once_and_closed_at_the_end() -> None:
    backend = ScriptedBackend(ANSWER)
    setup = Setup({"a": backend})

    async def main() -> None:
        await setup.stream()
        await setup.stream()
        assert await setup.router.count_tokens(ask()) == 42
        await setup.router.aclose()

    run(main())
    assert setup.made == ["a"]
    assert backend.closed
