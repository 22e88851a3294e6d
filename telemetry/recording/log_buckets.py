"""Durations in, percentiles out, by a fixed set of logarithmic buckets: no clock and next to no memory per value.

Each power of two of microseconds is cut in four, so a percentile is at most 13 % off. What is longer than 71 minutes
counts as that.
"""

from collections.abc import Sequence

_TOP_BITS = 32
_BUCKETS = 4 * (_TOP_BITS - 1)
_TOP = (1 << _TOP_BITS) - 1


def _bounds(index: int) -> tuple[int, int]:
    """The first value of a bucket and the first above it, in microseconds."""
    if index < 4:
        return index, index + 1
    octave, quarter = divmod(index, 4)
    width = 1 << (octave - 1)
    return (4 + quarter) * width, (5 + quarter) * width


_MIDDLE = tuple(sum(_bounds(index)) / 2e6 for index in range(_BUCKETS))


class LogBuckets:
    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}

    def add(self, seconds: float, times: int = 1) -> None:
        if not times:
            return
        micros = int(seconds * 1e6)
        bits = micros.bit_length()
        if micros < 4:
            index = micros if micros > 0 else 0
        elif micros <= _TOP:
            index = 4 * (bits - 2) + ((micros >> (bits - 3)) & 3)
        else:
            index = _BUCKETS - 1
        self._counts[index] = self._counts.get(index, 0) + times

    def filled(self) -> list[tuple[float, int]]:
        """The middle, in seconds, and the count of each bucket that holds something, in order."""
        return [(_MIDDLE[index], count) for index, count in sorted(self._counts.items())]


def percentile(filled: Sequence[tuple[float, int]], share: float) -> float:
    """The value that `share` (0 to 1) of all values do not exceed, in seconds; 0 when there are none. `filled` are
    values in order, with how many there are of each."""
    wanted = share * sum([count for _, count in filled])
    seen = 0
    for seconds, count in filled:
        seen += count
        if seen >= wanted:
            return seconds
    return 0.0
