"""Streams that are let in as probes: what telemetry is told, and when a probe has passed."""

import asyncio

from app.pipeline.admission import AdmissionControl
from app.settings import QueueBreakerSettings, Seconds
from tests.support import run
from tests.unit.backends.fakes import FakeBreakers, FakeObservability

COOLDOWN = 0.02
"""Seconds; the timer of a probe is the event loop's."""


class Watched(FakeBreakers):
    """Sets `closed` when a breaker closes."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = asyncio.Event()

    def changed(self, breaker: str, from_state: str, to_state: str, reason: str) -> None:
        super().changed(breaker, from_state, to_state, reason)
        if to_state == "closed":
            self.closed.set()


class Setup:
    def __init__(self) -> None:
        self.now = 0.0
        self.obs = FakeObservability()
        self.obs.breakers = self.watched = Watched()
        settings = QueueBreakerSettings(threshold=1, cooldown=Seconds(COOLDOWN))
        self.control = AdmissionControl(settings, clock=lambda: self.now)

    def overflow(self) -> None:
        with self.control.admit(self.obs) as admission:
            admission.overflowed.append("sse")

    @property
    def states(self) -> list[str]:
        return [to_state for breaker, _, to_state in self.obs.breakers.transitions if breaker == "queue:sse"]


def test_a_change_is_told_to_the_stream_that_made_it() -> None:
    async def main() -> list[str]:
        setup = Setup()
        setup.overflow()
        setup.now += COOLDOWN
        with setup.control.admit(setup.obs):
            assert setup.states == ["open", "half_open"]
        return setup.states

    assert run(main()) == ["open", "half_open", "closed"]


def test_a_probe_that_has_gone_well_for_a_cooldown_has_passed_and_its_end_counts_as_any_others() -> None:
    async def main() -> list[str]:
        setup = Setup()
        setup.overflow()
        setup.now += COOLDOWN
        with setup.control.admit(setup.obs) as probe:
            await setup.watched.closed.wait()
            probe.overflowed.append("sse")
        return setup.states

    assert run(main()) == ["open", "half_open", "closed", "open"]
