"""One limit at a time on what a task waits for.

Limits nest, as a hook that emits runs the next policy's hook: while the inner one is in force the outer one stands
still, then starts anew.
"""

from math import inf
from types import TracebackType

from app.limits import Limit


class Deadline:
    """The limits of one task."""

    def __init__(self) -> None:
        self.current: Limit | None = None

    def limit(self, seconds: float) -> "NestedLimit":
        """`with deadline.limit(30): ...` raises TimeoutError when the block takes longer. 0 means no limit."""
        return NestedLimit(self, seconds)

    def keepalive(self) -> None:
        """Start the limit in force anew."""
        if self.current is not None:
            self.current.restart()

    def pause(self) -> None:
        """Stop the limit in force until `keepalive`: what follows is not its waiting."""
        if self.current is not None:
            self.current.pause()


class NestedLimit(Limit):
    __slots__ = ("_deadline", "_outer", "_outer_runs")

    def __init__(self, deadline: Deadline, seconds: float) -> None:
        super().__init__(seconds)
        self._deadline = deadline
        self._outer: Limit | None = None
        self._outer_runs = False

    def __enter__(self) -> "NestedLimit":
        self._outer = outer = self._deadline.current
        if outer is not None:
            self._outer_runs = outer.due < inf
            outer.pause()
        super().__enter__()
        self._deadline.current = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._deadline.current = self._outer
        if self._outer is not None and self._outer_runs:
            self._outer.restart()
        super().__exit__(kind, error, traceback)
