"""Breakers of several processes behave as those of one would, to which all requests came."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.breakers.breaker import Denied
from app.breakers.callers import Changes
from app.breakers.deployments import AttemptPermit, DeploymentBreakers
from app.breakers.panel import BreakerPanel
from app.breakers.queues import QueueBreakers
from app.errors import UpstreamFailed, UpstreamRejected
from app.peers import Peers
from app.peers.breakers import SharedDeploymentBreakers, SharedQueueBreakers
from app.peers.news import AttemptEnds, BreakerNews, News
from app.peers.outbox import Outbox
from app.settings import (
    BreakerSettings,
    QueueBreakerSettings,
    Seconds,
    Settings,
    UpstreamBreakerSettings,
    WorkerProcess,
)
from telemetry.names import BreakerState

UPSTREAM = UpstreamBreakerSettings(threshold=3, min_requests=6, cooldown=Seconds(15))
QUEUE = QueueBreakerSettings(threshold=1, cooldown=Seconds(15))
DOWN, REFUSED = UpstreamFailed("down", upstream_status=503), UpstreamRejected("no", upstream_status=400)
PROCESSES = 3
WHICH = st.integers(0, PROCESSES - 1)


class Process:
    """One of several processes; `sent` is what it has let the others know."""

    def __init__(self, folder: Path, index: int, clock: Callable[[], float] = lambda: 0.0) -> None:
        self.sent: list[News] = []
        process = WorkerProcess(index, PROCESSES, str(folder))
        self.peers = Peers(process, self.sent.append, Settings(breakers=BreakerSettings(QUEUE, UPSTREAM)), clock)
        self.deployments: SharedDeploymentBreakers = self.peers.deployment_breakers(UPSTREAM, by_caller=False)
        self.queues: SharedQueueBreakers = self.peers.queue_breakers(QUEUE, by_caller=False)


def share(processes: list[Process]) -> None:
    """Each learns what the others have to say."""
    for process in processes:
        process.peers.flush()
        for news in process.sent:
            for other in processes:
                if other is not process:
                    other.peers.receive(news)
        process.sent.clear()


def panel_of(breakers: DeploymentBreakers) -> BreakerPanel:
    return BreakerPanel(breakers, QueueBreakers(QUEUE), ["d"])


class AsOne(RuleBasedStateMachine):
    """Whatever is done at any of them, they decide and report as one process does that is asked all of it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.runner = asyncio.Runner()
        self.now = 1000.0
        self.one = DeploymentBreakers(UPSTREAM)
        self.processes = [self.started(index) for index in range(PROCESSES)]
        self.begun: list[tuple[AttemptPermit, Process, AttemptPermit]] = []
        self.changes: Changes = ()
        self.expected: Changes = ()

    def started(self, index: int) -> Process:
        return Process(self.folder, index, lambda: self.now)

    @rule(which=WHICH)
    def begin(self, which: int) -> None:
        process = self.processes[which]
        given, changes = process.deployments.allow("d", self.now)
        expected, expected_changes = self.one.allow("d", self.now)
        self.changes += changes
        self.expected += expected_changes
        assert type(given) is type(expected)
        if isinstance(given, Denied) or isinstance(expected, Denied):
            assert given == expected
            return
        assert given.permit.probe == expected.permit.probe
        self.begun.append((given, process, expected))

    @precondition(lambda self: self.begun)
    @rule(data=st.data(), error=st.sampled_from([None, None, DOWN, DOWN, DOWN, REFUSED, asyncio.CancelledError()]))
    def end(self, data: st.DataObject, error: BaseException | None) -> None:
        given, process, expected = self.begun.pop(data.draw(st.integers(0, len(self.begun) - 1)))

        async def in_its_loop() -> None:
            self.changes += process.deployments.record(given, error, self.now)
            share(self.processes)

        # An attempt that is given up says nothing here, as it was not waited for.
        given.begun = expected.begun = self.now
        self.runner.run(in_its_loop())
        self.expected += self.one.record(expected, error, self.now)

    @rule(seconds=st.sampled_from([1.0, 14.0, 15.0, 100.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.one.breaker("d").state is not BreakerState.CLOSED)
    @rule(which=WHICH)
    def replace(self, which: int) -> None:
        """Another process takes the place of one, and knows how things stand."""
        self.processes[which].peers.close()
        self.processes[which] = self.started(which)
        self.begun = [one for one in self.begun if one[1] in self.processes]

    @rule(which=WHICH, seconds=st.sampled_from([5.0, 30.0, None]))
    def force_open(self, which: int, seconds: float | None) -> None:
        """An operator has one process after the other do it."""
        for panel in self.panels(which):
            self.changes += panel.force_open("d", self.now, seconds)
        self.expected += panel_of(self.one).force_open("d", self.now, seconds)

    @rule(which=WHICH)
    def end_force(self, which: int) -> None:
        for panel in self.panels(which):
            self.changes += panel.end_force("d", self.now)
        self.expected += panel_of(self.one).end_force("d", self.now)

    @rule(which=WHICH)
    def reset(self, which: int) -> None:
        for panel in self.panels(which):
            self.changes += panel.reset("d")
        self.expected += panel_of(self.one).reset("d")

    def panels(self, first: int) -> list[BreakerPanel]:
        return [panel_of(one.deployments) for one in (*self.processes[first:], *self.processes[:first])]

    @rule()
    def change(self) -> None:
        """A reload has made another deployment of it, in one process after the other."""
        for breakers in (self.one, *(process.deployments for process in self.processes)):
            breakers.use(UPSTREAM, False, frozenset())

    @invariant()
    def all_are_in_one_state(self) -> None:
        assert self.changes == self.expected
        for process in self.processes:
            process.deployments.breaker("d")
            assert process.deployments.states(self.now) == {"d": self.one.breaker("d").state_at(self.now)}
            reading, expected = panel_of(process.deployments).one("d", self.now), panel_of(self.one).one("d", self.now)
            assert reading.reading._replace(reason=None) == expected.reading._replace(reason=None)

    def teardown(self) -> None:
        for process in self.processes:
            process.peers.close()
        self.runner.close()
        shutil.rmtree(self.folder)


AsOne.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestAsOne = AsOne.TestCase


@pytest.fixture
def two(tmp_path: Path) -> list[Process]:
    return [Process(tmp_path, index) for index in range(2)]


def test_failure_goes_to_the_others_at_once_with_the_successes_before_it(two: list[Process]) -> None:
    first, _ = two

    async def main() -> None:
        for error in (None, None, DOWN):
            permit, _ = first.deployments.allow("d", 0)
            assert isinstance(permit, AttemptPermit)
            first.deployments.record(permit, error, 0)

    asyncio.run(main())
    [news] = first.sent
    assert isinstance(news, BreakerNews)
    [ends] = news.deployments
    assert (ends.succeeded, ends.failed) == (2, 1)


def test_successes_are_gathered_and_go_soon_while_something_fails() -> None:
    async def main() -> None:
        sent: asyncio.Queue[News] = asyncio.Queue()
        outbox = Outbox(sent.put_nowait)
        outbox.deployment_ended("d", "", failed=1)
        outbox.deployment_ended("d", "", succeeded=1)
        outbox.deployment_ended("d", "", succeeded=1)
        assert await sent.get() == BreakerNews((AttemptEnds("d", "", 0, 1, 0, False),))
        assert sent.empty()
        # With nothing that fails it would be a second.
        news = await asyncio.wait_for(sent.get(), 0.9)
        assert news == BreakerNews((AttemptEnds("d", "", 2, 0, 0, False),))

    asyncio.run(main())


def test_the_share_of_failures_is_that_of_all_processes(two: list[Process]) -> None:
    """Each sees few attempts; together they are enough for a share to say something."""
    first, second = two

    async def main() -> None:
        for at in range(3):
            for process, error in ((first, DOWN), (second, None)):
                permit, _ = process.deployments.allow("d", at)
                assert isinstance(permit, AttemptPermit)
                process.deployments.record(permit, error, at)
                share(two)

    asyncio.run(main())
    assert second.deployments.refusal("d", 3) is None
    permit, _ = first.deployments.allow("d", 3)
    assert isinstance(permit, AttemptPermit)

    async def last() -> Changes:
        return first.deployments.record(permit, DOWN, 3)

    [change] = asyncio.run(last())
    assert change.reason == "failure_rate"
    assert second.deployments.refusal("d", 3) == "open"


def test_a_queue_that_overflows_in_one_process_keeps_streams_out_of_the_other(two: list[Process]) -> None:
    first, second = two

    async def main() -> None:
        permit, _ = first.queues.allow(0)
        assert not hasattr(permit, "reason")
        first.queues.record(permit, 0, ["sse"])

    asyncio.run(main())
    denied, _ = second.queues.allow(1)
    assert getattr(denied, "breaker", None) == "queue:sse"
    assert second.queues.states(1)["queue:sse"] is BreakerState.OPEN


def test_a_callers_own_breaker_goes_by_the_failures_of_all_processes(tmp_path: Path) -> None:
    processes = [Process(tmp_path, index) for index in range(2)]
    by_caller = [one.peers.deployment_breakers(UPSTREAM, by_caller=True) for one in processes]

    async def fail(which: int) -> None:
        permit, _ = by_caller[which].allow("d", 0, "caller")
        assert isinstance(permit, AttemptPermit)
        by_caller[which].record(permit, DOWN, 0)
        share(processes)

    for which in (0, 1, 0):
        asyncio.run(fail(which))
    assert by_caller[0].refusal("d", 0, "caller") == "caller"
    assert by_caller[0].refusal("d", 0, "another") is None
    assert by_caller[1].refusal("d", 0, "another") is None


def test_slow_responses_of_all_processes_open_one_breaker_with_one_cooldown(tmp_path: Path) -> None:
    slow = UpstreamBreakerSettings(min_requests=4, slow_call_duration=Seconds(5), slow_call_rate=0.5)
    processes = [Process(tmp_path, index) for index in range(2)]
    breakers = [process.peers.deployment_breakers(slow, by_caller=False) for process in processes]

    async def main() -> None:
        for turn in range(4):
            permit, _ = breakers[turn % 2].allow("d", 100)
            assert isinstance(permit, AttemptPermit)
            breakers[turn % 2].answered(permit, 106 if turn else 101, draw=1)
            for process, other in ((0, 1), (1, 0)):
                processes[process].peers.flush()
                for news in processes[process].sent:
                    assert isinstance(news, BreakerNews)
                    breakers[other].learn(news.deployments, 106)
                processes[process].sent.clear()

    asyncio.run(main())
    for now, state in ((122, BreakerState.OPEN), (123, BreakerState.HALF_OPEN)):
        assert [one.states(now)["d"] for one in breakers] == [state, state]
