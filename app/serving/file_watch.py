"""Reloads the configuration when one of its files has changed.

Once a second each file is looked at, and not what it holds: its time, its size, and which file it is at all. That finds
a file that was written in its place, one that was renamed over it, and the symbolic links that Kubernetes exchanges for
a new ConfigMap. A change counts when nothing has changed any more for one more look, so that no half-written file is
read; a configuration that was refused is read again when another change comes, and not before.
"""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from app.serving.file_stamps import Stamps, stamps
from app.serving.reloading import ReloadRefused

INTERVAL = 1.0
"""Seconds between two looks."""
REASON = "a file has changed"


class Reloads(Protocol):
    """Who reads the configuration anew."""

    @property
    def watches(self) -> bool:
        """Whether a change of a file is a reason for it."""

    @property
    def read_from(self) -> Stamps:
        """What the files were like when they were last read."""

    def files(self) -> list[Path]:
        """What the configuration is read from."""

    async def reload(self, reason: str) -> object:
        """Read it anew. Raises ReloadRefused."""


class FileWatch:
    """`run` looks until it is cancelled; `look` is one turn of it."""

    def __init__(self, reloader: Reloads) -> None:
        self._reloader = reloader
        self._changed: Stamps | None = None
        """What they were like at the last look, where that was another way."""

    async def run(self) -> None:
        """Look once a second as long as the settings want it."""
        while True:
            await asyncio.sleep(INTERVAL)
            if self._reloader.watches:
                await self.look()

    async def look(self) -> None:
        """Look at all files, and reload where they have changed and are at rest."""
        seen = await asyncio.to_thread(stamps, self._reloader.files())
        before, self._changed = self._changed, None
        if seen == self._reloader.read_from:
            return
        if seen != before:
            self._changed = seen
            return
        with suppress(ReloadRefused):
            await self._reloader.reload(REASON)
