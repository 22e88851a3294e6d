"""Runs a gateway and its metrics port as a process, with the limits and intervals that hold for the whole interpreter.

The process ends soon after the last request, whatever still runs in its threads.
"""

import asyncio
import errno
import gc
import logging
import resource
import socket
import sys
from contextlib import ExitStack, suppress
from functools import partial

from prometheus_client import CollectorRegistry

from app.admin.audit import AuditFailed
from app.configuration import Configuration, Source, check_bind, where_keys_are
from app.console import Console, ConsoleServer
from app.edge.inherited import BadSockets, InheritedSockets, SocketName
from app.edge.listener import not_listening
from app.gateway import Gateway, GatewayApp
from app.main import Composition, compose
from app.quotas import Quotas, StateLost
from app.recorder.stores import StoreFailed
from app.serving.address_file import AddressFile
from app.serving.administration import AuditedReloads, administration_of
from app.serving.listening import CannotListen, listen
from app.serving.process_end import do_not_wait_for_threads
from app.serving.reloading import Reloader
from app.serving.server import THREADS_TIMEOUT, GatewayServer
from app.serving.start import Start
from app.serving.succession import HandsOver
from app.settings import ServerSettings
from telemetry import MetricsServer
from telemetry.hosts import in_url

_log = logging.getLogger("flowspan")
_SWITCH_INTERVAL = 0.0005
"""Seconds."""


def serve(
    configuration: Configuration, source: Source, address_file: str | None = None, start: Start | None = None
) -> int:
    """Serve until a signal ends it; return the process's exit status, 2 where it could not start. `source` is where the
    configuration was read, and will be read anew; in `address_file` it is written where the gateway listens. Raises
    UnsafeBind."""
    settings = configuration.settings
    warnings = check_bind(settings)
    raise_descriptor_limit()
    try:
        composition = compose(settings)
    except StoreFailed as error:
        _log.error("recordings cannot be kept: %s", error)
        return 2
    for warning in warnings:
        _log.warning(warning)
    if settings.keys:
        _log.info("callers need a key: %s", where_keys_are(settings))
    with ExitStack() as stack:
        try:
            server = _server(configuration, source, composition, start or Start(), stack)
            if address_file is not None:
                server.address_file = AddressFile(address_file)
                stack.callback(server.address_file.remove)
        except (AuditFailed, BadSockets, OSError) as error:
            _log.error(error.strerror if isinstance(error, OSError) else str(error))
            give_up(composition.gateway)
            return 2
        tune_interpreter()
        return _served(server, composition)


def _server(
    configuration: Configuration, source: Source, composition: Composition, start: Start, stack: ExitStack
) -> GatewayServer:
    """The gateway's server, with what else is served already, which `stack` closes. Raises AuditFailed, BadSockets, and
    OSError, whose text says what cannot be had."""
    app, settings, inherited = composition.app, configuration.settings, start.inherited
    telemetry = app.gateway.telemetry
    created = telemetry.options.created_timestamps
    try:
        metrics = metrics_server(settings.server, telemetry.registry, created, inherited.one("metrics"))
    except OSError:
        _report_port_taken(settings.server)
        raise
    stack.callback(metrics.close)
    beside: dict[SocketName, HandsOver] = {"metrics": metrics}
    console = _console_server(app, inherited)
    if console is not None:
        stack.callback(console.close)
        beside["console"] = console
    server = GatewayServer(settings, app, console, start)
    reloader = Reloader(source, configuration, composition, (server, _Pages(console, metrics)))
    administration = administration_of(app, reloader, inherited)
    stack.callback(administration.close)
    if administration.server is not None:
        beside["admin"] = administration.server
    server.reloader = AuditedReloads(reloader, administration.audited)
    server.beside = beside
    return server


def _served(server: GatewayServer, composition: Composition) -> int:
    """Serve until the end; the exit status."""
    try:
        with (
            suppress(KeyboardInterrupt),
            asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner,
        ):
            runner.run(_until_served(server, composition.lasting.quotas))
    except StateLost as error:
        _log.error("limits cannot be counted: %s", error)
        give_up(composition.gateway)
        return 2
    except SystemExit as ended:
        # uvicorn leaves so where it cannot listen, and has logged why; a signal does before uvicorn handles it.
        return 2 if ended.code else 0
    return 0


class _Pages:
    """The console and the metrics port, as far as they go by the settings."""

    def __init__(self, console: ConsoleServer | None, metrics: MetricsServer) -> None:
        self._console = console
        self._metrics = metrics

    def use_settings(self, gateway: Gateway) -> None:
        """Show the gateway by its changed settings, to whom they let in."""
        settings = gateway.settings
        self._metrics.admit(settings.server.metrics_token, settings.server.allowed_hosts)
        if self._console is not None:
            self._console.console.use(settings, gateway.policy_names, gateway.generation)


def give_up(gateway: Gateway) -> None:
    """Close what a gateway has open that will not be served."""
    if gateway.recorder is not None:
        gateway.recorder.close()
    gateway.telemetry.close()


async def _until_served(server: GatewayServer, quotas: Quotas) -> None:
    # Before the application, which has no other words for a failure than where in the code it was.
    await quotas.start()
    await server.serve()
    do_not_wait_for_threads(THREADS_TIMEOUT)


def metrics_server(
    settings: ServerSettings,
    registry: CollectorRegistry,
    created_timestamps: bool,
    listening: socket.socket | None = None,
) -> MetricsServer:
    """The running server of the metrics port: on a socket that listens already, where there is one; else on the wanted
    port, or on a free one where another program has that. Raises OSError where there is no port to be had."""
    host, port = settings.metrics_host, settings.metrics_port
    listen = partial(
        MetricsServer,
        registry,
        host,
        token=settings.metrics_token,
        allowed_hosts=settings.allowed_hosts,
        created_timestamps=created_timestamps,
        listening=listening,
    )
    try:
        try:
            metrics = listen(port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            metrics = listen(0)
            taken = "metrics port %d of %s is taken by another program: the metrics are on port %d instead"
            _log.warning(taken, port, host, metrics.port)
    except OSError as error:
        raise OSError(error.errno, not_listening(host, port, error, "metrics_")) from None
    _log.info("metrics on http://%s:%d/metrics", in_url(host), metrics.port)
    return metrics


def _console_server(app: GatewayApp, inherited: InheritedSockets) -> ConsoleServer | None:
    """The running console; None where it is turned off. Raises OSError where its address cannot be had."""
    gateway = app.gateway
    if not gateway.settings.console.enabled:
        return None
    console = ConsoleServer(
        Console(gateway.settings, gateway.telemetry, gateway.recorder, gateway.policy_names, gateway.capture),
        inherited,
    )
    app.show_console(console.url)
    _log.info("console on %s", console.url)
    return console


def _report_port_taken(settings: ServerSettings) -> None:
    """Log that the port of the models is taken, too, so that nobody finds out at the next start only."""
    try:
        asyncio.run(listen(settings)).close()
    except CannotListen as error:
        _log.error(str(error))


def raise_descriptor_limit() -> None:
    """Allow as many open files as the system lets the process have: a stream takes two, its client's and its
    provider's, and the usual limit is 1024."""
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))


def tune_interpreter() -> None:
    """Set what holds for the whole process, once all that is long-lived was made. What the start made, which stays to
    the end, is exempt from garbage collection, and that is done more rarely: a request makes few cycles, and looking
    for them every 700 objects took 5 % of the time of a busy gateway."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    # Large bodies are decoded in other threads. One that is at work gives Python's lock back when somebody has waited
    # for this long; with the usual 5 ms, and several waits in a request, others' p99 was 270 ms beside such bodies.
    sys.setswitchinterval(_SWITCH_INTERVAL)
