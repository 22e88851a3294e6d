"""The real gateway, in a thread with an event loop of its own, so that clients and screen take no time of its loop.

Real sockets, policies, queues and telemetry, a metrics port too. What differs from `flowspan serve`: logs go to
`LoggedFaults` instead of stderr, spans to a `SpanCollector`, and the kernel keeps little for a connection, so that a
slow reader is felt at once.
"""

import asyncio
import io
import json
import os
import socket
from collections import deque
from types import TracebackType

from app.console import Console
from app.demo.gateway.traces import SpanCollector
from app.main import create_app, make_telemetry
from app.policies import load_policies
from app.serving.in_thread import GatewayThread
from app.settings import Settings
from telemetry import MetricsServer, Snapshot
from telemetry.environment import read_environment
from telemetry.otlp import make_exports
from telemetry.traces.sdk_spans import as_ended

_KERNEL_BUFFER = 16 * 1024
_EXPORT_LIMIT = 2.0
_IDLE_TRIES = 100
_KEPT_FAULTS = 100


class DemoGateway:
    """`async with DemoGateway(settings) as gateway:`; `gateway.url` is ready then."""

    def __init__(self, settings: Settings) -> None:
        self.spans = SpanCollector()
        self.log = LoggedFaults()
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
            self.spans.pass_on = lambda span: offer((as_ended(span),))
        app = create_app(settings, self._telemetry)
        self._thread = GatewayThread(settings, app, _listening(settings.server.host))
        self.url = self._thread.url
        server = settings.server
        self._metrics = MetricsServer(self._telemetry.registry, server.metrics_host, server.metrics_port)
        self.metrics_url = f"http://{server.metrics_host}:{self._metrics.port}/metrics"
        served = app.gateway
        self.console = Console(settings, self._telemetry, served.recorder, served.policy_names, served.capture)
        """What a console of this gateway is made of, and the live view."""

    async def __aenter__(self) -> "DemoGateway":
        await asyncio.to_thread(self._thread.start)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._thread.stop)
        await asyncio.to_thread(self._exports.close, _EXPORT_LIMIT)
        self._metrics.close()

    async def idle_snapshot(self) -> Snapshot:
        """A snapshot once no stream is open: a transaction ends only after its client has read the last byte. Waits two
        seconds at most."""
        for _ in range(_IDLE_TRIES):
            snapshot = await self.console.live.snapshot()
            if not snapshot.streams:
                break
            await asyncio.sleep(0.02)
        return snapshot


class LoggedFaults(io.StringIO):
    """What the log writer's thread writes to. Keeps the gateway's errors, and what is no log line."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: deque[str] = deque(maxlen=_KEPT_FAULTS)

    def write(self, text: str, /) -> int:
        self.faults.extend(line for line in text.splitlines() if _is_fault(line))
        return len(text)


def _is_fault(line: str) -> bool:
    try:
        return json.loads(line).get("level") in ("error", "critical")
    except ValueError:
        return True


def _listening(host: str) -> socket.socket:
    """A listening socket on a free port. Its connections inherit the small send buffer."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BUFFER)
    listening.bind((host, 0))
    return listening
