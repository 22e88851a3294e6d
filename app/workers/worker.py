"""The program of a worker process: a gateway on sockets that it was given, which does as its supervisor says.

A worker has no ports but those of the gateway itself. It ends when it is told to, by the supervisor or a signal; where
the supervisor is gone, it lets open streams finish and ends, too.
"""

import asyncio
import faulthandler
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from app.admin.acts import Refused, decode_act
from app.admin.operator import Operator
from app.configuration import Configuration, Source, export
from app.edge.listener import ConnectionSlots
from app.gateway import GatewayApp
from app.main import compose, make_telemetry
from app.peers import Peers
from app.policies import load_policies
from app.recorder.capture import TransactionUnderWay
from app.recorder.recording import Body
from app.recorder.stores import StoreFailed
from app.serving.process import raise_descriptor_limit, tune_interpreter
from app.serving.process_end import do_not_wait_for_threads
from app.serving.reloading import Prepared, Reloader, ReloadRefused
from app.serving.server import THREADS_TIMEOUT, GatewayServer
from app.settings import Settings
from app.workers.balance import BalancedSlots
from app.workers.channel import Broken, Channel, receive_blocking, send_blocking
from app.workers.messages import (
    Adopt,
    Begin,
    ConsoleAt,
    Hello,
    InForce,
    Leave,
    ListUnderWay,
    NotDone,
    Perform,
    Ping,
    Prepare,
    PreparedConfiguration,
    ReadConfiguration,
    Ready,
    Replied,
    Retire,
    TakeSnapshot,
    ToSupervisor,
    ToWorker,
    Wish,
    configuration_of,
    decode_for_worker,
    decode_settings,
    encode,
    raw,
    read_configuration,
)
from app.workers.recordings import ForwardedRecordings
from app.workers.whole_lines import whole_lines
from telemetry import Worker as WorkerFiles
from telemetry.names.resource import VERSION

_log = logging.getLogger("flowspan")
_REFUSED = 2


class Supervisor:
    """The supervisor, as its worker sees it. What is said before the channel is open is kept."""

    def __init__(self, connected: socket.socket) -> None:
        self._connected = connected
        self._channel: Channel | None = None

    async def open(self) -> Channel:
        """Talk to it on the running event loop from now on."""
        self._channel = await Channel.of(self._connected)
        return self._channel

    def send(self, message: ToSupervisor) -> None:
        """Say something. A supervisor that has gone hears nothing."""
        if self._channel is not None:
            with suppress(Broken):
                self._channel.send(encode(message))


class _TakenConfiguration:
    """The configuration as the supervisor has it changed: first prepared, and served when all workers have done so."""

    def __init__(self, reloader: Reloader) -> None:
        self._reloader = reloader
        self._prepared: tuple[ReadConfiguration, Prepared] | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """What was read for it."""
        return tuple(map(str, self._reloader.files()))

    async def prepare(self, read: ReadConfiguration | None, *, is_kept: bool) -> PreparedConfiguration:
        """Check what another worker has read, or read the configuration. Raises ReloadRefused."""
        prepared = await self._reloader.prepare(None if read is None else configuration_of(read))
        read = read or read_configuration(prepared.configuration)
        self._prepared = (read, prepared) if is_kept else None
        policies = tuple(loaded.name for loaded in prepared.policies)
        lines = prepared.changed, prepared.needs_restart, prepared.warnings
        return PreparedConfiguration(read, policies, self.files, *lines)

    async def adopt(self, read: ReadConfiguration, generation: int) -> None:
        """Serve by it. Raises ReloadRefused."""
        known, self._prepared = self._prepared, None
        if known is not None and known[0] == read:
            prepared = known[1]
        else:
            prepared = await self._reloader.prepare(configuration_of(read))
        await self._reloader.adopt(prepared, generation)


class WorkerServer(GatewayServer):
    """A gateway that does as its supervisor says."""

    def __init__(self, settings: Settings, app: GatewayApp, supervisor: Supervisor, peers: Peers) -> None:
        super().__init__(settings, app)
        self._app = app
        self._supervisor = supervisor
        self._peers = peers
        self._operator = Operator(app)
        self._is_as_others = asyncio.Event()
        """Set when what is in force at other workers is in force here."""
        self._configuration: _TakenConfiguration | None = None
        self._is_leaving = False
        self._leaves_by_signal = False
        """Whether it leaves without having been told to yet."""

    async def run_until_left(self, sockets: list[socket.socket]) -> None:
        """Serve on these sockets, to the end."""
        channel = await self._supervisor.open()
        listening = asyncio.create_task(self._obey(channel))
        try:
            await self._is_as_others.wait()
            await self.serve(sockets)
        finally:
            listening.cancel()
            self._peers.flush()
            channel.close()
        do_not_wait_for_threads(THREADS_TIMEOUT)

    def connection_slots(self, most: int, share: float) -> ConnectionSlots:
        self._balanced = BalancedSlots(most, share, self._peers.process)
        return self._balanced

    def stop_accepting(self) -> None:
        super().stop_accepting()
        self._balanced.stop()

    def announce(self) -> None:
        files = () if self._configuration is None else self._configuration.files
        self._supervisor.send(Ready(self._app.gateway.policy_names, files))

    def use_reloader(self, reloader: Reloader) -> None:
        """Have the configuration read anew by it when the supervisor says so."""
        self._configuration = _TakenConfiguration(reloader)

    async def _be_as_others(self, acts: Sequence[msgspec.Raw]) -> None:
        try:
            for act in acts:
                # It may be of a name that the configuration no longer has, or an act of another release.
                with suppress(Refused, msgspec.MsgspecError):
                    await self._operator.perform(decode_act(act), "supervisor")
        finally:
            self._is_as_others.set()

    async def _perform(self, number: int, act: msgspec.Raw, actor: str) -> None:
        try:
            outcome = await self._operator.perform(decode_act(act), actor)
        except Refused as refused:
            self._supervisor.send(NotDone(number, str(refused)))
        except msgspec.MsgspecError:
            self._supervisor.send(NotDone(number, "there is no such act"))
        else:
            self._supervisor.send(Replied(number, raw(outcome)))

    async def _read_anew(self, wish: Prepare | Adopt) -> None:
        if self._configuration is None:
            self._supervisor.send(NotDone(wish.number, "there is no configuration to be read anew"))
            return
        try:
            match wish:
                case Prepare(read=read, is_kept=is_kept):
                    outcome: Struct | dict[str, Any] = await self._configuration.prepare(read, is_kept=is_kept)
                case Adopt(read=read, generation=generation):
                    await self._configuration.adopt(read, generation)
                    outcome = {}
        except ReloadRefused as refused:
            self._supervisor.send(NotDone(wish.number, "\n".join(refused.problems)))
        else:
            self._supervisor.send(Replied(wish.number, raw(outcome)))

    def handle_signals(self) -> None:
        """Leave at SIGTERM, as whoever ends all processes of the gateway sends it to the supervisor, too, which tells
        the workers. SIGHUP is the supervisor's."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for sig in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sig, self._handle_signal)

    def _handle_signal(self, sig: int, frame: FrameType | None) -> None:
        if self.loop is None:
            self.should_exit = True
        else:
            self.loop.call_soon_threadsafe(self._leave_by_signal)

    def _leave_by_signal(self) -> None:
        if not self._is_leaving:
            self._leaves_by_signal = True
            self._begin_to_leave(signal.SIGTERM)

    def _begin_to_leave(self, sig: int) -> None:
        self._is_leaving = True
        self.limit_end()
        self.handle_exit(sig, None)

    async def _obey(self, channel: Channel) -> None:
        async for data in channel.messages():
            self._take(decode_for_worker(data))
        self._is_as_others.set()
        if not self.should_exit:
            _log.warning("the supervisor is gone: open streams may finish, and this worker ends")
            self._begin_to_leave(signal.SIGINT)

    def _take(self, message: ToWorker) -> None:
        match message:
            case Leave(sig) if sig == signal.SIGTERM and self._leaves_by_signal:
                # It has had the same signal as the supervisor.
                self._leaves_by_signal = False
            case Leave(sig):
                self._begin_to_leave(sig)
            case Retire():
                self.limit_end()
                self.retire()
            case Perform() | TakeSnapshot() | ListUnderWay() | Prepare() | Adopt() | Ping():
                self._answer(message)
            case ConsoleAt(url):
                self._app.show_console(url)
            case InForce(acts):
                self._start(self._be_as_others(acts))
            case Begin():
                pass
            case _:
                self._peers.receive(message)

    def _answer(self, wish: Wish) -> None:
        match wish:
            case Perform(number, act, actor):
                self._start(self._perform(number, act, actor))
            case Prepare() | Adopt():
                self._start(self._read_anew(wish))
            case Ping(number):
                self._supervisor.send(Replied(number, raw({})))
            case TakeSnapshot(number):
                self._supervisor.send(Replied(number, raw(self._app.gateway.telemetry.snapshot())))
            case ListUnderWay(number, conversation):
                self._supervisor.send(Replied(number, raw(self._under_way(conversation))))

    def _under_way(self, conversation: str | None) -> Sequence[TransactionUnderWay]:
        capture = self._app.gateway.capture
        found = [] if capture is None else capture.under_way(conversation)
        return found if conversation else [replace(each, request=Body(), answer=()) for each in found]


def main() -> None:
    """Serve what the supervisor says, at the socket whose descriptor is the second argument."""
    # The supervisor ends a worker that hangs by SIGABRT; this shows where.
    faulthandler.enable()
    # The terminal's, and whatever is sent to all processes before anything is served.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for sig in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(sig, signal.SIG_IGN)
    descriptor = int(sys.argv[2])
    os.set_inheritable(descriptor, False)
    connected = socket.socket(fileno=descriptor)
    send_blocking(connected, encode(Hello()))
    data = receive_blocking(connected)
    begin = None if data is None else decode_for_worker(data)
    if not isinstance(begin, Begin):
        return
    connected.setblocking(False)
    sys.exit(_serve(begin, Supervisor(connected)))


def _serve(begin: Begin, supervisor: Supervisor) -> int:
    """Serve to the end; the exit status."""
    export(begin.environment)
    raise_descriptor_limit()
    settings = _settings(begin)
    folder = Path(begin.worker.folder)
    telemetry = make_telemetry(
        settings,
        load_policies(settings.policies),
        log_stream=whole_lines(sys.stderr, folder),
        worker=WorkerFiles(folder, begin.worker.index),
    )
    peers = Peers(begin.worker, supervisor.send, settings, generation=begin.generation, since=begin.since)
    recordings = None if begin.recordings is None else ForwardedRecordings(_inherited(begin.recordings))
    try:
        composition = compose(settings, telemetry, peers=peers, recording_store=recordings)
    except StoreFailed as error:
        _log.error("recordings cannot be kept: %s", error)
        return _REFUSED
    server = WorkerServer(settings, composition.app, supervisor, peers)
    source = msgspec.msgpack.decode(begin.source, type=Source)
    configuration = Configuration(settings, (), begin.environment)
    server.use_reloader(Reloader(source, configuration, composition, (server,)))
    tune_interpreter()
    sockets = [_inherited(descriptor) for descriptor in begin.sockets]
    try:
        with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
            runner.run(server.run_until_left(sockets))
    except SystemExit as ended:
        return _REFUSED if ended.code else 0
    return 0


def _settings(begin: Begin) -> Settings:
    """The settings that the supervisor has checked; a supervisor of another release may know other ones."""
    if begin.release == VERSION:
        return decode_settings(begin.settings)
    return msgspec.msgpack.decode(begin.source, type=Source).load().settings


def _inherited(descriptor: int) -> socket.socket:
    os.set_inheritable(descriptor, False)
    return socket.socket(fileno=descriptor)
