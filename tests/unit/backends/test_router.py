"""The router with scripted backends, real breakers and a manual clock."""

import asyncio
import random
from collections.abc import Mapping
from typing import Any

import pytest

from app.backends.breakers import UpstreamBreakers
from app.backends.router import Router
from app.errors import (
    BreakerOpen,
    UnknownModel,
    UpstreamFailed,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamTruncated,
)
from app.messages import ModelResponse
from app.pipeline.breaker import BreakerState
from app.settings import Deployment, RouterSettings, Seconds, UpstreamBreakerSettings
from tests.support import run
from tests.unit.backends.fakes import ANSWER, Clock, FakeObservability, ScriptedBackend, ask, finish, said, text

DOWN = UpstreamFailed("down", upstream_status=503)


class Setup:
    """A router over named backends: `a`, `b`, ... serve the model `m`; `name@other` serves `other`."""

    def __init__(
        self, backends: Mapping[str, ScriptedBackend], settings: RouterSettings | None = None, **own: Any
    ) -> None:
        self.clock = Clock()
        self.obs = FakeObservability()
        self.made: list[str] = []
        upstream = UpstreamBreakerSettings(threshold=2, cooldown=Seconds(15))
        self.breakers = UpstreamBreakers(upstream, self.clock)
        self._backends = backends
        self.deployments = [self._deployment(order, name, **own) for order, name in enumerate(backends)]
        self.router = Router(
            self.deployments,
            settings or RouterSettings(),
            breakers=self.breakers,
            make_backend=self._make,
            clock=self.clock,
            rng=random.Random(1),
            sleep=self.clock.sleep,
        )

    def _deployment(self, order: int, name: str, **own: Any) -> Deployment:
        _, _, model = name.partition("@")
        return Deployment(id=name, model_name=model or "m", model=f"x/{name}", provider="x", order=order, **own)

    def _make(self, deployment: Deployment) -> ScriptedBackend:
        self.made.append(deployment.id)
        return self._backends[deployment.id]

    def state(self, id: str) -> BreakerState:
        return self.breakers.states[id]

    async def stream(self, **fields: Any) -> list[ModelResponse]:
        return [chunk async for batch in self.router.stream(ask(**fields), self.obs) for chunk in batch]


def test_a_stream_comes_through_as_it_is() -> None:
    setup = Setup({"a": ScriptedBackend(ANSWER)})
    assert run(setup.stream()) == list(ANSWER)
    [attempt] = setup.obs.attempts
    assert [call[0] for call in attempt.calls] == ["first_chunk", "usage", "response"]
    assert attempt.calls[-1] == ("response", "r1", "served", ("stop",))
    assert attempt.ends == 1


def test_an_unknown_model_is_the_callers_error() -> None:
    with pytest.raises(UnknownModel):
        run(Setup({"a": ScriptedBackend(ANSWER)}).stream(model="nope"))


def test_a_failing_deployment_is_followed_by_the_next() -> None:
    setup = Setup({"a": ScriptedBackend([DOWN]), "b": ScriptedBackend(ANSWER)})
    assert said(run(setup.stream())) == "Hello"
    assert setup.obs.tried == ["a", "b"]
    assert setup.obs.attempts[1].given["retry_of"] is setup.obs.attempts[0]
    assert [attempt.ends for attempt in setup.obs.attempts] == [1, 1]
    assert setup.obs.attempts[0].failure == "upstream_error"


def test_nothing_is_retried_once_a_chunk_has_been_handed_on() -> None:
    setup = Setup({"a": ScriptedBackend([text("Hel"), DOWN]), "b": ScriptedBackend(ANSWER)})
    seen: list[ModelResponse] = []

    async def main() -> None:
        async for batch in setup.router.stream(ask(), setup.obs):
            seen.extend(batch)

    with pytest.raises(UpstreamFailed):
        run(main())
    assert said(seen) == "Hel"
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
    assert said(run(setup.stream())) == "Hello"
    assert setup.clock.slept == [7]


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
    assert said(run(setup.stream())) == "Hello"
    assert setup.obs.tried == ["a", "b@other"]
    assert [attempt.given["fallback"] for attempt in setup.obs.attempts] == [False, True]


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
    assert setup.obs.rejections == [("a", "open")]
    assert setup.obs.transitions == [("a", "closed", "open")]


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
        stream = setup.router.stream(ask(), setup.obs)
        await anext(stream)
        await stream.aclose()

    run(leave())
    assert setup.state("a") is BreakerState.HALF_OPEN
    assert not setup.breakers.keeps_out(setup.deployments[0])
    assert setup.obs.attempts[-1].failure == "cancelled"
    assert setup.obs.attempts[-1].ends == 1


def test_a_rejected_request_gives_the_probe_back() -> None:
    setup = _half_open([UpstreamRejected("bad", upstream_status=400)])
    with pytest.raises(UpstreamRejected):
        run(setup.stream())
    assert not setup.breakers.keeps_out(setup.deployments[0])


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
    assert setup.obs.attempts[0].failure == "cancelled"
    assert setup.state("a") is BreakerState.CLOSED


@pytest.mark.parametrize("stream", [True, False])
def test_a_silent_provider_is_left_after_the_deployments_timeout(stream: bool) -> None:
    backends = {"a": ScriptedBackend([ScriptedBackend.HANG])}
    setup = Setup(backends, RouterSettings(num_retries=0), timeout=Seconds(0.02))
    with pytest.raises(UpstreamTimeout):
        run(setup.stream() if stream else setup.router.complete(ask(stream=False), setup.obs))
    assert setup.obs.attempts[0].failure == "upstream_timeout"
    assert backends["a"].streams_closed == int(stream)


def test_after_a_timeout_the_next_deployment_answers() -> None:
    setup = Setup({"a": ScriptedBackend([ScriptedBackend.HANG]), "b": ScriptedBackend(ANSWER)}, timeout=Seconds(0.02))
    assert said(run(setup.stream())) == "Hello"


def test_a_plain_request_takes_the_same_way() -> None:
    setup = Setup({"a": ScriptedBackend([DOWN]), "b": ScriptedBackend([finish()])})
    assert run(setup.router.complete(ask(stream=False), setup.obs)) == finish()
    assert [attempt.ends for attempt in setup.obs.attempts] == [1, 1]


def test_a_defect_in_a_backend_is_not_retried_and_releases_the_breaker() -> None:
    setup = Setup({"a": ScriptedBackend([KeyError("oops")]), "b": ScriptedBackend(ANSWER)})
    with pytest.raises(KeyError):
        run(setup.stream())
    assert setup.obs.tried == ["a"]
    assert setup.obs.attempts[0].failure == "internal_error"


def test_thousands_of_deployments_make_nothing_until_used() -> None:
    backends = {f"d{number}@model-{number}": ScriptedBackend(ANSWER) for number in range(5000)}
    setup = Setup(backends)
    assert setup.made == []
    assert setup.breakers.states == {}
    run(setup.stream(model="model-4999"))
    assert setup.made == ["d4999@model-4999"]
    assert len(setup.breakers.states) == 1
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
