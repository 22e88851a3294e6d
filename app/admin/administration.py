"""All by which a gateway is acted upon: its audit log, and its admin API where the settings ask for one."""

from app.admin.acts import NAMES, Performer
from app.admin.audit import AuditedPerformer, AuditLog
from app.admin.on_loop import HasLoop, PerformerOnLoop
from app.admin.server import AdminServer
from app.edge.inherited import NO_SOCKETS, InheritedSockets
from app.settings import AdminSettings
from telemetry import OperationMetrics, Scrubber

_WITHOUT_API = ("reload", "restart_workers")
"""Acts that signals ask for."""


class Administration:
    """`performer` performs on the event loop of `runs`; lines of the audit log are `scrub`bed. Raises
    AuditFailed where the log cannot be written, OSError where the API's address cannot be had."""

    def __init__(
        self,
        settings: AdminSettings,
        performer: Performer,
        runs: HasLoop,
        metrics: OperationMetrics,
        scrub: Scrubber,
        inherited: InheritedSockets = NO_SOCKETS,
    ) -> None:
        self._audit = AuditLog(settings.audit_log, scrub)
        self.audited = AuditedPerformer(performer, self._audit, metrics)
        """For whoever is on the performer's own event loop."""
        self.server: AdminServer | None = None
        metrics.register((*NAMES, "authenticate") if settings.is_served else _WITHOUT_API)
        if settings.is_served:
            try:
                audited = AuditedPerformer(PerformerOnLoop(performer, runs), self._audit, metrics)
                self.server = AdminServer(settings, audited, inherited)
            except OSError:
                self._audit.close()
                raise

    def close(self) -> None:
        """Stop serving. Further calls change nothing."""
        if self.server is not None:
            self.server.close()
        self._audit.close()
