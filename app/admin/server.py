"""Serves the admin API from a thread with an event loop of its own, whatever the gateway's loop does."""

import logging

from app.admin.access import Access
from app.admin.application import make_app
from app.admin.audit import AuditedPerformer
from app.edge.inherited import NO_SOCKETS, InheritedSockets
from app.edge.threaded_server import Address, TcpAddress, ThreadedServer, UnixAddress, address_or
from app.settings import AdminSettings

_log = logging.getLogger("flowspan")


class AdminServer(ThreadedServer):
    """Serves the admin API once it is made; `performer` may be asked from any event loop. Raises OSError where the
    address cannot be had at all."""

    def __init__(
        self, settings: AdminSettings, performer: AuditedPerformer, inherited: InheritedSockets = NO_SOCKETS
    ) -> None:
        address = address_or(inherited, "admin", address_of(settings))
        super().__init__(make_app(performer, Access(settings.key)), address, "admin API")
        _log.info("admin API on %s", self.url)


def address_of(settings: AdminSettings) -> Address:
    """Where the admin API is served."""
    if settings.socket is not None:
        return UnixAddress(settings.socket)
    return TcpAddress(settings.host, settings.port)
