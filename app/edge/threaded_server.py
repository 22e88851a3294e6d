"""Serves an ASGI application from a thread with an event loop of its own, on another port than the models' or on a Unix
socket: what is asked there never holds up the gateway.

Its connections are held to what the gateway's are: few enough, and each with a limit for a head that does not come and
for a client who does not read.
"""

import asyncio
import errno
import logging
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from email.utils import formatdate
from typing import Protocol

import uvloop
from msgspec import Struct
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from app.edge.connection import close_overdue
from app.edge.inherited import InheritedSockets, SocketName
from app.edge.listener import ConnectionSlots, Listener, listening_sockets
from app.edge.server_context import Limits, ServerContext
from app.edge.unix_sockets import bound_unix_socket, identity_of, remove_unix_socket
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
"""Seconds for responses that are under way at the end."""
_OWNER_ONLY = 0o600


class TcpAddress(Struct, frozen=True):
    """Where to listen. A port that another program has is replaced by a free one."""

    host: str
    port: int


class UnixAddress(Struct, frozen=True):
    """The path of a socket that only its owner may open."""

    path: str


class InheritedAddress(Struct, frozen=True):
    """A socket that listens already. `owns_file`: the file of a Unix socket is removed at the end."""

    listening: socket.socket
    owns_file: bool


Address = TcpAddress | UnixAddress | InheritedAddress


def address_or(inherited: InheritedSockets, name: SocketName, otherwise: Address) -> Address:
    """The socket of this name that the process was started with, or else another address. Raises BadSockets."""
    listening = inherited.one(name)
    return otherwise if listening is None else InheritedAddress(listening, inherited.owns_files(name))


class Closable(Protocol):
    """What keeps responses open until it is closed."""

    def close(self) -> None: ...


class ThreadedServer:
    """Serves once it is made. `name` is what it is called in the log, `closed_first` is closed at the end before
    responses are waited for. Raises OSError where the address cannot be had at all."""

    def __init__(self, app: ASGIApp, address: Address, name: str, closed_first: Closable | None = None) -> None:
        self._app = app
        self._address = address
        self._name = name
        self._closed_first = closed_first
        self._started: Future[int] = Future()
        self._file: tuple[str, tuple[int, int]] | None = None
        """The file of a Unix socket that is to be removed at the end, and what tells it from another one."""
        self._end = asyncio.Event()
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=f"flowspan-{name}", daemon=True)
        self._thread.start()
        try:
            self.port = self._started.result()
        except OSError as error:
            raise OSError(error.errno, f"the {name} cannot listen on {_text(address)}: {_reason(error)}") from None
        """The port it listens on: the one that was asked for, or a free one where that is 0 or taken; 0 for a Unix
        socket."""
        match address:
            case UnixAddress(path):
                self.url = f"unix:{path}"
            case TcpAddress(host, port):
                self.url = f"http://{in_url(host)}:{self.port}"
                if port not in (0, self.port):
                    _log.warning("port %d is taken by another program: the %s is at %s", port, name, self.url)
            case InheritedAddress(listening):
                found = listening.getsockname()
                is_unix = listening.family == socket.AF_UNIX
                self.url = f"unix:{found}" if is_unix else f"http://{in_url(found[0])}:{found[1]}"

    @property
    def sockets(self) -> Sequence[socket.socket]:
        """What it listens on."""
        return self._listening.sockets

    def hand_over(self) -> None:
        """Stop listening: another process serves on the same socket, and removes its file. Responses that are open go
        on."""
        self._file = None
        self.stop_listening()

    def stop_listening(self) -> None:
        """Give the address back, for the gateway that comes after this one; responses that are open go on. Further
        calls change nothing."""
        with suppress(RuntimeError):  # The loop is closed.
            self._loop.call_soon_threadsafe(self._listening.close)

    def close(self) -> None:
        """Stop serving; responses that go on for as long as somebody looks end. Further calls change nothing."""
        with suppress(RuntimeError):  # The loop is closed.
            self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(2 * _END_LIMIT)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        except BaseException as error:
            if self._started.done():
                _log.exception("the %s has ended", self._name)
            else:
                self._started.set_exception(error)

    async def _serve(self) -> None:
        match self._address:
            case UnixAddress(path):
                sockets = [bound_unix_socket(path, _OWNER_ONLY)]
                await self._serve_on_unix(sockets, path)
            case InheritedAddress(listening, True) if listening.family == socket.AF_UNIX:
                await self._serve_on_unix([listening], listening.getsockname())
            case InheritedAddress(listening):
                port = 0 if listening.family == socket.AF_UNIX else int(listening.getsockname()[1])
                await self._serve_on([listening], port)
            case TcpAddress(host, port):
                sockets = await _bound(host, port)
                await self._serve_on(sockets, int(sockets[0].getsockname()[1]))

    async def _serve_on_unix(self, sockets: list[socket.socket], path: str) -> None:
        self._file = (path, identity_of(path))
        try:
            await self._serve_on(sockets, 0)
        finally:
            if self._file is not None:
                remove_unix_socket(*self._file)

    async def _serve_on(self, sockets: list[socket.socket], port: int) -> None:
        state = ServerState()
        context = ServerContext(self._app, state, {}, _LIMITS)  # type: ignore[arg-type]  # Starlette's.
        # The process' own metrics are of the gateway's clients.
        metrics = ConnectionMetrics(CollectorRegistry())
        listener = Listener(sockets, context, ConnectionSlots(_CONNECTIONS, _SHARE_OF_ONE), metrics)
        self._listening = listener
        self._started.set_result(port)
        while not self._end.is_set():
            state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
            now = self._loop.time()
            close_overdue(state.connections, now)
            listener.report(now)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._end.wait(), _CHECK_INTERVAL)
        listener.close()
        if self._closed_first is not None:
            self._closed_first.close()
        await _finish(state)


def _text(address: Address) -> str:
    match address:
        case UnixAddress(path):
            return path
        case TcpAddress(host, port):
            return f"port {port} of {host}"
        case InheritedAddress(listening):
            return str(listening.getsockname())


def _reason(error: OSError) -> str:
    # asyncio adds the address, which is named already.
    return (error.strerror or str(error)).partition(" (while ")[0]


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
