"""Acts of operators on all workers, and what is in force of them.

What an act changes for good comes to every worker in the end: one that is late finds it in its channel, and one that
starts, also in the place of another, is told before it serves. An act that every worker refuses is not in force.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import msgspec

from app.admin.acts import Act, NotPerformed, Outcome, Refused
from app.admin.standing import StandingActs
from app.figures import counted
from app.workers.handle import Worker, WorkerEnded
from app.workers.messages import InForce, Perform, decode_outcome, encode, raw

_LIMIT = 1.5
"""Seconds that a worker has for an act before whoever asked is told that it is late: less than the API waits."""
_NO_ANSWER = 0
"""The number of a wish whose answer nobody waits for."""


class ActsOfAll:
    """`workers` are those that there are at any time; `merged` makes one outcome of those of all."""

    def __init__(
        self, workers: Mapping[int, Worker], merged: Callable[[Act, Sequence[Outcome]], Outcome], limit: float = _LIMIT
    ) -> None:
        """A worker is late that has not performed an act after `limit` seconds."""
        self._workers = workers
        self._merged = merged
        self._limit = limit
        self._standing = StandingActs()
        self._late: set[asyncio.Task[None]] = set()

    def in_force(self) -> bytes:
        """What a worker has to perform to be where the others are, as a message."""
        return encode(InForce(tuple(map(raw, self._standing.in_force()))))

    async def perform(self, act: Act, actor: str, workers: Sequence[Worker]) -> Outcome:
        """Have these workers perform an act, and those that start meanwhile. Raises Refused, with what each of those
        said that did not, and NotPerformed where one has not done it in time."""
        data = raw(act)
        untold = encode(Perform(_NO_ANSWER, data, actor))
        for worker in self._workers.values():
            if worker not in workers:
                worker.share(untold)
        asked = [asyncio.create_task(worker.ask(lambda number: Perform(number, data, actor))) for worker in workers]
        _, late = await asyncio.wait(asked, timeout=self._limit)
        ended = {index: task for index, task in enumerate(asked) if task not in late}
        outcomes = self._noted(act, untold, workers, list(ended.values()))
        faults: dict[str, list[int]] = {}
        for index, task in ended.items():
            match task.exception():
                case WorkerEnded() if outcomes or late:
                    # The one that takes its place finds what is in force.
                    continue
                case Refused() as refused:
                    faults.setdefault(str(refused), []).append(workers[index].index)
                case BaseException() as error:
                    raise error
        if late:
            following = asyncio.create_task(self._follow(act, untold, workers, list(late), is_noted=bool(outcomes)))
            self._late.add(following)
            following.add_done_callback(self._late.discard)
            raise NotPerformed(_lateness(act, [workers[asked.index(task)] for task in late], len(workers), self._limit))
        if faults:
            raise Refused(refusal(faults, len(workers)))
        return self._merged(act, outcomes)

    async def _follow(
        self,
        act: Act,
        untold: bytes,
        workers: Sequence[Worker],
        late: Sequence[asyncio.Task[msgspec.Raw]],
        *,
        is_noted: bool,
    ) -> None:
        """Wait for workers that are late. What they do is in force, too, if no other was in time."""
        await asyncio.gather(*late, return_exceptions=True)
        if not is_noted:
            self._noted(act, untold, workers, late)

    def _noted(
        self, act: Act, untold: bytes, workers: Sequence[Worker], ended: Sequence[asyncio.Task[msgspec.Raw]]
    ) -> list[Outcome]:
        """What became of it where it was performed. It is in force then."""
        outcomes = [decode_outcome(task.result()) for task in ended if task.exception() is None]
        if outcomes and self._standing.note(act, outcomes[0]):
            # Those that have begun meanwhile were told what was in force before.
            for worker in self._workers.values():
                if worker not in workers:
                    worker.share(untold)
        return outcomes


def refusal(faults: Mapping[str, Sequence[int]], workers: int) -> str:
    """What went wrong at which of the workers."""
    if len(faults) == 1 and len(*faults.values()) == workers:
        return next(iter(faults))
    each = (f"worker {', '.join(map(str, indices))}: {fault}" for fault, indices in faults.items())
    return f"not performed by all {workers} workers: {'; '.join(each)}"


def _lateness(act: Act, late: Sequence[Worker], workers: int, limit: float) -> str:
    names = ", ".join(f"{worker.index} (pid {worker.pid})" for worker in sorted(late, key=lambda one: one.index))
    subject = f"worker {names} has" if len(late) == 1 else f"workers {names} have"
    rest = "; what it changes comes to them as soon as they go on" if act.changes else ""
    return f"{subject} not done it within {limit:g} s, of {counted(workers, 'worker')}{rest}"
