"""The router before deployments that have as much to do as they may."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from app.admission import Admission
from app.backends.attempts import AttemptControl
from app.backends.overrides import DeploymentOverrides
from app.backends.router import Router
from app.errors import AdmissionTimeout, BackendError, UpstreamFailed
from app.messages import ModelResponse
from app.opened_stream import OpenedStream
from app.settings import AdmissionSettings, Deployment, RouterSettings, Seconds, UpstreamBreakerSettings
from app.stages import generated, pieces_of
from telemetry import AttemptAllowance
from tests.support import run
from tests.unit.backends.fakes import ANSWER, Clock, FakeObservability, ScriptedBackend, all_of, ask, text, text_of

HANGING: Sequence[ModelResponse | str] = (text("Hel"), ScriptedBackend.HANG)
DOWN = UpstreamFailed("down", upstream_status=503)
NO_WAIT = AdmissionSettings(queue_timeout=Seconds(0.02))


class Setup:
    """A router over named backends: `a`, `b`, ... of one order, `c!2` of order 2, `f@other` of another model."""

    def __init__(
        self,
        backends: Mapping[str, ScriptedBackend],
        router: RouterSettings | None = None,
        admission: AdmissionSettings | None = None,
        **fields: Any,
    ) -> None:
        self.clock = Clock()
        self.obs = FakeObservability()
        deployments = [self._deployment(name, **fields) for name in backends]
        settings = admission or AdmissionSettings()
        self.admission = Admission(settings, deployments, clock=self.clock)
        self.control = AttemptControl(UpstreamBreakerSettings(), self.clock, admission=self.admission)
        self.overrides = DeploymentOverrides()
        self.router = Router(
            deployments,
            router or RouterSettings(),
            control=self.control,
            make_backend=lambda one: backends[one.id],
            clock=self.clock,
            rng=random.Random(1),
            sleep=self.clock.sleep,
            overrides=self.overrides,
        )

    def _deployment(self, id: str, **fields: Any) -> Deployment:
        order = int(id.partition("!")[2] or 1)
        model = id.partition("@")[2] or "m"
        return Deployment(id=id, model_name=model, model=f"x/{id}", provider="x", order=order, **fields)

    async def open(self, **fields: Any) -> OpenedStream:
        return await self.router.open(ask(**fields), self.obs)

    async def stream(self, **fields: Any) -> str:
        return text_of(await all_of(await self.open(**fields)))


def _hanging(*names: str) -> dict[str, ScriptedBackend]:
    """Each has one stream that does not end, and whole ones after it."""
    return {name: ScriptedBackend(HANGING, ANSWER) for name in names}


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_another_deployment_with_room_is_asked_without_a_wait() -> None:
    async def main() -> None:
        setup = Setup(_hanging("a", "b"), max_parallel=1)
        opened = [await setup.open(), await setup.open()]
        assert sorted(setup.obs.tried) == ["a", "b"]
        assert setup.obs.admission.waits == []
        for one in opened:
            await one.rest.aclose()

    run(main())


def test_whoever_ends_first_serves_who_waits() -> None:
    async def main() -> None:
        setup = Setup(_hanging("a", "b"), max_parallel=1)
        first, second = await setup.open(), await setup.open()
        opened = dict(zip(setup.obs.tried, (first, second), strict=True))
        waiting = asyncio.create_task(setup.stream())
        await turns()
        assert len(setup.obs.tried) == 2
        await opened["b"].rest.aclose()
        assert await waiting == "Hello"
        assert setup.obs.tried[-1] == "b"
        ((_, wait),) = setup.obs.admission.waits
        assert wait.admitted_to == "b"
        await opened["a"].rest.aclose()

    run(main())


def test_a_wait_is_the_ledgers_admission_even_within_the_providers_time() -> None:
    async def main() -> None:
        setup = Setup(_hanging("a"), max_parallel=1)
        opened = await setup.open()
        with setup.obs.ledger.charge("upstream"):
            waiting = asyncio.create_task(setup.stream())
            await turns()
            owners = [setup.obs.ledger.waiting_for]
            await opened.rest.aclose()
            await waiting
            assert [*owners, setup.obs.ledger.waiting_for] == ["admission", "upstream"]

    run(main())


def test_a_higher_order_serves_who_had_no_room_in_time() -> None:
    async def main() -> None:
        setup = Setup(_hanging("a", "c!2"), admission=NO_WAIT, max_parallel=1)
        opened = await setup.open()
        other = await setup.open()
        assert setup.obs.tried == ["a", "c!2"]
        assert setup.obs.admission.refusals == [("a", "timeout")]
        for one in (opened, other):
            await one.rest.aclose()

    run(main())


def test_a_fallback_serves_who_had_no_room_in_time() -> None:
    async def main() -> None:
        settings = RouterSettings(fallbacks={"m": ("other",)})
        setup = Setup(_hanging("a", "f@other"), settings, NO_WAIT, max_parallel=1)
        opened = await setup.open()
        other = await setup.open()
        assert setup.obs.tried == ["a", "f@other"]
        for one in (opened, other):
            await one.rest.aclose()

    run(main())


def test_the_client_reads_why_nobody_served_it_and_no_breaker_is_to_blame() -> None:
    async def main() -> None:
        setup = Setup(_hanging("a"), admission=NO_WAIT, max_parallel=1)
        opened = await setup.open()
        for _ in range(10):
            with pytest.raises(AdmissionTimeout):
                await setup.stream()
        await opened.rest.aclose()
        assert await setup.stream() == "Hello"

    run(main())


@pytest.mark.parametrize("stream", [True, False])
def test_a_slot_comes_back_however_an_attempt_ends(stream: bool) -> None:
    async def main() -> None:
        scripts: Sequence[Any] = [[DOWN], [UpstreamFailed("bad", upstream_status=400)], [ScriptedBackend.HANG], ANSWER]
        setup = Setup({"a": ScriptedBackend(*scripts)}, RouterSettings(num_retries=0), NO_WAIT, max_parallel=1)
        for _ in range(2):
            with pytest.raises(BackendError):
                await _asked(setup, stream)
        hanging = asyncio.create_task(_asked(setup, stream))
        await turns()
        hanging.cancel()
        await asyncio.gather(hanging, return_exceptions=True)
        await _asked(setup, stream)
        assert len(setup.obs.tried) == 4

    run(main())


async def _asked(setup: Setup, stream: bool) -> None:
    if stream:
        await setup.stream()
    else:
        await setup.router.complete(ask(stream=False), setup.obs)


def test_a_slot_comes_back_where_no_attempt_can_be_made() -> None:
    class Broken(ScriptedBackend):
        def stream(self, *_: Any) -> Any:
            raise RuntimeError("no codec")

    async def main() -> None:
        setup = Setup({"a": Broken(ANSWER)}, admission=NO_WAIT, max_parallel=1)
        for _ in range(2):
            with pytest.raises(RuntimeError):
                await setup.stream()

    run(main())


def test_a_retry_waits_for_its_turn_like_anybody() -> None:
    async def main() -> None:
        setup = Setup({"a": ScriptedBackend([DOWN], HANGING, ANSWER)}, max_parallel=1)
        async with asyncio.timeout(5):
            first = await setup.open()
            assert setup.obs.tried == ["a", "a"]
            waiting = asyncio.create_task(setup.stream())
            await turns()
            await first.rest.aclose()
            assert await waiting == "Hello"

    run(main())


def test_what_a_provider_says_of_its_limit_is_waited_for() -> None:
    class Telling(ScriptedBackend):
        @generated
        async def stream(self, request: Any, attempt: Any) -> Any:
            attempt.allowed([AttemptAllowance("requests", 6000, 0, 60.0)])
            async for batch in pieces_of(super().stream(request, attempt)):
                yield batch

    async def main() -> None:
        setup = Setup({"a": Telling(ANSWER)})
        assert await setup.stream() == "Hello"
        waiting = asyncio.create_task(setup.stream())
        await turns()
        assert not waiting.done()
        assert [deployment for deployment, _ in setup.obs.admission.waits] == ["a"]
        setup.clock.now += 0.02
        assert await waiting == "Hello"

    run(main())


def test_after_a_429_others_wait_as_the_provider_asks_and_are_not_refused() -> None:
    async def main() -> None:
        limited = UpstreamFailed("slow down", upstream_status=429, retry_after=0.05)
        setup = Setup({"a": ScriptedBackend([limited], ANSWER)}, RouterSettings(num_retries=0))
        with pytest.raises(UpstreamFailed):
            await setup.stream()
        waiting = [asyncio.create_task(setup.stream()) for _ in range(3)]
        await turns()
        assert len(setup.obs.tried) == 1
        setup.clock.now += 0.06
        assert await asyncio.gather(*waiting) == ["Hello"] * 3

    run(main())


def test_a_deployment_that_was_drained_meanwhile_is_not_asked() -> None:
    async def main() -> None:
        setup = Setup(_hanging("a", "c!2"), max_parallel=1)
        opened = await setup.open()
        waiting = asyncio.create_task(setup.open())
        await turns()
        setup.overrides.drain("a")
        await opened.rest.aclose()
        other = await waiting
        assert setup.obs.tried == ["a", "c!2"]
        assert setup.admission.under_way("a") == 0
        await other.rest.aclose()

    run(main())


def test_a_request_with_no_time_left_after_its_wait_asks_nobody() -> None:
    async def main() -> None:
        settings = RouterSettings(request_timeout=Seconds(0.02), fallbacks={"m": ("other",)})
        setup = Setup(_hanging("a", "f@other"), settings, max_parallel=1)
        opened = await setup.open()
        waiting = asyncio.create_task(setup.stream())
        await turns()
        setup.clock.now += 0.03
        with pytest.raises(AdmissionTimeout):
            await waiting
        assert setup.obs.tried == ["a"]
        await opened.rest.aclose()

    run(main())
