"""A gateway in a thread with an event loop of its own, so that nobody else in the process takes time of its loop."""

import asyncio
import signal
import socket
import threading

from app.gateway import GatewayApp
from app.serving.server import GatewayServer
from app.settings import Settings
from telemetry.hosts import in_url

_START_LIMIT = 20.0


class GatewayFailed(Exception):
    """A gateway in a thread did not start, or does not run."""


class GatewayThread:
    """Serves an application on sockets that listen already; `start` and `stop` wait until it has."""

    def __init__(self, settings: Settings, app: GatewayApp, listening: socket.socket) -> None:
        self._server = _AnnouncedServer(settings, app)
        self._socket = listening
        self._thread = threading.Thread(target=self._serve, name="flowspan-gateway", daemon=True)
        self.loop: asyncio.AbstractEventLoop | None = None
        """The gateway's event loop, once it runs."""

    @property
    def url(self) -> str:
        host, port = self._socket.getsockname()[:2]
        return f"http://{in_url(host)}:{port}"

    def start(self) -> None:
        """Raises GatewayFailed."""
        self._thread.start()
        self._server.tried_to_start.wait(_START_LIMIT)
        if not self._server.started:
            raise GatewayFailed("the gateway did not start")

    def stop(self) -> None:
        if self.loop is not None and self._thread.is_alive():
            self.loop.call_soon_threadsafe(self._server.handle_exit, signal.SIGTERM, None)
        self._thread.join()

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=self._server.config.get_loop_factory()) as runner:
            self.loop = runner.get_loop()
            try:
                runner.run(self._server.serve([self._socket]))
            finally:
                self._server.tried_to_start.set()


class _AnnouncedServer(GatewayServer):
    def __init__(self, settings: Settings, app: GatewayApp) -> None:
        super().__init__(settings, app)
        self.tried_to_start = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.tried_to_start.set()
