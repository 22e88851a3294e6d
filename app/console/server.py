"""Serves the console from a thread with an event loop of its own, so that a slow page never holds up the gateway.

Its connections are held to what the gateway's are (`app/edge`): few enough, and each with a limit for a head that does
not come and for a visitor who does not read.
"""

import asyncio
import errno
import logging
import socket
import threading
from concurrent.futures import Future
from contextlib import suppress
from email.utils import formatdate

import uvloop
from prometheus_client import CollectorRegistry
from uvicorn.server import ServerState

from app.console.application import make_app
from app.console.services import Console
from app.edge.connection import Limits, ServerContext, close_overdue
from app.edge.listener import ConnectionSlots, Listener, listening_sockets
from telemetry import ConnectionMetrics
from telemetry.hosts import in_url

_log = logging.getLogger("flowspan")
_CONNECTIONS = 128
_SHARE_OF_ONE = 0.75
"""The part of them that one address may have: usually there is one visitor."""
_LIMITS = Limits(
    header_size=64 * 1024, header_timeout=10, keep_alive=30, linger_timeout=5, linger_size=4 * 1024**2, stall=30
)
_CHECK_INTERVAL = 1.0
_END_LIMIT = 2.0
"""Seconds for responses that are under way when the console closes."""


class ConsoleServer:
    """Serves a console once it is made. `port` is the one it listens on: the configured one, or a free one where that
    is 0 or taken; `close()` frees it. Raises OSError where the address cannot be had at all."""

    def __init__(self, console: Console) -> None:
        settings = console.settings.console
        self.console = console
        self._started: Future[int] = Future()
        self._end = asyncio.Event()
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="flowspan-console", daemon=True)
        self._thread.start()
        self.port = self._started.result()
        self.url = f"http://{in_url(settings.host)}:{self.port}"
        if settings.port not in (0, self.port):
            _log.warning("port %d is taken by another program: the console is at %s", settings.port, self.url)

    def stop_listening(self) -> None:
        """Give the port back, for the gateway that comes after this one; pages that are open go on. Further calls
        change nothing."""
        with suppress(RuntimeError):  # The loop is closed.
            self._loop.call_soon_threadsafe(self._listening.close)

    def close(self) -> None:
        """Stop serving; pages that somebody looks at end. Further calls change nothing."""
        with suppress(RuntimeError):  # The loop is closed.
            self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(2 * _END_LIMIT)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        except BaseException as error:
            if self._started.done():
                _log.exception("the console has ended")
            else:
                self._started.set_exception(error)

    async def _serve(self) -> None:
        settings = self.console.settings.console
        sockets = await _bound(settings.host, settings.port)
        state = ServerState()
        context = ServerContext(make_app(self.console), state, {}, _LIMITS)  # type: ignore[arg-type]  # Starlette's.
        # The process' own metrics are of the gateway's clients.
        metrics = ConnectionMetrics(CollectorRegistry())
        listener = Listener(sockets, context, ConnectionSlots(_CONNECTIONS, _SHARE_OF_ONE), metrics)
        self._listening = listener
        self._started.set_result(int(sockets[0].getsockname()[1]))
        while not self._end.is_set():
            state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
            now = self._loop.time()
            close_overdue(state.connections, now)
            listener.report(now)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._end.wait(), _CHECK_INTERVAL)
        listener.close()
        self.console.watchers.close()
        await _finish(state)


async def _finish(state: ServerState) -> None:
    """Let responses that are under way finish, for a bounded time."""
    for connection in list(state.connections):
        connection.shutdown()
    if state.tasks:
        await asyncio.wait(state.tasks, timeout=_END_LIMIT)


async def _bound(host: str, port: int) -> list[socket.socket]:
    """Sockets on the port, or on a free one where another program has it. Raises OSError."""
    try:
        return await listening_sockets(host, port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
    return await listening_sockets(host, 0)
