"""Serves the console from a thread with an event loop of its own, so that a slow page never holds up the gateway."""

from app.console.application import make_app
from app.console.services import Console
from app.edge.threaded_server import TcpAddress, ThreadedServer


class ConsoleServer(ThreadedServer):
    """Serves a console once it is made. Raises OSError where the address cannot be had at all."""

    def __init__(self, console: Console) -> None:
        settings = console.settings.console
        self.console = console
        super().__init__(make_app(console), TcpAddress(settings.host, settings.port), "console", console.watchers)
