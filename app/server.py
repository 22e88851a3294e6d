"""The process around the application: uvicorn, the metrics port, and an orderly end.

On SIGTERM or SIGINT the gateway is unready at once, open streams may finish up to the drain limit, and what is left
then ends with an error event.
"""

import asyncio
import gc
import logging
import resource
import socket
from contextlib import suppress
from types import FrameType

import uvicorn

from app.configuration import check_bind
from app.connection import connections_with, end_late_heads
from app.gateway.door import Door
from app.main import create_app
from app.settings import Settings
from telemetry.exposition import MetricsServer

_log = logging.getLogger("flowspan")
_AFTER_DRAIN = 10
"""Seconds for the last error events to be read, before the server cancels what is left."""
_KEEP_ALIVE = 75
"""Seconds that an idle connection stays open: longer than the pools of the usual clients keep theirs, so that it is
the client who closes, and no request meets a closing connection."""
_TICKS = 10
"""From one look at the connections to the next: a second."""


class GatewayServer(uvicorn.Server):
    """uvicorn, with the gateway's own connections, and its drain in front of the shutdown."""

    def __init__(self, settings: Settings, app: Door) -> None:
        server = settings.server
        super().__init__(
            uvicorn.Config(
                app,
                host=server.host,
                port=server.port,
                loop="uvloop",
                http=connections_with(server.header_limit),
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=_KEEP_ALIVE,
                timeout_graceful_shutdown=int(server.drain_timeout) + _AFTER_DRAIN,
            )
        )
        self._gateway = app.gateway
        self._drain_timeout = server.drain_timeout
        self._header_timeout = server.header_timeout
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

    async def on_tick(self, counter: int) -> bool:
        """uvicorn's, ten times a second."""
        if counter % _TICKS == 0:
            since = asyncio.get_running_loop().time() - self._header_timeout
            if ended := end_late_heads(self.server_state.connections, since):
                _log.warning("%d connections closed: no head of a request within %g s", ended, self._header_timeout)
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal handler: it may run between any two instructions, so the drain begins in the loop's next turn."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._gateway.in_flight.drain, self._drain_timeout)
        super().handle_exit(sig, frame)


def _spare_the_collector() -> None:
    """What the start made stays to the end: the garbage collector need not walk over it again. A request makes few
    cycles; looking for them every 700 objects took 5 % of the time of a busy gateway."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def serve(settings: Settings) -> int:
    """Serve until told to stop; gives the process's exit status, 2 where it could not begin. Raises UnsafeBind."""
    warning = check_bind(settings)
    _take_all_descriptors()
    app = create_app(settings)
    gateway = app.gateway
    if warning:
        _log.warning(warning)
    try:
        metrics = MetricsServer(gateway.telemetry.registry, settings.server.host, settings.server.metrics_port)
    except OSError as error:
        _log.error("cannot listen on metrics port %d: %s", settings.server.metrics_port, error.strerror)
        gateway.telemetry.close()
        return 2
    _log.info("metrics on http://%s:%d/metrics", settings.server.host, metrics.port)
    server = GatewayServer(settings, app)
    _spare_the_collector()
    try:
        # uvicorn leaves by SystemExit where it cannot listen, which it has told then.
        with suppress(KeyboardInterrupt, SystemExit):
            server.run()
    finally:
        metrics.close()
    return 0 if server.started else 2


def _take_all_descriptors() -> None:
    """A stream has two, its client's and its provider's, and the usual limit is 1024; what is allowed is more."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
