"""Circuit breakers that are in one state in all processes of a gateway.

The state of each breaker for all callers stands in a table that they share: which state, since when, and until when a
probe of it keeps its place. A process that is about to change it holds the table's lock, so that a breaker trips once,
and has one probe, whoever asks. That another has changed it is seen by a number that grows with each change, without
the lock. What the rules go by, how attempts ended, every process knows of the others by their news. The breaker in
front of a single caller is each process's by itself, and goes by the news of all.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from app.breakers.breaker import CircuitBreaker, Denied, Ends, Standing
from app.breakers.callers import CallerBreakers, Changes
from app.breakers.deployments import AttemptPermit, AttemptVerdict, DeploymentBreakers
from app.breakers.queues import QueueBreakers, StreamDenied, StreamPermit
from app.peers.news import AttemptEnds
from app.peers.outbox import Outbox
from app.settings import QueueBreakerSettings, UpstreamBreakerSettings
from app.shared_table import SharedTable, TableFull
from telemetry.names import BreakerState, RejectionReason

COLUMNS = 7
"""A row of the table has how often it was changed, and the six numbers of a `Standing`."""
_STATES = (BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN)


class SharedStates:
    """The states of breakers by their names. A breaker for which the table has no room is this process's own."""

    def __init__(self, table: SharedTable) -> None:
        self._table = table
        self._rows: dict[str, int | None] = {}
        self._seen: dict[str, float] = {}
        """How often each had been changed when it was last looked at."""

    def follow(self, breaker: CircuitBreaker) -> None:
        """Take over what another process has made of a breaker since."""
        row = self._row(breaker.name)
        if row is not None and self._table.numbers[row] != self._seen.get(breaker.name, 0.0):
            with self._table:
                self._adopt(breaker, row)

    def reset(self, name: str) -> None:
        """Forget what was known of a breaker, in all processes: what it protects is another thing by now."""
        row = self._row(name)
        if row is not None and self._table.numbers[row] and self._table.numbers[row + 1]:
            with self._table:
                self._publish(name, row, Standing())

    @contextmanager
    def step(self, *breakers: CircuitBreaker) -> Iterator[None]:
        """What is done to breakers inside the block is one step for all processes."""
        rows = [(breaker, row) for breaker in breakers if (row := self._row(breaker.name)) is not None]
        with self._table:
            for breaker, row in rows:
                self._adopt(breaker, row)
            before = [breaker.standing() for breaker, _ in rows]
            yield
            for (breaker, row), standing in zip(rows, before, strict=True):
                if breaker.standing() != standing:
                    self._publish(breaker.name, row, breaker.standing())

    def _adopt(self, breaker: CircuitBreaker, row: int) -> None:
        changes, state, opened_at, probe_until, forced_until, cooldown, reopened = self._table.numbers[
            row : row + COLUMNS
        ]
        if changes != self._seen.get(breaker.name, 0.0):
            self._seen[breaker.name] = changes
            standing = Standing(_STATES[int(state)], opened_at, probe_until, forced_until, cooldown, int(reopened))
            breaker.adopt(standing)

    def _publish(self, name: str, row: int, standing: Standing) -> None:
        state, *times = standing
        numbers = self._table.numbers
        numbers[row + 1] = _STATES.index(state)
        for column, time in enumerate(times, row + 2):
            numbers[column] = time
        numbers[row] += 1
        self._seen[name] = numbers[row]

    def _row(self, name: str) -> int | None:
        try:
            return self._rows[name]
        except KeyError:
            pass
        try:
            with self._table:
                row: int | None = self._table.row(name)
        except TableFull:
            row = None
        self._rows[name] = row
        return row


class SharedDeploymentBreakers(DeploymentBreakers):
    """The breakers of deployments, as all processes have them."""

    def __init__(
        self, settings: UpstreamBreakerSettings, by_caller: bool, states: SharedStates, outbox: Outbox
    ) -> None:
        super().__init__(settings, by_caller)
        self._states = states
        self._outbox = outbox

    def use(self, settings: UpstreamBreakerSettings, by_caller: bool, stays: Collection[str]) -> None:
        for deployment in [one for one in self._watched if one not in stays]:
            self._states.reset(deployment)
        super().use(settings, by_caller, stays)

    def changing(self, breaker: CircuitBreaker) -> AbstractContextManager[None]:
        return self._states.step(breaker)

    def tried(self, deployment: str) -> CallerBreakers | None:
        found = super().tried(deployment)
        if found is not None:
            self._states.follow(found.shared)
        return found

    def states(self, now: float) -> dict[str, BreakerState]:
        for deployment in self._watched:
            self._states.follow(self.breaker(deployment))
        return super().states(now)

    def refusal(self, deployment: str, now: float, caller: str = "") -> RejectionReason | None:
        self._states.follow(self.breaker(deployment))
        return super().refusal(deployment, now, caller)

    def allow(
        self, deployment: str, now: float, caller: str = "", stream: bool = False
    ) -> tuple[AttemptPermit | Denied, Changes]:
        breaker = self.breaker(deployment)
        self._states.follow(breaker)
        if breaker.state is BreakerState.CLOSED:
            return super().allow(deployment, now, caller, stream)
        with self._states.step(breaker):
            return super().allow(deployment, now, caller, stream)

    def answered(self, permit: AttemptPermit, now: float, draw: float = 0.5) -> Changes:
        changes = super().answered(permit, now, draw)
        if not self.is_forgotten(permit):
            self._outbox.deployment_answered(_name(permit), permit.caller)
        return changes

    def time(self, permit: AttemptPermit, slow: bool, now: float, draw: float = 0.5) -> Changes:
        if self.is_forgotten(permit):
            return super().time(permit, slow, now, draw)
        if slow:
            with self._states.step(permit.deployment.breakers.shared):
                changes = super().time(permit, slow, now, draw)
        else:
            changes = super().time(permit, slow, now, draw)
        self._outbox.deployment_timed(_name(permit), permit.caller, slow=slow)
        return changes

    def conclude(self, permit: AttemptPermit, verdict: AttemptVerdict, now: float, draw: float = 0.5) -> Changes:
        if self.is_forgotten(permit):
            return super().conclude(permit, verdict, now, draw)
        name, is_probe = _name(permit), permit.permit.shared.probe
        match verdict:
            case "succeeded":
                changes = self._concluded(permit, verdict, now, draw, may_change=is_probe)
                self._outbox.deployment_ended(name, permit.caller, succeeded=1)
            case "failed":
                changes = self._concluded(permit, verdict, now, draw)
                self._outbox.deployment_ended(name, permit.caller, failed=1)
            case "abandoned":
                changes = self._concluded(permit, verdict, now, draw)
                self._outbox.deployment_ended(name, permit.caller, abandoned=1)
            case "answered":
                changes = self._concluded(permit, verdict, now, draw, may_change=is_probe)
                self._outbox.deployment_answered(name, permit.caller)
            case "nothing":
                changes = self._concluded(permit, verdict, now, draw, may_change=is_probe)
        return changes

    def learn(self, news: Collection[AttemptEnds], now: float) -> None:
        """Another process tells how attempts ended there."""
        for one in news:
            self.observe(one.name, _ends(one), now, one.caller)

    def _concluded(
        self, permit: AttemptPermit, verdict: AttemptVerdict, now: float, draw: float, *, may_change: bool = True
    ) -> Changes:
        if not may_change:
            return super().conclude(permit, verdict, now, draw)
        with self._states.step(permit.deployment.breakers.shared):
            return super().conclude(permit, verdict, now, draw)


class SharedQueueBreakers(QueueBreakers):
    """The breakers of queues, as all processes have them. Half-open, each process lets a few streams through."""

    def __init__(self, settings: QueueBreakerSettings, by_caller: bool, states: SharedStates, outbox: Outbox) -> None:
        super().__init__(settings, by_caller)
        self._states = states
        self._outbox = outbox

    def changing(self, breaker: CircuitBreaker) -> AbstractContextManager[None]:
        return self._states.step(breaker)

    def of(self, name: str) -> CallerBreakers:
        self._follow()
        return super().of(name)

    def states(self, now: float) -> dict[str, BreakerState]:
        self._follow()
        return super().states(now)

    def allow(self, now: float, caller: str = "") -> tuple[StreamPermit | StreamDenied, Changes]:
        if self._follow():
            return super().allow(now, caller)
        with self._states.step(*self.breakers().values()):
            return super().allow(now, caller)

    def record(self, permit: StreamPermit, now: float, overflowed: Collection[str] = ()) -> Changes:
        if overflowed or permit.probe:
            with self._states.step(*self.breakers().values()):
                changes = super().record(permit, now, overflowed)
        else:
            changes = super().record(permit, now, overflowed)
        for queue in permit.permits:
            self._outbox.stream_ended(queue, permit.caller, overflowed=queue in overflowed)
        return changes

    def learn(self, news: Collection[AttemptEnds], now: float) -> None:
        """Another process tells how streams ended there."""
        known: Mapping[str, CircuitBreaker] = self.breakers()
        for one in news:
            if one.name in known:
                self.observe(one.name, _ends(one), now, one.caller)

    def _follow(self) -> bool:
        """Take over what others made of them. Returns whether all are closed."""
        breakers = self.breakers().values()
        for breaker in breakers:
            self._states.follow(breaker)
        return all(breaker.state is BreakerState.CLOSED for breaker in breakers)


def _name(permit: AttemptPermit) -> str:
    return permit.deployment.breakers.shared.name


def _ends(news: AttemptEnds) -> Ends:
    return Ends(news.succeeded, news.failed, news.abandoned, news.answered, news.slow, news.quick)
