"""Before one deployment: who may begin an attempt there, and who waits for it, in this process.

A waiter may wait before several gates, of deployments of one model: the first that has room serves it, and it leaves
the others. A gate looks for who is next whenever somebody ends, leaves or comes, and when a limit of time allows more:
one timer for a gate, and only while somebody waits. A slot that is given to a waiter is the waiter's from that moment
on, whether or not it still wants it; who does not gives it back.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import NamedTuple

from msgspec import Struct

from app.admission.capacity import Capacity, Limits, Taken
from app.admission.fair_queue import FairQueue
from app.admission.service_rate import ServiceRate

_POLL = 0.005
"""Seconds after which a process looks again whether another one has freed a slot."""
_FIRST_ANSWER = 500.0
"""Tokens that an answer is taken to have before one is known."""
_NEWEST = 0.1
"""The weight of the newest answer in what the next one is taken to have."""
_LONGEST_RETRY_AFTER, _SHORTEST_RETRY_AFTER = 60.0, 1.0


class Demand(NamedTuple):
    """Who wants to begin an attempt, and `until` when it may wait, by the gates' clock. `tokens` is about how many its
    prompt has, where that matters, and `most_answer` how many its answer may have."""

    caller: str
    until: float
    priority: int = 0
    tokens: int = 0
    most_answer: int | None = None


class Slot(Struct, eq=False):
    """Leave for one attempt; `end` gives it back, once. Without a gate nothing limits the deployment."""

    deployment: str
    begun: float
    gate: "Gate | None" = None
    caller: str = ""
    prompt: int = 0
    """About how many tokens its prompt has, where that is known."""
    taken: Taken | None = None
    is_over: bool = False
    """Whether it was given back."""

    def end(self, tokens: int | None = None) -> None:
        """Give it back, after an attempt of which so many tokens were counted. Further calls change nothing."""
        if not self.is_over:
            self.is_over = True
            if self.gate is not None:
                self.gate.free(self, tokens)


class Waiter:
    """One request that waits, before one or several gates."""

    def __init__(self, demand: Demand) -> None:
        self.demand = demand
        self.slot: Slot | None = None
        """Its own from the moment that it is set."""
        self.gates: list[Gate] = []
        """The gates before which it waits."""
        self.woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when it has a slot, or waits before no gate any more."""

    def join(self, gates: Iterable["Gate"]) -> bool:
        """Wait before each of them that has room in its queue. Returns whether there is one."""
        for gate in gates:
            if gate.add(self):
                self.gates.append(gate)
        for gate in tuple(self.gates):
            gate.look()
        return bool(self.gates) or self.slot is not None

    def leave(self) -> None:
        """Wait no more, and give back a slot that came too late."""
        gates, self.gates = self.gates, []
        for gate in gates:
            gate.remove(self)
        if self.slot is not None:
            self.slot.end()

    def serve(self, slot: Slot, at: "Gate") -> None:
        """Take a slot of one of its gates."""
        self.slot = slot
        others, self.gates = [gate for gate in self.gates if gate is not at], []
        self._wake()
        for gate in others:
            gate.remove(self, is_served=True)

    def dismiss(self, gate: "Gate") -> None:
        """Wait no more before a gate that has taken it out of its queue."""
        self.gates.remove(gate)
        if not self.gates:
            self._wake()

    def _wake(self) -> None:
        if not self.woken.done():
            self.woken.set_result(None)


class Gate:
    """`processes`: how many processes share the capacity; `clock` gives monotonic seconds."""

    def __init__(
        self, deployment: str, capacity: Capacity, queue_size: int, processes: int, clock: Callable[[], float]
    ) -> None:
        self.deployment = deployment
        self.capacity = capacity
        self.queue: FairQueue[Waiter] = FairQueue(queue_size)
        self._under_way: dict[str, int] = {}
        """Attempts of this process by caller."""
        self._processes = processes
        self._clock = clock
        self._rate = ServiceRate(capacity.limits.max_parallel or 0)
        self._timer: asyncio.TimerHandle | None = None
        self._is_looking = False
        self._answer_tokens = _FIRST_ANSWER

    def change(self, limits: Limits, queue_size: int) -> None:
        """Have other limits from now on. Who waits beyond a smaller queue stays."""
        if limits != self.capacity.limits:
            self.capacity.limits = limits
            self._rate = ServiceRate(limits.max_parallel or 0)
        self.queue.size = queue_size
        if len(self.queue):
            self.look()

    @property
    def is_busy(self) -> bool:
        """Whether even the smallest attempt would have to wait."""
        return bool(len(self.queue)) or not self.capacity.wait(self._clock(), 1).is_none

    def enter(self, demand: Demand) -> Slot | None:
        """A slot, if there is one now and nobody waits for it."""
        if len(self.queue):
            return None
        now = self._clock()
        taken = self.capacity.take(now, self._need(demand), demand.until)
        return None if taken is None else self._slot(demand, taken, now)

    def add(self, waiter: Waiter) -> bool:
        """Have somebody wait. False where there is no room, and nobody who should give way."""
        demand, queue = waiter.demand, self.queue
        if queue.is_full:
            if (other := queue.displaced_by(demand.caller, demand.priority)) is None:
                return False
            queue.remove(other)
            other.dismiss(self)
        if not len(queue):
            self._rate.waits(self._clock())
        queue.add(waiter, demand.caller, demand.priority)
        return True

    def remove(self, waiter: Waiter, *, is_served: bool = False) -> None:
        """Somebody waits here no more; `is_served`: for another gate has served it."""
        if self.queue.remove(waiter):
            if is_served:
                self._rate.served(self._clock())
            self.look()

    def free(self, slot: Slot, tokens: int | None) -> None:
        """An attempt has ended."""
        count = self._under_way.pop(slot.caller, 0) - 1
        if count > 0:
            self._under_way[slot.caller] = count
        if slot.taken is not None:
            if tokens is not None and slot.prompt:
                self._answer_tokens += _NEWEST * (max(0, tokens - slot.prompt) - self._answer_tokens)
            self.capacity.end(self._clock(), slot.taken, tokens)
        if len(self.queue):
            self.look()

    def look(self) -> None:
        """Serve whom there is room for. A waiter that is served leaves other gates, which look then, too."""
        if self._is_looking:
            return
        self._is_looking = True
        now = self._clock()
        while (waiter := self.queue.first(self._under_way)) is not None:
            demand = waiter.demand
            if demand.until <= now:
                self.queue.remove(waiter)
                waiter.dismiss(self)
                continue
            if (taken := self.capacity.take(now, self._need(demand), demand.until)) is None:
                break
            self.queue.served(waiter)
            self._rate.served(now)
            waiter.serve(self._slot(demand, taken, now), self)
        self._is_looking = False
        self._look_again(now)

    def least_wait(self, demand: Demand) -> float:
        """Seconds that one more would wait at the very least, as far as that is certain."""
        now = self._clock()
        ahead = self.queue.ahead_of(demand.caller, demand.priority, sum(self._under_way.values()))
        most = self._rate.at_most(now)
        return max(0.0 if most is None else ahead / most, self.capacity.earliest(now, ahead))

    @property
    def retry_after(self) -> float:
        """Seconds after which those who wait now will probably have been served."""
        now, count = self._clock(), len(self.queue)
        rate = self._rate.per_second(now)
        seconds = max(count / rate if rate else 0.0, self.capacity.earliest(now, count))
        return min(max(seconds, _SHORTEST_RETRY_AFTER), _LONGEST_RETRY_AFTER)

    def _slot(self, demand: Demand, taken: Taken, now: float) -> Slot:
        self._under_way[demand.caller] = self._under_way.get(demand.caller, 0) + 1
        return Slot(self.deployment, now, self, demand.caller, demand.tokens, taken)

    def _need(self, demand: Demand) -> int:
        """About how many tokens an attempt has, its answer included: that has as many as the latest ones, and no more
        than it may have."""
        if not demand.tokens:
            return 0
        answer = int(self._answer_tokens)
        return demand.tokens + (answer if demand.most_answer is None else min(answer, demand.most_answer))

    def _look_again(self, now: float) -> None:
        """Set the timer, where time or another process can make room, and nobody of this one has to end first."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiter = self.queue.first(self._under_way)
        self.capacity.claim(now, waits=waiter is not None)
        if waiter is None:
            return
        wait = self.capacity.wait(now, self._need(waiter.demand))
        seconds = max(wait.limits, wait.learned)
        if self._processes > 1:
            seconds = min(seconds, _POLL) if seconds in (0.0, inf) else seconds
        if seconds < inf:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self.look()


def shortest_retry_after(gates: Sequence[Gate]) -> float:
    """Seconds after which a request may be sent again that any of several deployments could serve."""
    return min((gate.retry_after for gate in gates), default=_SHORTEST_RETRY_AFTER)
