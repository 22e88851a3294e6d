"""One transaction's time: the wall clock read once at its start, everything after it by the monotonic clock.

So the spans of a trace and its time ledger agree with each other, whatever happens to the wall clock meanwhile.
"""

from collections.abc import Callable


class Timeline:
    __slots__ = ("now", "opened_at", "started_ns")

    def __init__(self, started_ns: int, opened_at: float, clock: Callable[[], float]) -> None:
        self.started_ns = started_ns
        self.opened_at = opened_at
        """Monotonic seconds."""
        self.now = clock
        """Monotonic seconds."""

    def ns(self, at: float | None = None) -> int:
        """Unix nanoseconds of a monotonic moment, or of now."""
        return self.started_ns + int(((self.now() if at is None else at) - self.opened_at) * 1e9)

    def unix_seconds(self) -> float:
        """Now."""
        return self.ns() / 1e9

    def after(self, seconds: float) -> int:
        """Unix nanoseconds, `seconds` after the start."""
        return self.started_ns + int(seconds * 1e9)
