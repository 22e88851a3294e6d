"""The process around the application: uvicorn, the metrics port, and an orderly end.

On SIGTERM or SIGINT the gateway is unready at once, open streams may finish up to the drain limit, and what is left
then ends with an error event.
"""

import asyncio
import logging
import socket
from contextlib import suppress
from types import FrameType

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.configuration import check_bind
from app.gateway.exchange import Gateway
from app.gateway.reply import CUT
from app.main import create_app
from app.settings import Settings
from telemetry.exposition import MetricsServer

_log = logging.getLogger("flowspan")
_AFTER_DRAIN = 10
"""Seconds for the last error events to be read, before the server cancels what is left."""
_KEEP_ALIVE = 75
"""Seconds that an idle connection stays open: longer than the pools of the usual clients keep theirs, so that it is
the client who closes, and no request meets a closing connection."""


class Connection(HttpToolsProtocol):
    """uvicorn's, and a way to cut it: closing it properly would wait for a client that reads nothing."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {CUT: {"connection": self.transport.abort}}


class GatewayServer(uvicorn.Server):
    """uvicorn, with the gateway's own drain in front of its shutdown."""

    def __init__(self, settings: Settings, app: FastAPI) -> None:
        server = settings.server
        super().__init__(
            uvicorn.Config(
                app,
                host=server.host,
                port=server.port,
                loop="uvloop",
                http=Connection,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=_KEEP_ALIVE,
                timeout_graceful_shutdown=int(server.drain_timeout) + _AFTER_DRAIN,
            )
        )
        self._gateway: Gateway = app.state.gateway
        self._drain_timeout = server.drain_timeout
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def port(self) -> int:
        """The port it listens on, once started."""
        return int(self.servers[0].sockets[0].getsockname()[1])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if self.started:
            _log.info("listening on http://%s:%d", self.config.host, self.port)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal handler: it may run between any two instructions, so the drain begins in the loop's next turn."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._gateway.in_flight.drain, self._drain_timeout)
        super().handle_exit(sig, frame)


def serve(settings: Settings) -> int:
    """Serve until told to stop; gives the process's exit status. Raises UnsafeBind."""
    warning = check_bind(settings)
    app = create_app(settings)
    gateway: Gateway = app.state.gateway
    if warning:
        _log.warning(warning)
    try:
        metrics = MetricsServer(gateway.telemetry.registry, settings.server.host, settings.server.metrics_port)
    except OSError as error:
        _log.error("cannot listen on metrics port %d: %s", settings.server.metrics_port, error.strerror)
        gateway.telemetry.close()
        return 1
    _log.info("metrics on http://%s:%d/metrics", settings.server.host, metrics.port)
    server = GatewayServer(settings, app)
    try:
        with suppress(KeyboardInterrupt):
            server.run()
    finally:
        metrics.close()
    return 0 if server.started else 1
