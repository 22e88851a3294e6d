"""Serves the console from a thread with an event loop of its own, so that a slow page never holds up the gateway."""

from app.console.application import make_app
from app.console.services import Console
from app.edge.inherited import NO_SOCKETS, InheritedSockets
from app.edge.threaded_server import TcpAddress, ThreadedServer, address_or


class ConsoleServer(ThreadedServer):
    """Serves a console once it is made. Raises OSError where the address cannot be had at all."""

    def __init__(self, console: Console, inherited: InheritedSockets = NO_SOCKETS) -> None:
        settings = console.settings.console
        self.console = console
        address = address_or(inherited, "console", TcpAddress(settings.host, settings.port))
        super().__init__(make_app(console), address, "console", console.watchers)
