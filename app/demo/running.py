"""The real gateway, in a thread with an event loop of its own, so that clients and screen take no time of its loop.

Real sockets, policies, queues and telemetry, a metrics port too. What differs from `flowspan serve`: logs go to a
`LogTail` instead of stderr, spans to a `SpanCollector`, and the kernel keeps little for a connection, so that a slow
reader is felt at once.
"""

import asyncio
import signal
import socket
import threading
from types import TracebackType

from app.demo.collected import SpanCollector
from app.demo.log_tail import LogTail
from app.gateway.door import Door
from app.main import create_app
from app.server import GatewayServer
from app.settings import Settings
from telemetry.context import Telemetry, TelemetryOptions
from telemetry.exposition import MetricsServer
from telemetry.otlp import exports_from_environment
from telemetry.sdk_spans import as_ended
from telemetry.setup import setup
from telemetry.snapshot import Snapshot

_KERNEL_BUFFER = 16 * 1024
_START_LIMIT = 20.0
_EXPORT_LIMIT = 2.0
_SETTLE_TRIES = 100


class GatewayFailed(Exception):
    """It did not come up."""


class RunningGateway:
    """`async with RunningGateway(settings) as gateway:`; `gateway.url` is ready then."""

    def __init__(self, settings: Settings) -> None:
        self.spans = SpanCollector()
        self.log = LogTail()
        self._telemetry = _telemetry(settings, self.spans, self.log)
        self._exports = exports_from_environment(
            self._telemetry.metrics.exports, self._telemetry.tracer_provider.resource, with_logs=False
        )
        if self._exports.spans is not None:
            offer = self._exports.spans.offer
            self.spans.pass_on = lambda span: offer(as_ended(span))
        self._socket = _listening(settings.server.host)
        self.url = f"http://{settings.server.host}:{self._socket.getsockname()[1]}"
        app = create_app(settings, self._telemetry)
        self._gateway = app.gateway
        self._server = _AnnouncedServer(settings, app)
        self._metrics = MetricsServer(self._telemetry.registry, settings.server.host, settings.server.metrics_port)
        self.metrics_url = f"http://{settings.server.host}:{self._metrics.port}/metrics"
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._serve, name="flowspan-gateway", daemon=True)

    async def __aenter__(self) -> "RunningGateway":
        self._thread.start()
        await asyncio.to_thread(self._server.tried_to_start.wait, _START_LIMIT)
        if not self._server.started:
            raise GatewayFailed("the gateway did not start")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._server.handle_exit, signal.SIGTERM, None)
        await asyncio.to_thread(self._thread.join)
        await asyncio.to_thread(self._exports.close, _EXPORT_LIMIT)
        self._metrics.close()

    async def snapshot(self) -> Snapshot:
        """Taken in the gateway's own loop, between two of its turns."""

        async def take() -> Snapshot:
            return self._telemetry.snapshot()

        if self._loop is None:
            raise GatewayFailed("the gateway does not run")
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(take(), self._loop))

    async def settled(self) -> Snapshot:
        """A transaction ends after its client has read the last byte: waits a while for the last of them."""
        for _ in range(_SETTLE_TRIES):
            snapshot = await self.snapshot()
            if not snapshot.streams:
                break
            await asyncio.sleep(0.02)
        return snapshot

    def chunks_in(self) -> float:
        """Chunks that came from all models, as of the sampler's last turn."""
        name = "flowspan_queue_enqueued_items_total"
        metrics = self._telemetry.registry.restricted_registry([name]).collect()
        samples = (sample for metric in metrics for sample in metric.samples if sample.name == name)
        return sum(sample.value for sample in samples if sample.labels["queue"] == "policy_out")

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=self._server.config.get_loop_factory()) as runner:
            self._loop = runner.get_loop()
            try:
                runner.run(self._server.serve([self._socket]))
            finally:
                self._server.tried_to_start.set()


class _AnnouncedServer(GatewayServer):
    def __init__(self, settings: Settings, app: Door) -> None:
        super().__init__(settings, app)
        self.tried_to_start = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.tried_to_start.set()


def _telemetry(settings: Settings, spans: SpanCollector, log: LogTail) -> Telemetry:
    said = settings.telemetry
    return setup(
        TelemetryOptions(boundary_events=said.boundary_events, capture_content=said.capture_content),
        models=[(deployment.model_name, deployment.provider) for deployment in settings.deployments],
        policies=[policy.use for policy in settings.policies],
        log_stream=log,
        span_exporter=spans,
    )


def _listening(host: str) -> socket.socket:
    """On a free port. Its connections inherit the small buffer."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BUFFER)
    listening.bind((host, 0))
    return listening
