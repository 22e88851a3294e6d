"""Admission to deployments: an attempt begins where a deployment has room, or waits for it, bounded and in fair turns.

What is limited nowhere costs a look into a dictionary. A deployment gets a gate where the operator limits it, or when
its provider's answers say that little is left of a rate limit.
"""

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from app.admission.capacity import Capacity, LearnedLimit, Limits, columns, release_process
from app.admission.gate import Demand, Gate, Slot, Waiter, shortest_retry_after
from app.errors import AdmissionQueueFull, AdmissionRefused, AdmissionTimeout
from app.limits import Limit
from app.settings import AdmissionSettings, Deployment, RouterSettings, WorkerProcess
from app.shared_table import SharedTable, TableFull
from telemetry import AttemptAllowance, ObservabilityContext
from telemetry.names import AdmissionRefusal

_ROWS = 4096
"""Deployments that there may ever be while the process runs."""
_FILE = "admission.table"
_SCARCE = 0.25
"""The share of a provider's limit below which it is watched."""


class Admission:
    """One per process, for all configurations that it will have. Processes that serve together share their slots by a
    file in the folder of `worker`. Raises TableFull where there are more deployments than can be counted."""

    def __init__(
        self,
        settings: AdmissionSettings,
        deployments: Iterable[Deployment],
        worker: WorkerProcess | None = None,
        clock: Callable[[], float] = time.monotonic,
        longest_pause: float = RouterSettings().max_retry_after,
    ) -> None:
        self._index, self._processes = (0, 1) if worker is None else (worker.index, worker.count)
        self._table = SharedTable(
            columns(self._processes), _ROWS, None if worker is None else Path(worker.folder) / _FILE
        )
        self._clock = clock
        self._settings = settings
        self.gates: dict[str, Gate] = {}
        """The gates of the deployments that are limited, by their ids."""
        self.use(settings, deployments, longest_pause)

    def use(
        self,
        settings: AdmissionSettings,
        deployments: Iterable[Deployment],
        longest_pause: float,
        stays: Collection[str] = (),
    ) -> None:
        """Go by these settings and limits from now on. Attempts under way keep their slots, and who waits goes on.
        `longest_pause` is how many seconds are waited for at most where a provider asks for time; what was learnt of
        the providers of deployments that stay, by their ids, is kept."""
        self._settings = settings
        self._longest_pause = min(longest_pause, settings.queue_timeout)
        limits = {one.id: Limits.of(one) for one in deployments}
        for deployment, limit in limits.items():
            if not limit.are_none and deployment not in self.gates:
                self._add_gate(deployment, limit)
        for deployment, gate in self.gates.items():
            if deployment not in stays:
                gate.capacity.forget()
            gate.change(limits.get(deployment, Limits()), settings.queue_size)

    def is_busy(self, deployment: Deployment) -> bool:
        """Whether even the smallest attempt would have to wait there."""
        gate = self.gates.get(deployment.id)
        return gate is not None and gate.is_busy

    def under_way(self, deployment: str) -> int:
        """Attempts of all processes at a deployment that is limited; 0 at any other."""
        gate = self.gates.get(deployment)
        return 0 if gate is None else gate.capacity.under_way

    def counts_tokens(self, deployment: Deployment) -> bool:
        """Whether it matters there how many tokens an attempt has."""
        gate = self.gates.get(deployment.id)
        return gate is not None and gate.capacity.counts_tokens

    @property
    def queue_timeout(self) -> float:
        """Seconds that a request may wait, over all its attempts."""
        return self._settings.queue_timeout

    def unlimited(self, deployment: Deployment) -> Slot | None:
        """A slot of a deployment that nothing limits; None where something does."""
        return None if deployment.id in self.gates else Slot(deployment.id, self._clock())

    def enter(self, deployment: Deployment, demand: Demand) -> Slot | None:
        """A slot for an attempt, if it need not wait."""
        gate = self.gates.get(deployment.id)
        return Slot(deployment.id, self._clock()) if gate is None else gate.enter(demand)

    async def wait(self, deployments: Sequence[Deployment], demand: Demand, obs: ObservabilityContext) -> Slot:
        """Wait for the first of these deployments that has room; metrics book it under the first of them. Raises
        AdmissionRefused: at once where too many wait, or where it is certain that none will have room in time."""
        gates = [gate for one in deployments if (gate := self.gates.get(one.id)) is not None]
        seconds, name = demand.until - self._clock(), deployments[0].id
        if seconds <= 0:
            raise self._refused("timeout", name, gates, obs)
        if min(gate.least_wait(demand) for gate in gates) > seconds:
            raise self._refused("no_time", name, gates, obs)
        waiter = Waiter(demand)
        if not waiter.join(gates):
            raise self._refused("queue_full", name, gates, obs)
        waiting = obs.admission.waiting(name, sum(len(gate.queue) for gate in gates))
        with waiting:
            try:
                with obs.ledger.charge("admission"), Limit(seconds):
                    await waiter.woken
            except TimeoutError:
                # It may have come in the very turn in which the time was up.
                if waiter.slot is None:
                    waiter.leave()
                    raise self._refused("timeout", name, gates, obs) from None
            except BaseException:
                waiter.leave()
                raise
            if waiter.slot is None:
                reason: AdmissionRefusal = "timeout" if self._clock() >= demand.until else "queue_full"
                raise self._refused(reason, name, gates, obs)
            waiting.admitted(waiter.slot.deployment)
            return waiter.slot

    def learn(self, slot: Slot, allowances: Sequence[AttemptAllowance]) -> None:
        """Note what a provider's headers said of its limits to the attempt that has this slot."""
        if not self._settings.learn_limits:
            return
        tokens: LearnedLimit | None = None
        for kind, limit, remaining, reset in allowances:
            if limit is None or reset is None:
                continue
            learned = LearnedLimit(limit, remaining, reset)
            if kind == "requests":
                self._learn_requests(slot, learned)
            elif not remaining:
                tokens = learned
        gate = self.gates.get(slot.deployment) if tokens is None else self._gate(slot.deployment)
        if gate is not None:
            gate.capacity.learn_tokens(tokens, slot.begun)
            gate.look()

    def pause(self, slot: Slot, seconds: float) -> None:
        """Note that a provider has asked for so much time before it is asked again. One that is too long to be waited
        for is passed on to callers by the provider's own error."""
        is_waited_for = self._settings.learn_limits and seconds <= self._longest_pause
        if is_waited_for and (gate := self._gate(slot.deployment)) is not None:
            gate.capacity.pause(self._clock() + seconds)

    def _learn_requests(self, slot: Slot, learned: LearnedLimit) -> None:
        is_scarce = learned.remaining <= _SCARCE * learned.limit
        gate = self._gate(slot.deployment) if is_scarce else self.gates.get(slot.deployment)
        if gate is not None:
            gate.capacity.learn_requests(learned, slot.begun, slot.taken)

    def _gate(self, deployment: str) -> Gate | None:
        """The gate of a deployment, which is made if need be. None where no more can be counted."""
        if deployment not in self.gates:
            with suppress(TableFull):
                self._add_gate(deployment, Limits())
        return self.gates.get(deployment)

    def _add_gate(self, deployment: str, limits: Limits) -> None:
        capacity = Capacity(self._table, deployment, limits, self._index, self._processes)
        self.gates[deployment] = Gate(deployment, capacity, self._settings.queue_size, self._processes, self._clock)

    def _refused(
        self, reason: AdmissionRefusal, deployment: str, gates: Sequence[Gate], obs: ObservabilityContext
    ) -> AdmissionRefused:
        retry_after = shortest_retry_after(gates)
        obs.admission.refused(deployment, reason)
        detail = f"admission to {deployment}: {reason}"
        match reason:
            case "queue_full":
                message = "As many requests wait for this model as may; try again later."
                return AdmissionQueueFull(message, detail=detail, retry_after=retry_after)
            case "no_time":
                message = "So many requests wait for this model that this one could not be served in time."
            case "timeout":
                message = "This model had no room for the request in time; try again later."
        return AdmissionTimeout(message, detail=detail, retry_after=retry_after)


def limited(deployments: Iterable[Deployment]) -> dict[str, int | None]:
    """The ids of the deployments that the operator limits, with how many attempts each may have at a time."""
    return {one.id: one.max_parallel for one in deployments if not Limits.of(one).are_none}


class SharedSlots:
    """The slots of all processes, for whoever looks after them. `processes` is how many indices there are."""

    def __init__(self, folder: Path, processes: int) -> None:
        self._table = SharedTable(columns(processes), _ROWS, folder / _FILE)
        self._processes = processes

    def release_worker(self, index: int) -> None:
        """Free what a process held that has ended, before another one gets its index."""
        release_process(self._table, index, self._processes)
