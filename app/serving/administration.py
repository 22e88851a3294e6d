"""The acts of a process that serves by itself, and reloads as acts that signals and changed files ask for."""

from pathlib import Path

import msgspec

from app.admin.acts import Outcome, Refused, Reload
from app.admin.administration import Administration
from app.admin.audit import Actor, AuditedPerformer, AuditFailed
from app.admin.operator import Operator
from app.edge.inherited import NO_SOCKETS, InheritedSockets
from app.gateway import GatewayApp
from app.serving.file_stamps import Stamps
from app.serving.file_watch import Reloads
from app.serving.reloading import Reloader, ReloadRefused


class ReadsAnew:
    """A reloader, to who performs the act."""

    def __init__(self, reloader: Reloader) -> None:
        self._reloader = reloader

    async def read_anew(self, reason: str) -> Outcome:
        """Go on with the configuration as it is now. Raises Refused."""
        try:
            outcome: Outcome = msgspec.to_builtins(await self._reloader.reload(reason))
        except ReloadRefused as refused:
            raise Refused("\n".join(refused.problems)) from None
        return outcome

    async def preview(self) -> Outcome:
        """What that would change. Raises Refused."""
        try:
            outcome: Outcome = msgspec.to_builtins(await self._reloader.preview())
        except ReloadRefused as refused:
            raise Refused("\n".join(refused.problems)) from None
        return outcome


class AuditedReloads:
    """Reloads that nobody asks for by the admin API: each has its lines in the audit log, too. The reason is who asked
    for it."""

    def __init__(self, reloads: Reloads, audited: AuditedPerformer) -> None:
        self._reloads = reloads
        self._audited = audited

    @property
    def watches(self) -> bool:
        """Whether a change of a file is a reason for a reload."""
        return self._reloads.watches

    @property
    def read_from(self) -> Stamps:
        """What the files were like when they were last read."""
        return self._reloads.read_from

    def files(self) -> list[Path]:
        """What the configuration is read from."""
        return self._reloads.files()

    async def reload(self, reason: str) -> Outcome:
        """Read the configuration anew. Raises ReloadRefused."""
        try:
            return await self._audited.perform(Reload(), Actor(reason))
        except (Refused, AuditFailed) as error:
            raise ReloadRefused(str(error).splitlines()) from None


def administration_of(
    app: GatewayApp, reloader: Reloader | None = None, inherited: InheritedSockets = NO_SOCKETS
) -> Administration:
    """What acts on a process that serves by itself. Raises AuditFailed and OSError."""
    settings, telemetry = app.gateway.settings, app.gateway.telemetry
    operator = Operator(app, None if reloader is None else ReadsAnew(reloader))
    metrics = telemetry.metrics.operations
    return Administration(settings.admin, operator, telemetry, metrics, telemetry.scrub, inherited)
