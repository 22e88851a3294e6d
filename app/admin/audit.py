"""The audit log: a line for each act, whoever asked for it and whatever became of it. No act that changes something is
performed without its line.

Such an act has two lines under one id: that it was asked for, before it is performed, and what became of it. Lines go
to the process's log, under a logger of its own, and to a file where there is one.
"""

import logging
import os
import stat
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from secrets import token_hex
from threading import Lock
from time import time
from typing import Any, Literal

import msgspec
from msgspec import Struct

from app.admin.acts import Act, ListAudit, NotPerformed, Outcome, Performer, Refused
from app.admin.merging import checked
from telemetry import OperationMetrics, Scrubber
from telemetry.exceptions import summary_of
from telemetry.logs.records import log_fields
from telemetry.names import AdminResult
from telemetry.redact import clean

_log = logging.getLogger("flowspan.audit")
_KEPT = 1_000
"""Entries that are kept in memory."""
_LIMIT = 1_000
"""Characters of a text in an entry."""
_MODE = 0o600
AuditResult = Literal["asked"] | AdminResult


class AuditFailed(Exception):
    """The audit log cannot be written; the text is for an operator."""


class Actor(Struct, frozen=True):
    """Who asks for an act."""

    name: str
    """`admin` for whoever has the key, `uid 1000` for a user of this machine, `SIGHUP`."""
    address: str = ""
    """Where from; empty where there is nothing to tell of that."""


class AuditEntry(Struct, frozen=True, omit_defaults=True):
    """One line. `time` is UTC, in ISO 8601."""

    time: str
    id: str
    """An act has two lines of one id, or one line."""
    actor: str
    address: str
    act: str
    result: AuditResult
    arguments: dict[str, Any] = {}
    detail: str = ""
    """Why it was not performed."""


class AuditLog:
    """Writes entries; any thread may. `file` is appended to, by a name that may come to stand for another file, as when
    logs are rotated. `clock` returns Unix time."""

    def __init__(self, file: str | None, scrub: Scrubber, clock: Callable[[], float] = time) -> None:
        """Raises AuditFailed where the file cannot be written."""
        self._file = file
        self._scrub = scrub
        self._clock = clock
        self._lock = Lock()
        self._latest: deque[AuditEntry] = deque(maxlen=_KEPT)
        self._descriptor: int | None = None
        if file is not None:
            self._descriptor = _opened(file)

    def write(
        self,
        id: str,
        actor: Actor,
        act: str,
        result: AuditResult,
        arguments: dict[str, Any] | None = None,
        detail: str = "",
    ) -> None:
        """Write one line. Raises AuditFailed."""
        entry = AuditEntry(
            time=datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds"),
            id=id,
            actor=self._legible(actor.name),
            address=self._legible(actor.address),
            act=self._legible(act),
            result=result,
            arguments={name: self._legible(one) for name, one in (arguments or {}).items()},
            detail=self._legible(detail),
        )
        with self._lock:
            self._append(entry)
            self._latest.append(entry)
        _report(entry)

    def latest(self, count: int) -> list[AuditEntry]:
        """The newest entries since the start of the process, the newest last."""
        with self._lock:
            return list(self._latest)[-count:]

    def close(self) -> None:
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def _legible(self, value: Any) -> Any:
        return clean(self._scrub, value, _LIMIT) if isinstance(value, str) else value

    def _append(self, entry: AuditEntry) -> None:
        if self._file is None:
            return
        line = msgspec.json.encode(entry) + b"\n"
        try:
            if self._descriptor is None or not _is_named(self._descriptor, self._file):
                self._reopen(self._file)
            assert self._descriptor is not None
            if os.write(self._descriptor, line) < len(line):
                raise AuditFailed(f"the audit log {self._file} cannot be written: it is full")
        except OSError as error:
            raise AuditFailed(f"the audit log {self._file} cannot be written: {error.strerror}") from None

    def _reopen(self, file: str) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
        self._descriptor = _opened(file)


class AuditedPerformer:
    """Performs acts by `performer` once they stand in the audit log, and writes there what became of them."""

    def __init__(self, performer: Performer, audit: AuditLog, metrics: OperationMetrics) -> None:
        self._performer = performer
        self._audit = audit
        self._metrics = metrics

    async def perform(self, act: Act, actor: Actor) -> Outcome:
        """Raises Refused, NotPerformed and AuditFailed; the last where nothing was performed or nothing changed."""
        id = token_hex(8)
        if act.changes:
            self._write(id, actor, act, "asked")
        try:
            outcome = await self._outcome(act, actor)
        except Refused as error:
            self._write_end(id, actor, act, "refused", str(error))
            raise
        except NotPerformed as error:
            self._write_end(id, actor, act, "failed", str(error))
            raise
        except Exception as error:
            self._write_end(id, actor, act, "failed", summary_of(error))
            raise
        self._write_end(id, actor, act, "done")
        return outcome

    def deny(self, actor: Actor, reason: str, *, is_logged: bool) -> None:
        """Count somebody who may not act, and note them. Raises AuditFailed."""
        self._metrics.acted("authenticate", "denied")
        if is_logged:
            self._audit.write(token_hex(8), actor, "authenticate", "denied", detail=reason)

    async def _outcome(self, act: Act, actor: Actor) -> Outcome:
        if isinstance(act, ListAudit):
            return {"entries": [msgspec.to_builtins(entry) for entry in self._audit.latest(act.limit)]}
        return checked(act, await self._performer.perform(act, actor.name))

    def _write_end(self, id: str, actor: Actor, act: Act, result: AdminResult, detail: str = "") -> None:
        """Write what became of an act. One that changed something has a line already, so that it need not seem not to
        have been performed."""
        if not act.changes:
            self._write(id, actor, act, result, detail)
            self._metrics.acted(act.name, result)
            return
        self._metrics.acted(act.name, result)
        try:
            self._audit.write(id, actor, act.name, result, act.arguments, detail)
        except AuditFailed as error:
            _log.error("act %s of %s: %s, which the file does not have: %s", act.name, actor.name, result, error)

    def _write(self, id: str, actor: Actor, act: Act, result: AuditResult, detail: str = "") -> None:
        """Write a line without which the act is not performed, or not answered: it counts as failed then."""
        try:
            self._audit.write(id, actor, act.name, result, act.arguments, detail)
        except AuditFailed:
            self._metrics.acted(act.name, "failed")
            raise


def _opened(file: str) -> int:
    """A descriptor to append to the file, which is made for its owner alone. Raises AuditFailed."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, _MODE)
    except OSError as error:
        raise AuditFailed(f"the audit log {file} cannot be written: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise AuditFailed(f"the audit log {file} is no regular file")
    return descriptor


def _is_named(descriptor: int, file: str) -> bool:
    """Whether the name stands for the open file."""
    with suppress(OSError):
        return os.path.samestat(os.fstat(descriptor), os.stat(file))
    return False


def _report(entry: AuditEntry) -> None:
    level = logging.INFO if entry.result in ("asked", "done") else logging.WARNING
    fields = {name: value for name, value in msgspec.to_builtins(entry).items() if name not in ("time", "result")}
    fields["result"] = entry.result
    _log.log(level, "%s by %s: %s", entry.act, entry.actor, entry.result, extra=log_fields(None, fields))
