"""The level of the process's log, which falls back by itself where an operator wants it so."""

import asyncio

from app.admin.acts import Outcome
from telemetry.logs.console import level_in_force, set_level
from telemetry.logs.records import Level


class LogLevel:
    """Used from one event loop."""

    def __init__(self) -> None:
        self._fallback: asyncio.TimerHandle | None = None
        self._then: Level | None = None

    @property
    def level(self) -> Level:
        """The level that the log has now."""
        return level_in_force()

    def outcome(self) -> Outcome:
        """The level as the outcome of the act GetLogLevel."""
        left = None if self._fallback is None else self._fallback.when() - asyncio.get_running_loop().time()
        return {"level": self.level, "seconds_left": left, "then": self._then}

    def set(self, level: Level, seconds: float | None) -> Outcome:
        """Have the log begin at another level, for so many seconds, or for good."""
        # Who asks for a time once more does not want the level that was for a time.
        before = self._then or self.level
        self._forget()
        set_level(level)
        if seconds is not None:
            self._then = before
            self._fallback = asyncio.get_running_loop().call_later(seconds, self._fall_back, before)
        return self.outcome()

    def _fall_back(self, level: Level) -> None:
        self._forget()
        set_level(level)

    def _forget(self) -> None:
        if self._fallback is not None:
            self._fallback.cancel()
        self._fallback = self._then = None
