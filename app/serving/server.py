"""uvicorn with the gateway's event loop and connections, and an orderly shutdown.

On SIGTERM the gateway is unready at once and serves on for a while (`lame_duck`), until load balancers have noticed.
Then, and on SIGINT at once, it accepts no more requests; open streams may finish up to the drain timeout, and those
that are left then end with an error event. One in whose place another process serves (`retire`) stays ready, and takes
no new connections.
"""

import asyncio
import ipaddress
import logging
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType
from typing import Any

import uvicorn
import uvloop
from uvicorn.config import STARTUP_FAILURE

from app.certificates import BadCertificate
from app.console import ConsoleServer
from app.edge.connection import close_overdue
from app.edge.inherited import SocketName
from app.edge.listener import ConnectionSlots, Listener, most_connections
from app.edge.server_context import Limits, ServerContext
from app.gateway import Gateway, GatewayApp
from app.lookups import Lookups, Question
from app.server_certificates import read_certificate
from app.serving.address_file import AddressFile
from app.serving.file_watch import FileWatch, Reloads
from app.serving.listening import CannotListen, Listening, listen_or_take, scheme_of
from app.serving.process_end import end_within
from app.serving.reloading import ReloadRefused
from app.serving.start import Start
from app.serving.succession import HandsOver
from app.settings import ServerSettings, Settings

_log = logging.getLogger("flowspan")
_AFTER_DRAIN = 10
"""Seconds for the last error events to be read, before the server cancels what is left."""
KEEP_ALIVE = 75
"""Seconds that an idle connection stays open: longer than the pools of the usual clients keep theirs, so that it is
the client who closes, and no request meets a closing connection."""
_STALL_MARGIN = 10
"""Seconds beyond the put timeout for which a client may read nothing before its connection is aborted."""
_TICKS_PER_CHECK = 10
"""uvicorn ticks ten times a second; connections are checked once."""
_OPENING = 2.0
"""Seconds for connections that were accepted, and are still being made, when the shutdown begins."""
THREADS_TIMEOUT = 3.0
"""Seconds that threads may still run after the last request."""
KILL_AFTER = 5.0
"""Seconds beyond the limits of an orderly shutdown after which the process is killed."""
_LOOKUPS = 64
"""Look-ups by libraries that may be under way at a time: such a name may come from a caller."""
_CLOSE = (b"connection", b"close")


class GatewayServer(uvicorn.Server):
    """uvicorn with the gateway's event loop and connections, and with a drain before its shutdown."""

    def __init__(
        self,
        settings: Settings,
        app: GatewayApp,
        console: ConsoleServer | None = None,
        start: Start | None = None,
    ) -> None:
        server, lookups = settings.server, Lookups(settings.dns, limit=_LOOKUPS)
        super().__init__(
            uvicorn.Config(
                app,
                host=server.host,
                port=server.port or 0,
                loop=partial(GatewayLoop, lookups),  # type: ignore[arg-type]  # Anything that makes one.
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=int(server.drain_timeout) + _AFTER_DRAIN,
            )
        )
        self._app = app
        self._console = console
        self._by = start or Start()
        self.beside: dict[SocketName, HandsOver] = {}
        """What else this process serves, by the names of its sockets."""
        self._is_succeeded = False
        self._leaving: asyncio.TimerHandle | None = None
        self._is_retiring = False
        self.reloader: Reloads | None = None
        """Reads the configuration anew on SIGHUP and, where the settings want it, when its files change."""
        self.address_file: AddressFile | None = None
        """Where to write at which address it listens."""
        self._reloading: set[asyncio.Task[object]] = set()
        self.loop: asyncio.AbstractEventLoop | None = None
        """The event loop it runs on, once started."""

    def use_settings(self, gateway: Gateway) -> None:
        """Go by changed settings: connections that are open keep the limits that they began with. What the settings
        name and is read of files, such as certificates, is to be read anew here."""
        settings = gateway.settings
        self._context.limits = _limits(settings)
        try:
            self._context.tls = self._tls_context()
        except BadCertificate as error:
            # It was good when the configuration was checked, a moment ago.
            _log.error("the certificate before stays in use: %s", error)
        self._slots.resize(most_connections(settings.server.max_connections), settings.server.address_share)

    @property
    def _settings(self) -> Settings:
        return self._app.gateway.settings

    @property
    def port(self) -> int:
        """The port it listens on, once started; 0 where it has none."""
        return self._listening.port

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application and listen. Raises SystemExit, after a line in the log, where either fails."""
        self.loop = asyncio.get_running_loop()
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(STARTUP_FAILURE)
        try:
            tls = self._tls_context()
            server = self._settings.server
            if sockets:
                self._listening = Listening(sockets, scheme=scheme_of(server))
            else:
                self._listening = await listen_or_take(server, self._by.inherited)
        except (BadCertificate, CannotListen) as error:
            _log.error(str(error))
            await self.lifespan.shutdown()
            sys.exit(STARTUP_FAILURE)
        self._listener = self._listen(self._listening.sockets, tls)
        self.servers = [self._listener]  # type: ignore[list-item]
        self.started = True
        if self.reloader is not None:
            self._start(FileWatch(self.reloader).run())
        if self.address_file is not None:
            self.address_file.write(self._listening.sockets, scheme_of(self._settings.server))
        self.announce()
        self._life = asyncio.create_task(self._by.manager.show_life())
        self._by.manager.ready()
        self._by.predecessor.announce()

    def announce(self) -> None:
        """Say that it listens."""
        _log.info("listening on %s", self._listening)

    def stop_accepting(self) -> None:
        """Take no more connections; those that are open go on."""
        self._listener.close()
        self._listening.close()

    def retire(self) -> None:
        """Take no more connections, since another process does, and end when those that are open have. Each is closed
        after its next response; after the lame duck's time they are drained."""
        if self.should_exit or self._leaving is not None:
            return
        self._is_retiring = True
        self.stop_accepting()
        self._close_connections()
        self._leaving = asyncio.get_running_loop().call_later(self._settings.server.lame_duck, self._drain)

    def _tls_context(self) -> ssl.SSLContext | None:
        """What the port is encrypted with, read anew. Raises BadCertificate."""
        tls = self._settings.server.tls
        if not tls.is_on:
            return None
        certificate = read_certificate(tls)
        self._app.gateway.telemetry.metrics.connections.certificate(certificate.subject, certificate.validity.not_after)
        return certificate.context

    def _listen(self, bound: Sequence[socket.socket], tls: ssl.SSLContext | None) -> Listener:
        self._context = ServerContext(
            self.config.loaded_app, self.server_state, self.lifespan.state, _limits(self._settings), tls
        )
        server = self._settings.server
        most = most_connections(server.max_connections)
        if most < server.max_connections:
            _log.warning("%d connections of clients at most: the limit of open files allows no more", most)
        self._slots = self.connection_slots(most, server.address_share)
        return Listener(bound, self._context, self._slots, self._app.gateway.telemetry.metrics.connections)

    def connection_slots(self, most: int, share: float) -> ConnectionSlots:
        """What counts connections: `most` in all, the `share` of one address."""
        return ConnectionSlots(most, share)

    async def on_tick(self, counter: int) -> bool:
        """Close connections whose request is late, and report how many there are; uvicorn calls this ten times a
        second."""
        if counter % _TICKS_PER_CHECK == 0:
            now = asyncio.get_running_loop().time()
            if ended := close_overdue(self.server_state.connections, now):
                limit = self._settings.server.header_timeout
                _log.warning("%d connections closed: no head of a request within %g s", ended, limit)
            self._listener.report(now)
        if self._is_retiring and not self._has_connections and not self.should_exit:
            self._drain()
        return await super().on_tick(counter)

    @property
    def _has_connections(self) -> bool:
        return bool(self.server_state.connections or self._listener.opening)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Give the ports back, and let open requests end. Whoever starts a gateway then finds its console where this
        one's was."""
        for task in self._reloading:
            task.cancel()
        if self._console is not None:
            self._console.stop_listening()
        self._context.is_draining = True
        await self._listener.opened(_OPENING)
        await super().shutdown(sockets)

    @property
    def end_limit(self) -> float:
        """Seconds that an orderly shutdown may take, from the first signal on."""
        return end_limit(self._settings.server)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle SIGTERM, SIGINT and SIGHUP inside the block. uvicorn raises the signal again after its shutdown; here
        an orderly end is a success, with exit status 0."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self.handle_signals()
        try:
            yield
        finally:
            # The rest of the shutdown has its limit, and no signal is to break it off.
            for sig in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGINT):
                signal.signal(sig, signal.SIG_IGN)

    def handle_signals(self) -> None:
        """Have signals handled from now on. Called in the main thread."""
        signal.signal(signal.SIGHUP, self._handle_reload)
        for sig in (signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(sig, self._handle_succession)
        for sig in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sig, self._handle_end)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin the shutdown in the loop's next turn: a signal handler may run between any two instructions."""
        if self.loop is None or not self.started:
            self.should_exit = True
        else:
            self.loop.call_soon_threadsafe(self._leave, sig)

    def _handle_end(self, sig: int, frame: FrameType | None) -> None:
        self.limit_end()
        self.handle_exit(sig, frame)

    def limit_end(self) -> None:
        """Have the process killed where its end takes longer than it should."""
        end_within(self.end_limit + KILL_AFTER)

    def _handle_reload(self, sig: int, frame: FrameType | None) -> None:
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self._reload)

    def _reload(self) -> None:
        if self.reloader is None:
            _log.warning("SIGHUP: there is no configuration to be read anew")
        elif self.started and not self.should_exit:
            self._start(self._reload_by_signal(self.reloader))

    async def _reload_by_signal(self, reloader: Reloads) -> None:
        self._by.manager.reloading()
        # What became of it is in the log.
        with suppress(ReloadRefused):
            await reloader.reload("SIGHUP")
        self._by.manager.ready()

    def _handle_succession(self, sig: int, frame: FrameType | None) -> None:
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self._succeed)

    def _succeed(self) -> None:
        if self.started and not (self.should_exit or self._leaving is not None or self._is_succeeded):
            self._is_succeeded = True
            self._start(self._be_succeeded())

    async def _be_succeeded(self) -> None:
        """Have another process serve in the place of this one, and retire when it does."""
        self._is_succeeded = await self._by.hand_over(self._listening, self.beside)
        if self._is_succeeded:
            self.limit_end()
            self.retire()

    def _start(self, work: Coroutine[object, object, object]) -> None:
        task = asyncio.create_task(work)
        self._reloading.add(task)
        task.add_done_callback(self._reloading.discard)

    def _leave(self, sig: int) -> None:
        self._by.manager.stopping()
        in_flight, lame_duck = self._app.gateway.in_flight, self._settings.server.lame_duck
        if self.should_exit:
            self.force_exit = self.force_exit or sig == signal.SIGINT
        elif sig == signal.SIGTERM and lame_duck and not in_flight.leaving:
            _log.info("leaving: unready from now on, and serving on for %g s", lame_duck)
            in_flight.leave()
            self._close_connections()
            self._leaving = asyncio.get_running_loop().call_later(lame_duck, self._drain)
        else:
            self._drain()

    def _close_connections(self) -> None:
        """Close each connection after its next response, so that no request meets a connection that is closing."""
        self.config.encoded_headers.append(_CLOSE)
        self.server_state.default_headers = [*self.server_state.default_headers, _CLOSE]

    def _drain(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()
        limit = self._settings.server.drain_timeout
        self.config.timeout_graceful_shutdown = int(limit) + _AFTER_DRAIN
        self.should_exit = True
        self.stop_accepting()
        self._app.gateway.in_flight.drain(limit)


def end_limit(server: ServerSettings) -> float:
    """Seconds that an orderly shutdown may take, from the first signal on."""
    return server.lame_duck + server.drain_timeout + _AFTER_DRAIN + THREADS_TIMEOUT


def _limits(settings: Settings) -> Limits:
    server = settings.server
    return Limits(
        header_size=server.header_limit,
        header_timeout=server.header_timeout,
        keep_alive=KEEP_ALIVE,
        linger_timeout=server.linger_timeout,
        linger_size=server.linger_limit,
        stall=settings.pipeline.put_timeout + _STALL_MARGIN,
    )


class GatewayLoop(uvloop.Loop):
    """uvloop's event loop with the gateway's look-up of names.

    uvloop looks names up in four threads, which four slow names occupy, and which the process waits for at its end. The
    gateway itself does not ask the loop for addresses; libraries with connections of their own do, such as LiteLLM.
    """

    def __init__(self, lookups: Lookups) -> None:
        super().__init__()
        self._lookups = lookups

    async def getaddrinfo(
        self, host: Any, port: Any, *, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> list[Any]:
        if not _is_name(host) or not isinstance(port, int | None):
            return await super().getaddrinfo(host, port, family=family, type=type, proto=proto, flags=flags)
        found = await self._lookups.find(Question(host, family, type, proto, flags))
        return [(*info, (address[0], port or 0, *address[2:])) for *info, address in found]


def _is_name(host: object) -> bool:
    """Whether a host is a name that can be looked up, and not an address."""
    if not isinstance(host, str) or not host:
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return True
    return False
