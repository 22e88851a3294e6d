"""Reads the configuration once more while the gateway serves.

A new one is checked before anything changes. One that is refused, for whatever reason, is told of and counted, and the
one before stays. What can change at once does so for requests that begin from then on; what cannot is named.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import time
from typing import Protocol

from msgspec import Struct

from app.configuration import (
    Change,
    Configuration,
    ConfigurationRefused,
    Source,
    UnsafeBind,
    changes,
    check_bind,
    export,
    grouped,
    in_force,
)
from app.gateway import Gateway
from app.main import Composition
from app.policies import LoadedPolicy, PolicyNotLoadable, load_policies, loaded_files
from app.quotas import TooManyLimits, rules_of
from app.server_certificates import digest_of_files
from app.serving.file_stamps import Stamps, stamps
from telemetry.exceptions import summary_of
from telemetry.names import ReloadResult

_log = logging.getLogger("flowspan.config")
_MOST_LINES = 20
"""Changes, or problems, of which each has a line in the log."""


_OTHER_CERTIFICATES = Change("setting", "gateway.server.tls", details=("what its files hold",))


class Reloaded(Struct, frozen=True):
    """What became of a reload that was not refused. `changed` and `needs_restart` are lines for people."""

    generation: int
    """The generation of the configuration in use since; the same as before where nothing has changed."""
    changed: tuple[str, ...] = ()
    needs_restart: tuple[str, ...] = ()
    """What else has changed, and stays as it was until the process is started anew."""
    warnings: tuple[str, ...] = ()


class ReloadRefused(Exception):
    """The new configuration cannot be used; the one before stays. `problems` are lines for people."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class ReloadFailed(ReloadRefused):
    """A defect of the gateway's was in the way."""


class UsesSettings(Protocol):
    """A part of the process that goes by the settings and outlives them."""

    def use_settings(self, gateway: Gateway) -> None:
        """Go by the settings of `gateway` from now on, and read anew what they name."""


class Prepared(Struct, frozen=True):
    """A configuration that was read and checked, and may be used."""

    configuration: Configuration
    """Its settings are those that can be in force in this process."""
    policies: tuple[LoadedPolicy, ...]
    changes: tuple[Change, ...]
    warnings: tuple[str, ...]
    certificates: bytes
    """What tells the files of certificates from others."""

    @property
    def changed(self) -> tuple[str, ...]:
        """What changes at once, in lines for people."""
        return tuple(str(change) for change in self.changes if not change.needs_restart)

    @property
    def needs_restart(self) -> tuple[str, ...]:
        """What changes only with a restart, in lines for people."""
        return tuple(str(change) for change in self.changes if change.needs_restart)


class Reloader:
    """Reads `source` anew, for a gateway that was made of `configuration`. `parts` go by the settings, too."""

    def __init__(
        self, source: Source, configuration: Configuration, composition: Composition, parts: Sequence[UsesSettings] = ()
    ) -> None:
        self._source = source
        self._configuration = configuration
        self._composition = composition
        self._parts = parts
        self._files = configuration.files
        self._certificates = digest_of_files(configuration.settings.server.tls)
        """What the files of certificates held when they were last served with."""
        self.read_from: Stamps = stamps(self.files())
        """What the files were like when they were last read, whether or not the configuration could be used."""
        self._lock = asyncio.Lock()

    @property
    def watches(self) -> bool:
        """Whether a change of a file is a reason for a reload."""
        return self._composition.gateway.settings.reload.watch

    def files(self) -> list[Path]:
        """What the configuration was read from when it was last looked at, policies and certificates included."""
        named = (self._source.file, *self._files, *self._configuration.settings.server.tls.files)
        return list(dict.fromkeys((*map(Path, named), *loaded_files())))

    @property
    def configuration(self) -> Configuration:
        """The configuration that is in use."""
        return self._configuration

    async def reload(self, reason: str) -> Reloaded:
        """Read the configuration anew, and go on with it; to be called on the gateway's event loop. Raises
        ReloadRefused. `reason` is who or what asks for it, for the log."""
        async with self._lock:
            try:
                reloaded = await self._adopt(await self._prepare())
            except ReloadFailed:
                self._count("failed")
                raise
            except ReloadRefused as refused:
                self._count("refused")
                log_refusal(reason, refused.problems)
                raise
            self._count("applied" if reloaded.changed else "unchanged")
            log_success(reason, reloaded)
            return reloaded

    async def preview(self) -> Reloaded:
        """What a reload would change now; nothing is changed, and nothing counted. Raises ReloadRefused."""
        async with self._lock:
            before = self.read_from
            try:
                prepared = await self._prepare()
            finally:
                self.read_from = before
            generation = self._composition.gateway.generation
            return Reloaded(generation, prepared.changed, prepared.needs_restart, prepared.warnings)

    async def prepare(self, given: Configuration | None = None) -> Prepared:
        """Read and check the configuration, or check a `given` one that another process has read which serves with this
        one. Nothing is changed before `adopt`, and nothing is logged or counted. Raises ReloadRefused."""
        async with self._lock:
            return await self._prepare(given)

    async def adopt(self, prepared: Prepared, generation: int) -> None:
        """Go on with what was prepared, as this generation of the configuration; to be called on the gateway's event
        loop. Nothing is logged or counted. Raises ReloadFailed."""
        async with self._lock:
            before = self._composition.gateway
            await self._adopt(prepared, generation)
            if self._composition.gateway is not before:
                before.telemetry.metrics.configuration.in_use(generation, time())

    async def _prepare(self, given: Configuration | None = None) -> Prepared:
        gateway = self._composition.gateway
        try:
            # In a thread: thousands of models take seconds to be read.
            prepared = await asyncio.to_thread(self._read, gateway, given)
            gateway.quotas.check(rules_of(prepared.configuration.settings))
        except ReloadRefused:
            raise
        except TooManyLimits as error:
            raise ReloadRefused([f"gateway.keys: {error}"]) from error
        except Exception as error:
            raise _failed(error) from error
        return prepared

    async def _adopt(self, prepared: Prepared, generation: int | None = None) -> Reloaded:
        """Raises ReloadFailed."""
        configuration, composition = prepared.configuration, self._composition
        changed = prepared.changed
        try:
            if changed or generation not in (None, composition.gateway.generation):
                export(configuration.environment)
                await composition.reload(configuration.settings, prepared.policies, generation)
            self._configuration = configuration
            self._certificates = prepared.certificates
            for part in self._parts:
                part.use_settings(composition.gateway)
        except Exception as error:
            raise _failed(error) from error
        return Reloaded(composition.gateway.generation, changed, prepared.needs_restart, prepared.warnings)

    def _read(self, gateway: Gateway, given: Configuration | None) -> Prepared:
        seen = stamps(self.files())
        try:
            return self._checked(gateway, given)
        finally:
            # Another configuration may have other files.
            self.read_from = {file: seen.get(file) or stamp for file, stamp in stamps(self.files()).items()}

    def _checked(self, gateway: Gateway, given: Configuration | None) -> Prepared:
        """Read and check the configuration. Raises ReloadRefused."""
        try:
            configuration = given or self._source.load()
            self._files = configuration.files
            differing = changes(self._configuration, configuration)
            settings = in_force(gateway.settings, configuration.settings)
            weak = check_bind(settings)
            before = zip(gateway.settings.policies, gateway.policies, strict=True)
            policies = load_policies(settings.policies, before)
        except ConfigurationRefused as refused:
            self._files = refused.files or self._files
            raise ReloadRefused([str(problem) for problem in grouped(refused.problems)]) from refused
        except UnsafeBind as error:
            raise ReloadRefused([f"gateway.{'.'.join(error.path[1:])}: {error}"]) from error
        except PolicyNotLoadable as error:
            raise ReloadRefused([f"gateway.policies: {error}"]) from error
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise ReloadRefused([f"{self._source.file} cannot be read: {reason}"]) from error
        code = _changed_code(gateway, policies) if not any(one.subject == "policy" for one in differing) else ()
        warnings = (*(str(warning) for warning in grouped(configuration.warnings)), *weak)
        certificates = digest_of_files(settings.server.tls)
        files = (_OTHER_CERTIFICATES,) if certificates != self._certificates else ()
        found = (*differing, *code, *files)
        return Prepared(replace(configuration, settings=settings), policies, found, warnings, certificates)

    def _count(self, result: ReloadResult) -> None:
        gateway = self._composition.gateway
        gateway.telemetry.metrics.configuration.reloaded(result, gateway.generation)


def _changed_code(gateway: Gateway, policies: Sequence[LoadedPolicy]) -> tuple[Change, ...]:
    """The policies whose entries are the same and whose files are not."""
    return tuple(
        Change("policy", loaded.name, details=("its code",)) for loaded in policies if loaded not in gateway.policies
    )


def _failed(error: Exception) -> ReloadFailed:
    """For a defect, of which the log has more than whoever asked."""
    _log.error("the configuration could not be read anew; the one before stays in use", exc_info=error)
    return ReloadFailed([f"a defect of the gateway: {summary_of(error)}"])


def log_refusal(reason: str, problems: Sequence[str]) -> None:
    """Say that a configuration is refused, and why."""
    _log.error("%s: the configuration is refused, and the one before stays in use", reason)
    for problem in problems[:_MOST_LINES]:
        _log.error("  %s", problem)
    _log_rest(problems, logging.ERROR)


def log_success(reason: str, reloaded: Reloaded) -> None:
    """Say which configuration is in use since a reload, and what has changed."""
    if reloaded.changed:
        _log.info("%s: generation %d of the configuration is in use", reason, reloaded.generation)
    else:
        _log.info("%s: the configuration is as it was", reason)
    for line in reloaded.changed[:_MOST_LINES]:
        _log.info("  %s", line)
    _log_rest(reloaded.changed, logging.INFO)
    for line in reloaded.needs_restart[:_MOST_LINES]:
        _log.warning("  needs a restart, and is as it was until then: %s", line)
    for line in reloaded.warnings[:_MOST_LINES]:
        _log.warning("  %s", line)


def _log_rest(lines: Sequence[str], level: int) -> None:
    if len(lines) > _MOST_LINES:
        _log.log(level, "  and %d more", len(lines) - _MOST_LINES)
