"""The configuration of all workers: what those serve that start now, and how those that run come to serve another.

A reload is asked of one worker first. What it refuses changes nothing, and is told and counted once. The others are
asked when it serves the new configuration, and get what it has read, whatever has become of the files meanwhile. A
rolling restart checks the configuration before the first worker starts.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import time
from typing import Protocol

from app.admin.acts import Outcome, Refused
from app.configuration import (
    Configuration,
    ConfigurationRefused,
    Source,
    UnsafeBind,
    changes,
    check_bind,
    grouped,
    in_force,
)
from app.figures import counted
from app.serving.file_stamps import Stamps, stamps
from app.serving.reloading import ReloadRefused
from app.settings import Settings
from app.workers.fleet import Fleet, StartFailed
from app.workers.messages import Ready, Reload, configuration_of, decode_ready

_log = logging.getLogger("flowspan.config")


class FleetConfiguration:
    """One at a time is in use; `generation` counts those that were, and `since` is when it came into use."""

    def __init__(self, source: Source, configuration: Configuration) -> None:
        self.source = source
        self.current = configuration
        self.generation = 1
        self.since = time()
        self._policy_files: tuple[str, ...] = ()
        self.read_from: Stamps = stamps(self.files())
        """What the files were like when they were last read."""
        self._lock = asyncio.Lock()

    def files(self) -> list[Path]:
        """What the configuration is read from, as far as is known here or was said by a worker."""
        return list(dict.fromkeys(map(Path, (self.source.file, *self.current.files, *self._policy_files))))

    def note(self, ready: Ready) -> None:
        """A worker serves, and has said what it read."""
        if set(ready.files) != set(self._policy_files):
            self._policy_files = ready.files
            self.read_from = {**stamps(self.files()), **self.read_from}

    async def reload(self, fleet: Fleet, reason: str) -> Outcome:
        """Have all workers read the configuration anew. Raises Refused, where one refuses it, with what it said."""
        async with self._lock:
            self.read_from = stamps(self.files())
            first, outcome = await fleet.ask_one(lambda number: Reload(number, reason))
            ready = decode_ready(outcome)
            self.note(ready)
            if ready.read is not None and ready.generation != self.generation:
                # What starts from now on serves it, too.
                self._use(configuration_of(ready.read), ready.generation)
            others = await fleet.ask_others(first, lambda number: Reload(number, reason, ready.read))
            return {
                "workers": 1 + others,
                "generation": ready.generation,
                "policies": ready.policies,
                "changed": ready.changed,
                "needs_restart": ready.needs_restart,
            }

    async def roll(self, fleet: Fleet) -> Outcome:
        """Read the configuration anew, and replace the workers one by one. Raises Refused where it cannot be served, or
        the new workers do not come to serve; those that have not been replaced then serve on."""
        async with self._lock:
            before, generation, since = self.current, self.generation, self.since
            configuration = await self.checked()
            if changes(before, configuration):
                self._use(configuration, generation + 1)
            try:
                return {"replaced": await fleet.roll(), "generation": self.generation}
            except StartFailed:
                self.current, self.generation, self.since = before, generation, since
                raise Refused("a new worker does not come to serve; the log says why") from None

    async def checked(self) -> Configuration:
        """The configuration as it is now, with the settings that can be in force. Raises Refused."""
        try:
            configuration = await asyncio.to_thread(self.source.load)
            settings = in_force(self.current.settings, configuration.settings)
            check_bind(settings)
        except ConfigurationRefused as refused:
            raise Refused("\n".join(str(problem) for problem in grouped(refused.problems))) from None
        except (OSError, UnicodeDecodeError, UnsafeBind) as error:
            raise Refused(str(error)) from None
        return replace(configuration, settings=settings)

    def _use(self, configuration: Configuration, generation: int) -> None:
        self.current, self.generation, self.since = configuration, generation, time()


class GoesBySettings(Protocol):
    """A part of the supervisor that goes by the settings and outlives them."""

    def use_settings(self, settings: Settings, policies: Sequence[str], generation: int) -> None:
        """Go by these settings from now on."""


class FleetReloads:
    """Reloads all workers, for a signal and for whoever watches the files; `parts` go by the settings, too."""

    def __init__(self, configuration: FleetConfiguration, fleet: Fleet, parts: Sequence[GoesBySettings] = ()) -> None:
        self._configuration = configuration
        self._fleet = fleet
        self._parts = parts

    @property
    def watches(self) -> bool:
        """Whether a change of a file is a reason for a reload."""
        return self._configuration.current.settings.reload.watch

    @property
    def read_from(self) -> Stamps:
        """What the files were like when they were last read."""
        return self._configuration.read_from

    def files(self) -> list[Path]:
        """What the configuration is read from."""
        return self._configuration.files()

    async def reload(self, reason: str) -> Outcome:
        """Have all workers read the configuration anew. Raises ReloadRefused."""
        try:
            outcome = await self._configuration.reload(self._fleet, reason)
        except Refused as refused:
            _log.error("%s: not all workers have read the configuration anew: %s", reason, refused)
            raise ReloadRefused(str(refused).splitlines()) from None
        for part in self._parts:
            part.use_settings(self._configuration.current.settings, outcome["policies"], outcome["generation"])
        workers = counted(outcome["workers"], "worker")
        _log.info("%s: %s: generation %d of the configuration is in use", reason, workers, outcome["generation"])
        return outcome

    async def roll(self) -> Outcome:
        """Replace the workers one by one. Raises Refused."""
        _log.info("the workers are replaced one by one")
        try:
            outcome = await self._configuration.roll(self._fleet)
        except Refused as refused:
            _log.error("the workers are not replaced: %s", refused)
            raise
        _log.info("%s replaced", counted(outcome["replaced"], "worker"))
        return outcome
