"""What the workers do at this moment, as one gateway: for the console, which the supervisor has."""

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from app.admin.acts import Refused
from app.recorder.capture import TransactionUnderWay
from app.workers.fleet import Fleet
from app.workers.messages import ListUnderWay, TakeSnapshot, Wish, decode_snapshot, decode_under_way
from telemetry import Snapshot
from telemetry.live.merged import SnapshotSums

_LIMIT = 1.0
"""Seconds that a worker has to answer; one that does not is left out."""


class LiveFleet:
    """The workers, to those who look. Made on the supervisor's event loop."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._loop = asyncio.get_running_loop()
        self._sums = SnapshotSums()

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The supervisor's event loop."""
        return self._loop

    async def look(self) -> Snapshot:
        """All workers together. What those had counted that have ended is in it."""
        answers = await self._asked(TakeSnapshot)
        alive = [worker.pid for worker in self._fleet.living]
        return self._sums.add({pid: decode_snapshot(data) for pid, data in answers.items()}, alive)

    def under_way(self, of: str | None = None) -> Sequence[TransactionUnderWay]:
        """The transactions that have not ended, the oldest first; those of one conversation, where `of` names it, else
        without their bodies. Any thread but the event loop's may ask."""
        asked = self._asked(lambda number: ListUnderWay(number, of))
        answers = asyncio.run_coroutine_threadsafe(asked, self._loop).result(2 * _LIMIT)
        found = [each for data in answers.values() for each in decode_under_way(data)]
        return sorted(found, key=lambda each: each.started_at)

    async def _asked(self, wish: Callable[[int], Wish]) -> dict[int, msgspec.Raw]:
        """What each worker answers, by its process id."""
        workers = self._fleet.living
        asked = [asyncio.wait_for(worker.ask(wish), _LIMIT) for worker in workers]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        found: dict[int, msgspec.Raw] = {}
        for worker, answer in zip(workers, answers, strict=True):
            match answer:
                case Refused() | TimeoutError():
                    continue
                case BaseException():
                    raise answer
                case _:
                    found[worker.pid] = answer
        return found
