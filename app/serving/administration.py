"""The admin API of a process that serves by itself."""

from app.admin.audit import AuditLog
from app.admin.on_loop import PerformerOnLoop
from app.admin.operator import Operator
from app.admin.server import AdminServer
from app.gateway import GatewayApp
from app.main import secrets_of
from telemetry import Scrubber


class Administration:
    """The running admin API of `app`, with its audit log; there is none unless the settings ask for one. Raises
    AuditFailed where the log cannot be written, OSError where the address cannot be had."""

    def __init__(self, app: GatewayApp) -> None:
        settings, telemetry = app.gateway.settings, app.gateway.telemetry
        self.server: AdminServer | None = None
        self._audit: AuditLog | None = None
        if not settings.admin.is_served:
            return
        self._audit = AuditLog(settings.admin.audit_log, Scrubber(secrets_of(settings)))
        performer = PerformerOnLoop(Operator(app), telemetry)
        try:
            self.server = AdminServer(settings.admin, performer, self._audit, telemetry.operations)
        except OSError:
            self._audit.close()
            raise

    def close(self) -> None:
        """Stop serving it. Further calls change nothing."""
        if self.server is not None:
            self.server.close()
        if self._audit is not None:
            self._audit.close()
