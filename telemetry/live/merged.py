"""The snapshots of several processes that serve together, as that of one gateway."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import TypeVar

from telemetry.live.moments import KEPT_ENDS, KEPT_MOMENTS, Ended, Moment
from telemetry.live.streams import STREAM_LIMIT, QueueView, Snapshot
from telemetry.names import OUTCOMES, WHERE, Outcome, Where

_Key = TypeVar("_Key", bound=str)
_STATES = ("closed", "half_open", "open")
"""States of a breaker; where processes differ for a moment, the last of these counts."""


def merged(snapshots: Sequence[Snapshot]) -> Snapshot:
    """One snapshot of all: counts are sums, and of streams and moments there are as many as one has at most."""
    streams = sorted((one for each in snapshots for one in each.streams), key=attrgetter("seconds"), reverse=True)
    return Snapshot(
        opened=sum([each.opened for each in snapshots]),
        in_flight=_sum(each.in_flight for each in snapshots),
        streams=tuple(streams[:STREAM_LIMIT]),
        queues=_queues(snapshots),
        breakers=_breakers(snapshots),
        outcomes=_outcomes(snapshots),
        seconds=_seconds(snapshots),
        waiting=_sum(each.waiting for each in snapshots),
        chunks_in=sum([each.chunks_in for each in snapshots]),
        bytes_out=sum([each.bytes_out for each in snapshots]),
        moments=_newest_moments(snapshots),
        ends=_newest_ends(snapshots),
        admission=_sum(each.admission for each in snapshots),
    )


class SnapshotSums:
    """Adds snapshots up so that no count of what has happened ever falls: of a process that has ended, its last one
    goes on counting."""

    def __init__(self) -> None:
        self._latest: dict[int, Snapshot] = {}
        """By process."""
        self._gone = merged(())

    def add(self, snapshots: Mapping[int, Snapshot], alive: Iterable[int]) -> Snapshot:
        """One snapshot of all processes, from those of the processes that answered, by their ids. `alive` are those
        that have not ended, also if they did not answer."""
        alive = set(alive)
        for process in [one for one in self._latest if one not in alive]:
            self._gone = merged((self._gone, _past(self._latest.pop(process))))
        self._latest.update(snapshots)
        return merged((self._gone, *self._latest.values()))


def _past(snapshot: Snapshot) -> Snapshot:
    """What of a snapshot stays true after its process has ended."""
    return replace(snapshot, in_flight={}, streams=(), queues={}, breakers={}, waiting={})


def _sum(counts: Iterable[Mapping[_Key, int]]) -> dict[_Key, int]:
    total: Counter[_Key] = Counter()
    for each in counts:
        total.update(each)
    return dict(total)


def _outcomes(snapshots: Sequence[Snapshot]) -> dict[Outcome, int]:
    return {outcome: sum([each.outcomes.get(outcome, 0) for each in snapshots]) for outcome in OUTCOMES}


def _seconds(snapshots: Sequence[Snapshot]) -> dict[Where, float]:
    return {where: sum([each.seconds.get(where, 0.0) for each in snapshots]) for where in WHERE}


def _queues(snapshots: Sequence[Snapshot]) -> dict[str, QueueView]:
    found: dict[str, QueueView] = {}
    for each in snapshots:
        for name, queue in each.queues.items():
            other = found.get(name, QueueView(0, 0, 0, 0))
            found[name] = QueueView(
                other.depth + queue.depth,
                other.bytes + queue.bytes,
                max(other.fullest, queue.fullest),
                max(other.capacity, queue.capacity),
            )
    return found


def _breakers(snapshots: Sequence[Snapshot]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in snapshots:
        for name, state in each.breakers.items():
            found[name] = max(state, found.get(name, state), key=_STATES.index)
    return found


def _newest_moments(snapshots: Sequence[Snapshot]) -> tuple[Moment, ...]:
    moments: list[Moment] = sorted((one for each in snapshots for one in each.moments), key=attrgetter("at"))
    return tuple(moments[-KEPT_MOMENTS:])


def _newest_ends(snapshots: Sequence[Snapshot]) -> tuple[Ended, ...]:
    ends = sorted((one for each in snapshots for one in each.ends), key=attrgetter("at"))
    return tuple(ends[-KEPT_ENDS:])
