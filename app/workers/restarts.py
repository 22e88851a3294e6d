"""How soon a worker that died is replaced: at once, unless workers die again and again. Pure; times are in seconds of a
monotonic clock."""

_FIRST_DELAY = 0.25
_LONGEST_DELAY = 30.0
_WELL = 30.0
"""Seconds for which a worker has to have served, so that its death is not taken for one more of the same kind."""


class Restarts:
    """Counts deaths in a row. The first is followed by a new worker at once, the next ones after delays that double."""

    def __init__(self) -> None:
        self._in_a_row = 0

    def delay(self, served: float) -> float:
        """Seconds to wait before a worker takes the place of one that has just died and was ready for `served`
        seconds, 0 if it never was."""
        self._in_a_row = 1 if served >= _WELL else self._in_a_row + 1
        if self._in_a_row == 1:
            return 0.0
        return min(_LONGEST_DELAY, _FIRST_DELAY * 2.0 ** min(self._in_a_row - 2, 32))
