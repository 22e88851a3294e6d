"""The real gateway, in a thread with an event loop of its own, so that clients and screen take no time of its loop.

Real sockets, policies, queues and telemetry, a metrics port too. What differs from `flowspan serve`: logs go to a
`LogTail` instead of stderr, spans to a `SpanCollector`, and the kernel keeps little for a connection, so that a slow
reader is felt at once.
"""

import asyncio
import os
import socket
from types import TracebackType

from app.demo.gateway.log_tail import LogTail
from app.demo.gateway.traces import SpanCollector
from app.main import create_app, make_telemetry
from app.policies import load_policies
from app.serving.in_thread import GatewayFailed, GatewayThread
from app.settings import Settings
from telemetry import MetricsServer, Snapshot
from telemetry.environment import read_environment
from telemetry.names.metrics import QUEUE_ENQUEUED
from telemetry.otlp import make_exports
from telemetry.traces.sdk_spans import as_ended

_KERNEL_BUFFER = 16 * 1024
_EXPORT_LIMIT = 2.0
_IDLE_TRIES = 100


class DemoGateway:
    """`async with DemoGateway(settings) as gateway:`; `gateway.url` is ready then."""

    def __init__(self, settings: Settings) -> None:
        self.spans = SpanCollector()
        self.log = LogTail()
        policies = load_policies(settings.policies)
        self._telemetry = make_telemetry(settings, policies, log_stream=self.log, span_exporter=self.spans)
        self._exports = make_exports(
            read_environment(os.environ),
            self._telemetry.metrics,
            self._telemetry.tracer_provider.resource,
            with_logs=False,
        )
        if self._exports.spans is not None:
            offer = self._exports.spans.offer
            self.spans.pass_on = lambda span: offer(as_ended(span))
        app = create_app(settings, self._telemetry)
        self._thread = GatewayThread(settings, app, _listening(settings.server.host))
        self.url = self._thread.url
        server = settings.server
        self._metrics = MetricsServer(self._telemetry.registry, server.metrics_host, server.metrics_port)
        self.metrics_url = f"http://{server.metrics_host}:{self._metrics.port}/metrics"

    async def __aenter__(self) -> "DemoGateway":
        await asyncio.to_thread(self._thread.start)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._thread.stop)
        await asyncio.to_thread(self._exports.close, _EXPORT_LIMIT)
        self._metrics.close()

    async def snapshot(self) -> Snapshot:
        """A snapshot, taken in the gateway's own event loop."""

        async def take() -> Snapshot:
            return self._telemetry.snapshot()

        if self._thread.loop is None:
            raise GatewayFailed("the gateway does not run")
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(take(), self._thread.loop))

    async def idle_snapshot(self) -> Snapshot:
        """A snapshot once no stream is open: a transaction ends only after its client has read the last byte. Waits two
        seconds at most."""
        for _ in range(_IDLE_TRIES):
            snapshot = await self.snapshot()
            if not snapshot.streams:
                break
            await asyncio.sleep(0.02)
        return snapshot

    def chunks_in(self) -> float:
        """Chunks that came from all models, as of the sampler's last turn."""
        name = QUEUE_ENQUEUED.name
        metrics = self._telemetry.registry.restricted_registry([name]).collect()
        samples = (sample for metric in metrics for sample in metric.samples if sample.name == name)
        return sum(sample.value for sample in samples if sample.labels["queue"] == "policy_out")


def _listening(host: str) -> socket.socket:
    """A listening socket on a free port. Its connections inherit the small send buffer."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BUFFER)
    listening.bind((host, 0))
    return listening
