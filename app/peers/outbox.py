"""News of this process for the others. Failures go at once, with the successes before them; successes by themselves are
gathered, for a short while as long as something fails, else for longer."""

import asyncio
from collections.abc import Callable
from dataclasses import astuple, dataclass, field
from time import monotonic

from app.peers.news import AttemptEnds, BreakerNews, News

_WHILE_FAILING = 0.1
_WHILE_WELL = 1.0
"""Seconds for which successes are gathered."""


@dataclass
class _Tally:
    succeeded: int = 0
    failed: int = 0
    abandoned: int = 0
    answered: bool = False
    slow: int = 0
    quick: int = 0


@dataclass
class _Ends:
    """Ends of one kind, by name and caller."""

    tallies: dict[tuple[str, str], _Tally] = field(default_factory=dict)

    def of(self, name: str, caller: str) -> _Tally:
        key = name, caller
        if (tally := self.tallies.get(key)) is None:
            tally = self.tallies[key] = _Tally()
        return tally

    def take(self) -> tuple[AttemptEnds, ...]:
        taken, self.tallies = self.tallies, {}
        return tuple([AttemptEnds(*key, *astuple(one)) for key, one in taken.items()])


class Outbox:
    """Used on the event loop only. `send` gives news to the others, and does not wait."""

    def __init__(self, send: Callable[[News], None], clock: Callable[[], float] = monotonic) -> None:
        self.memory = 60.0
        """For how many seconds a failure matters to breakers."""
        self._send = send
        self._clock = clock
        self._deployments, self._queues = _Ends(), _Ends()
        self._failing_until = float("-inf")
        self._timer: asyncio.TimerHandle | None = None

    def send(self, news: News) -> None:
        """Let the others know at once."""
        self._send(news)

    def deployment_answered(self, deployment: str, caller: str) -> None:
        """A response of a deployment has begun."""
        self._deployments.of(deployment, caller).answered = True
        self._flush_later()

    def deployment_ended(
        self, deployment: str, caller: str, *, succeeded: int = 0, failed: int = 0, abandoned: int = 0
    ) -> None:
        """An attempt at a deployment has ended."""
        self._add(self._deployments.of(deployment, caller), succeeded, failed, abandoned)

    def deployment_timed(self, deployment: str, caller: str, *, slow: bool) -> None:
        """It is known whether a response of a deployment was slow to begin."""
        tally = self._deployments.of(deployment, caller)
        tally.slow += slow
        tally.quick += not slow
        if slow:
            self.others_fail()
            self.flush()
        else:
            self._flush_later()

    def stream_ended(self, queue: str, caller: str, *, overflowed: bool) -> None:
        """A stream has passed through a queue, or overflowed it."""
        self._add(self._queues.of(queue, caller), not overflowed, overflowed, 0)

    def others_fail(self) -> None:
        """Another process has told of a failure."""
        self._failing_until = self._clock() + self.memory

    def flush(self) -> None:
        """Send what was gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deployments, queues = self._deployments.take(), self._queues.take()
        if deployments or queues:
            self._send(BreakerNews(deployments, queues))

    def _add(self, tally: _Tally, succeeded: int, failed: int, abandoned: int) -> None:
        tally.succeeded += succeeded
        tally.failed += failed
        tally.abandoned += abandoned
        if failed or abandoned:
            self.others_fail()
            self.flush()
        else:
            self._flush_later()

    def _flush_later(self) -> None:
        if self._timer is None:
            delay = _WHILE_FAILING if self._clock() < self._failing_until else _WHILE_WELL
            self._timer = asyncio.get_running_loop().call_later(delay, self._flush_due)

    def _flush_due(self) -> None:
        self._timer = None
        self.flush()
