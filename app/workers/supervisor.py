"""The process that looks after the workers: it has the ports, and serves no request itself.

It binds the listening sockets once; all workers accept on them, and one that starts later does, too. So no connection
is refused while a worker is replaced. SIGTERM and SIGINT end the workers as they end a gateway of one process; SIGUSR2
replaces them one by one. Where the supervisor itself is killed, the workers see it, and end.
"""

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Coroutine, Sequence
from contextlib import ExitStack, suppress
from functools import partial

import uvloop

from app.admin.acts import Refused, RestartWorkers
from app.admin.administration import Administration
from app.admin.audit import Actor, AuditedPerformer, AuditFailed
from app.admin.merging import merged
from app.admission import SharedSlots
from app.configuration import (
    Configuration,
    Source,
    check_bind,
    where_keys_are,
)
from app.console import Console, ConsoleServer
from app.edge.inherited import BadSockets, SocketName
from app.main import secrets_of
from app.quotas import Quotas, StateLost, rules_of
from app.recorder.opening import open_store
from app.recorder.stores import StoreFailed
from app.serving.address_file import AddressFile
from app.serving.administration import AuditedReloads
from app.serving.file_watch import FileWatch
from app.serving.listening import CannotListen, Listening, listen_or_take, scheme_of
from app.serving.process import metrics_server, raise_descriptor_limit
from app.serving.process_end import end_within
from app.serving.reloading import ReloadRefused
from app.serving.server import KILL_AFTER, end_limit
from app.serving.start import Start
from app.serving.succession import HandsOver
from app.settings import Settings, WorkerProcess
from app.workers.administration import FleetOperator
from app.workers.balance import ConnectionCounts
from app.workers.cores import usable_cores
from app.workers.fleet import SLOTS_PER_WORKER, Fleet, StartFailed
from app.workers.folder import SharedFolder, shared_folder
from app.workers.handle import Worker
from app.workers.live import LiveFleet
from app.workers.messages import Begin, ConsoleAt, raw
from app.workers.recordings import RecordingIntake
from app.workers.reloading import FleetConfiguration, FleetReloads
from app.workers.whole_lines import whole_lines
from telemetry import MergedMetrics, MetricsServer, Scrubber
from telemetry.logs.console import install, show
from telemetry.names.resource import VERSION

_log = logging.getLogger("flowspan")
_FAILED = 2
_MARGIN = 5.0
"""Seconds beyond those of the workers' end that the supervisor's own may take."""


def supervise(
    source: Source, configuration: Configuration, address_file: str | None = None, start: Start | None = None
) -> int:
    """Serve with several processes until a signal ends it; return the exit status, 2 where none could start. In
    `address_file` it is written where they listen. Raises UnsafeBind."""
    warnings = check_bind(configuration.settings)
    raise_descriptor_limit()
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(shared_folder())
        except OSError as error:
            sys.stderr.write(f"the folder that workers share cannot be made: {error}\n")
            return _FAILED
        metrics = MergedMetrics(folder.path, configuration.settings.telemetry.semconv)
        scrub = Scrubber(tuple(secrets_of(configuration.settings)))
        lines = _Lines(configuration.settings, scrub, folder, metrics)
        stack.callback(lines.close)
        for warning in warnings:
            _log.warning(warning)
        written = None if address_file is None else AddressFile(address_file)
        if written is not None:
            stack.callback(written.remove)
        runner = stack.enter_context(asyncio.Runner(loop_factory=uvloop.new_event_loop))
        supervisor = _Supervisor(source, configuration, folder, metrics, lines, written, start or Start())
        return runner.run(supervisor.run())


class _Supervisor:
    """One run. The configuration is the one that workers which start are to serve."""

    def __init__(
        self,
        source: Source,
        configuration: Configuration,
        folder: SharedFolder,
        merged: MergedMetrics,
        lines: "_Lines",
        address_file: AddressFile | None,
        start: Start,
    ) -> None:
        self._lines = lines
        self._merged = merged
        self._address_file = address_file
        self._by = start
        self._beside: dict[SocketName, HandsOver] = {}
        """What this process serves, by the names of its sockets."""
        self._is_succeeded = False
        self._configuration = FleetConfiguration(source, configuration)
        self._folder = folder
        workers = configuration.settings.server.workers
        self._count = usable_cores() if workers == "auto" or workers is None else workers
        self._listening = Listening(())
        self._ended = asyncio.Event()
        self._hurries = asyncio.Event()
        """Set when the gateway is to end without its lame duck."""
        self._tasks: set[asyncio.Task[None]] = set()
        """Reloads and rolling restarts that are under way, and the watch of the configuration's files."""

    async def run(self) -> int:
        """Serve until a signal ends it; the exit status."""
        settings = self._configuration.current.settings
        server = settings.server
        try:
            self._listening = await listen_or_take(server, self._by.inherited)
        except CannotListen as error:
            _log.error(str(error))
            return _FAILED
        created = settings.telemetry.created_timestamps
        try:
            metrics = metrics_server(server, self._merged.registry, created, self._by.inherited.one("metrics"))
        except (BadSockets, OSError) as error:
            _log.error(error.strerror if isinstance(error, OSError) else str(error))
            self._stop_listening()
            return _FAILED
        self._beside["metrics"] = metrics
        counts = ConnectionCounts(self._folder.path, self._count * SLOTS_PER_WORKER)
        slots = SharedSlots(self._folder.path, self._count * SLOTS_PER_WORKER)
        try:
            self._recordings = _intake(settings)
        except StoreFailed as error:
            _log.error("recordings cannot be kept: %s", error)
            self._stop_listening()
            metrics.close()
            return _FAILED
        process = WorkerProcess(0, self._count * SLOTS_PER_WORKER, str(self._folder.path))
        quotas = Quotas(rules_of(settings), settings.quotas, process, saves=True)
        try:
            await quotas.start()
        except StateLost as error:
            _log.error("limits cannot be counted: %s", error)
            self._stop_listening()
            metrics.close()
            return _FAILED
        self._quotas = quotas
        shared = (counts, slots, quotas, self._merged)
        self._fleet = Fleet(self._count, self._launch, shared=shared, metrics=self._merged.workers, merged=merged)
        try:
            return await self._serve(settings, metrics)
        finally:
            self._stop_listening()
            await self._fleet.ended(end_limit(server) + KILL_AFTER)
            if self._recordings is not None:
                await asyncio.to_thread(self._recordings.close)
            await quotas.close()
            metrics.close()

    async def _serve(self, settings: Settings, metrics: MetricsServer) -> int:
        self._handle_signals()
        if settings.keys:
            _log.info("callers need a key: %s", where_keys_are(settings))
        try:
            ready = await self._fleet.start()
        except StartFailed:
            self._fleet.leave(signal.SIGINT)
            # A signal during the start is no failure.
            return 0 if self._ended.is_set() else _FAILED
        if self._address_file is not None:
            self._address_file.write(self._listening.sockets, scheme_of(settings.server))
        _log.info("listening on %s with %d workers", self._listening, self._count)
        try:
            console = self._console_server(settings, ready.policies)
        except (BadSockets, OSError) as error:
            _log.error(error.strerror if isinstance(error, OSError) else str(error))
            self._fleet.leave(signal.SIGINT)
            return _FAILED
        self._configuration.note(ready)
        parts = (_Pages(console, metrics), self._lines)
        reloads = FleetReloads(self._configuration, self._fleet, self._merged.configuration, self._quotas, parts)
        try:
            administration = self._administration(settings, FleetOperator(self._fleet, reloads))
        except (AuditFailed, BadSockets, OSError) as error:
            _log.error(error.strerror if isinstance(error, OSError) else str(error))
            if console is not None:
                await asyncio.to_thread(console.close)
            self._fleet.leave(signal.SIGINT)
            return _FAILED
        try:
            await self._until_ended(settings, console, AuditedReloads(reloads, administration.audited), administration)
        finally:
            await asyncio.to_thread(administration.close)
        return 0

    async def _until_ended(
        self,
        settings: Settings,
        console: ConsoleServer | None,
        reloads: AuditedReloads,
        administration: Administration,
    ) -> None:
        if console is not None:
            self._beside["console"] = console
        if administration.server is not None:
            self._beside["admin"] = administration.server
        self._do(FileWatch(reloads).run())
        self._handle_changes(reloads, administration.audited)
        self._by.manager.ready()
        self._by.predecessor.announce()
        life = asyncio.create_task(self._by.manager.show_life())
        try:
            await self._until_left(settings, console)
        finally:
            life.cancel()

    async def _until_left(self, settings: Settings, console: ConsoleServer | None) -> None:
        await self._ended.wait()
        for task in self._tasks:
            task.cancel()
        if console is not None:
            # Whoever starts a gateway then finds its console where this one's was.
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurries.wait(), settings.server.lame_duck)
            console.stop_listening()
        await self._fleet.ended(end_limit(settings.server) + KILL_AFTER)
        if console is not None:
            await asyncio.to_thread(console.close)

    def _administration(self, settings: Settings, operator: FleetOperator) -> Administration:
        """What acts on all workers. Raises AuditFailed and OSError."""
        return Administration(
            settings.admin, operator, operator, self._merged.operations, self._lines.scrub, self._by.inherited
        )

    def _launch(self, index: int) -> Worker:
        in_use = self._configuration.in_use
        current = in_use.configuration
        sockets = tuple([one.fileno() for one in self._listening.sockets])
        process = WorkerProcess(index, self._count * SLOTS_PER_WORKER, str(self._folder.path))
        recordings, theirs = (None, None) if self._recordings is None else socket.socketpair()
        begin = Begin(
            VERSION,
            raw(self._configuration.source),
            raw(current.settings),
            dict(current.environment),
            in_use.generation,
            in_use.since,
            process,
            sockets,
            None if theirs is None else theirs.fileno(),
        )
        inherited = (*sockets, self._folder.lock, *([] if theirs is None else [theirs.fileno()]))
        try:
            return Worker(begin, inherited)
        finally:
            if self._recordings is not None and recordings is not None and theirs is not None:
                theirs.close()
                self._recordings.take_from(recordings)

    def _console_server(self, settings: Settings, policies: Sequence[str]) -> ConsoleServer | None:
        """The running console; None where it is turned off. Raises OSError where its address cannot be had."""
        if not settings.console.enabled:
            return None
        live = LiveFleet(self._fleet)
        under_way = None if self._recordings is None else live
        console = ConsoleServer(Console(settings, live, self._recordings, policies, under_way), self._by.inherited)
        self._fleet.announce(ConsoleAt(console.url))
        _log.info("console on %s", console.url)
        return console

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for sig in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sig, partial(self._leave, sig))

    def _handle_changes(self, reloads: AuditedReloads, audited: AuditedPerformer) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, lambda: self._do(self._reload_by_signal(reloads)))
        loop.add_signal_handler(signal.SIGUSR1, self._succeed)
        loop.add_signal_handler(signal.SIGUSR2, lambda: self._do(_roll(audited)))

    async def _reload_by_signal(self, reloads: AuditedReloads) -> None:
        self._by.manager.reloading()
        # What became of it is in the log.
        with suppress(ReloadRefused):
            await reloads.reload("SIGHUP")
        self._by.manager.ready()

    def _succeed(self) -> None:
        if not (self._ended.is_set() or self._is_succeeded):
            self._is_succeeded = True
            self._do(self._be_succeeded())

    async def _be_succeeded(self) -> None:
        """Have another process serve in the place of this one and its workers, and retire when it does."""
        self._is_succeeded = await self._by.hand_over(self._listening, self._beside)
        if self._is_succeeded:
            self._stop_listening()
            self._end_in_time()
            self._fleet.retire()
            self._hurries.set()
            self._ended.set()

    def _end_in_time(self) -> None:
        end_within(end_limit(self._configuration.current.settings.server) + KILL_AFTER + _MARGIN)

    def _leave(self, sig: signal.Signals) -> None:
        self._by.manager.stopping()
        self._end_in_time()
        # The workers have the sockets, too, for as long as they accept.
        self._stop_listening()
        if sig == signal.SIGINT or self._ended.is_set():
            self._hurries.set()
        self._ended.set()
        self._fleet.leave(sig)

    def _stop_listening(self) -> None:
        self._listening.close()

    def _do(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _roll(audited: AuditedPerformer) -> None:
    with suppress(Refused, AuditFailed):
        await audited.perform(RestartWorkers(), Actor("SIGUSR2"))


class _Lines:
    """The log of the supervisor, as far as it goes by the settings."""

    def __init__(self, settings: Settings, scrub: Scrubber, folder: SharedFolder, metrics: MergedMetrics) -> None:
        self.scrub = scrub
        options = settings.telemetry
        self._form = options.log_level, options.log_format
        stream = whole_lines(sys.stderr, folder.path)
        self._writer = install(options.log_level, metrics.exports, scrub, stream, options.log_format)

    def use_settings(self, settings: Settings, policies: Sequence[str], generation: int) -> None:
        """Write lines from the level on, and in the format, that is set now, without what is secret now."""
        self.scrub.hide(secrets_of(settings))
        level, format = wanted = settings.telemetry.log_level, settings.telemetry.log_format
        # Else an operator's level would end with any reload.
        if wanted != self._form:
            self._form = wanted
            show(self._writer, level, self.scrub, format)

    def close(self) -> None:
        """Write what waits."""
        self._writer.close()


class _Pages:
    """The console and the metrics port, as far as they go by the settings."""

    def __init__(self, console: ConsoleServer | None, metrics: MetricsServer) -> None:
        self._console = console
        self._metrics = metrics

    def use_settings(self, settings: Settings, policies: Sequence[str], generation: int) -> None:
        """Show the gateway by its changed settings, to whom they let in."""
        self._metrics.admit(settings.server.metrics_token, settings.server.allowed_hosts)
        if self._console is not None:
            self._console.console.use(settings, policies, generation)


def _intake(settings: Settings) -> RecordingIntake | None:
    """What writes the recordings; None where nothing is recorded. Raises StoreFailed."""
    return None if settings.recorder.store == "off" else RecordingIntake(open_store(settings.recorder))
