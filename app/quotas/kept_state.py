"""How well it is kept what is used, in a row of the table: one process keeps it, and any may tell of it."""

from collections.abc import Callable

from app.quotas.values import StateFigures
from app.shared_table import SharedTable

_ROW = "kept"
_KEPT, _LOSSES, _BEGAN_AT_ZERO = range(3)


class KeptState:
    """`even` is an even clock that all processes of the table have in common."""

    def __init__(self, table: SharedTable, even: Callable[[], float]) -> None:
        self._table = table
        self._even = even
        with table:
            self._at = table.row(_ROW)
        self._losses = 0
        """How many this process tells of."""

    def keep(self, time: float) -> None:
        """Note that all was kept at a time of the even clock."""
        with self._table:
            self._table.numbers[self._at + _KEPT] = time

    def lose(self) -> None:
        """Note that nothing was found of what was used."""
        with self._table:
            self._table.numbers[self._at + _LOSSES] += 1
            self._table.numbers[self._at + _BEGAN_AT_ZERO] = 1

    @property
    def figures(self) -> StateFigures:
        """The first process that asks after a loss takes it over, so that the sum of all is right."""
        with self._table:
            numbers, at = self._table.numbers, self._at
            kept = numbers[at + _KEPT]
            self._losses += int(numbers[at + _LOSSES])
            numbers[at + _LOSSES] = 0
            began_at_zero = bool(numbers[at + _BEGAN_AT_ZERO])
        age = max(self._even() - kept, 0.0) if kept else None
        return StateFigures(age, self._losses, began_at_zero=began_at_zero)
