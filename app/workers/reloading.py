"""The configuration of all workers: what those serve that start now, and how those that run come to serve another.

A reload has two steps, so that one which is refused changes nothing anywhere. First one worker reads and checks the
configuration, then all others check what it has read, whatever has become of the files meanwhile, and it is made sure
that there is room for its limits. Only then do all serve it. What becomes of it is told and counted here, once. A
rolling restart checks the configuration before the first worker starts.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import time
from typing import Protocol

import msgspec
from msgspec import Struct

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
from app.quotas import Quotas, TooManyLimits, rules_of
from app.serving.file_stamps import Stamps, stamps
from app.serving.reloading import Reloaded, ReloadFailed, ReloadRefused, log_refusal, log_success
from app.settings import Settings
from app.workers.fleet import Fleet, StartFailed
from app.workers.messages import (
    Adopt,
    Prepare,
    PreparedConfiguration,
    Ready,
    configuration_of,
    decode_prepared,
)
from telemetry.metrics.configuration import ConfigurationMetrics

_log = logging.getLogger("flowspan.config")


class GoesBySettings(Protocol):
    """A part of the supervisor that goes by the settings and outlives them."""

    def use_settings(self, settings: Settings, policies: Sequence[str], generation: int) -> None:
        """Go by these settings from now on."""


class InUse(Struct, frozen=True):
    """What workers serve that start now. `generation` counts the configurations that there were, and `since` is when
    this one came into use, in Unix time."""

    configuration: Configuration
    policies: tuple[str, ...]
    generation: int
    since: float


class FleetConfiguration:
    """One at a time is in use."""

    def __init__(self, source: Source, configuration: Configuration) -> None:
        self.source = source
        self.in_use = InUse(configuration, (), 1, time())
        self._policy_files: tuple[str, ...] = ()
        self.read_from: Stamps = stamps(self.files())
        """What the files were like when they were last read."""

    @property
    def current(self) -> Configuration:
        """The configuration that is in use."""
        return self.in_use.configuration

    def files(self) -> list[Path]:
        """What the configuration is read from, as far as is known here or was said by a worker."""
        return list(dict.fromkeys(map(Path, (self.source.file, *self.current.files, *self._policy_files))))

    def begins(self) -> None:
        """The files are read now."""
        self.read_from = stamps(self.files())

    def note(self, read: Ready | PreparedConfiguration) -> None:
        """A worker has said what it read."""
        if set(read.files) != set(self._policy_files):
            self._policy_files = read.files
            self.read_from = {**stamps(self.files()), **self.read_from}


class FleetReloads:
    """Reloads all workers, or replaces them, for a signal, an act, and whoever watches the files. `metrics` count what
    becomes of it; `quotas`, which are kept here for all, and `parts` go by the settings, too."""

    def __init__(
        self,
        configuration: FleetConfiguration,
        fleet: Fleet,
        metrics: ConfigurationMetrics,
        quotas: Quotas,
        parts: Sequence[GoesBySettings] = (),
    ) -> None:
        self._configuration = configuration
        self._fleet = fleet
        self._metrics = metrics
        self._quotas = quotas
        self._parts = parts
        self._lock = asyncio.Lock()

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
        """Have all workers read the configuration anew. Raises ReloadRefused, and then all serve the one before; or
        ReloadFailed, where a worker has checked the new one and cannot serve it by a defect."""
        async with self._lock:
            self._configuration.begins()
            try:
                prepared = await self._prepared()
            except Refused as refused:
                raise self._refused(reason, refused) from None
            generation = self._configuration.in_use.generation + bool(prepared.changed)
            if prepared.changed:
                # What starts from now on serves it, too.
                self._use(InUse(configuration_of(prepared.read), prepared.policies, generation, time()))
            try:
                await self._fleet.ask_all(lambda number: Adopt(number, prepared.read, generation))
            except Refused as refused:
                self._metrics.reloaded("failed", generation)
                _log.error("%s: not all workers serve generation %d: %s", reason, generation, refused)
                raise ReloadFailed(str(refused).splitlines()) from None
            self._fleet.restate()
            self._metrics.reloaded("applied" if prepared.changed else "unchanged", generation)
            log_success(reason, Reloaded(generation, prepared.changed, prepared.needs_restart, prepared.warnings))
            return _outcome(generation, prepared)

    async def preview(self) -> Outcome:
        """What a reload would change now; nothing is changed, counted or told. Raises Refused."""
        async with self._lock:
            _, data = await self._fleet.ask_one(lambda number: Prepare(number, is_kept=False))
            prepared = decode_prepared(data)
            self._check_room(configuration_of(prepared.read).settings)
            return _outcome(self._configuration.in_use.generation, prepared)

    async def roll(self, reason: str) -> Outcome:
        """Read the configuration anew, and replace the workers one by one. Raises Refused where it cannot be served, or
        the new workers do not come to serve; those that have not been replaced then serve on."""
        async with self._lock:
            self._configuration.begins()
            before = self._configuration.in_use
            try:
                configuration = await self._checked()
            except Refused as refused:
                self._refused(reason, refused)
                _log.error("%s: the workers are not replaced", reason)
                raise
            _log.info("%s: the workers are replaced one by one", reason)
            if changed := tuple(str(change) for change in changes(before.configuration, configuration)):
                self._use(InUse(configuration, before.policies, before.generation + 1, time()))
            try:
                replaced = await self._fleet.roll()
            except StartFailed:
                self._use(before)
                fault = "a new worker does not come to serve; the log says why"
                if changed:
                    self._metrics.reloaded("refused", before.generation)
                _log.error("%s: the workers are not replaced: %s", reason, fault)
                raise Refused(fault) from None
            generation = self._configuration.in_use.generation
            self._metrics.reloaded("applied" if changed else "unchanged", generation)
            log_success(reason, Reloaded(generation, changed))
            _log.info("%s: %s replaced", reason, counted(replaced, "worker"))
            return {"replaced": replaced, "generation": generation}

    async def _prepared(self) -> PreparedConfiguration:
        """The configuration as it is now, once all workers can serve it. Raises Refused, and nothing is changed."""
        first, data = await self._fleet.ask_one(Prepare)
        prepared = decode_prepared(data)
        self._configuration.note(prepared)
        self._check_room(configuration_of(prepared.read).settings)
        others = await self._fleet.ask_all(lambda number: Prepare(number, prepared.read), but=first)
        # One that has started since a policy's file changed has its code already.
        found = [line for each in (prepared, *map(decode_prepared, others)) for line in each.changed]
        return msgspec.structs.replace(prepared, changed=tuple(dict.fromkeys(found)))

    async def _checked(self) -> Configuration:
        """The configuration as it is now, with the settings that can be in force. Raises Refused."""
        source, before = self._configuration.source, self._configuration.current
        try:
            configuration = await asyncio.to_thread(source.load)
            settings = in_force(before.settings, configuration.settings)
            check_bind(settings)
        except ConfigurationRefused as refused:
            raise Refused("\n".join(str(problem) for problem in grouped(refused.problems))) from None
        except (OSError, UnicodeDecodeError, UnsafeBind) as error:
            raise Refused(str(error)) from None
        self._check_room(settings)
        return replace(configuration, settings=settings)

    def _check_room(self, settings: Settings) -> None:
        """Raises Refused where there is no room to count all limits."""
        try:
            self._quotas.check(rules_of(settings))
        except TooManyLimits as error:
            raise Refused(f"gateway.keys: {error}") from None

    def _use(self, in_use: InUse) -> None:
        self._configuration.in_use = in_use
        settings = in_use.configuration.settings
        self._quotas.use(rules_of(settings))
        for part in self._parts:
            part.use_settings(settings, in_use.policies, in_use.generation)

    def _refused(self, reason: str, refused: Refused) -> ReloadRefused:
        problems = str(refused).splitlines()
        self._metrics.reloaded("refused", self._configuration.in_use.generation)
        log_refusal(reason, problems)
        return ReloadRefused(problems)


def _outcome(generation: int, prepared: PreparedConfiguration) -> Outcome:
    lists = {name: list(getattr(prepared, name)) for name in ("changed", "needs_restart", "warnings")}
    return {"generation": generation, **lists}
