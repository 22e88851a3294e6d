"""Exports from time to time, by a thread of its own, what stands at that moment: the metrics of a process."""

import threading
from collections.abc import Callable

from telemetry.delivery.rejections import Rejection
from telemetry.export import Outages
from telemetry.metrics.registry import ExportMetrics
from telemetry.names import Signal


class PeriodicExport:
    """Calls `collect` every `interval` seconds, and once more at the close. It returns the encoded export and how many
    points are in it, and `send` why it did not arrive."""

    def __init__(
        self,
        collect: Callable[[], tuple[bytes, int]],
        send: Callable[[bytes], Rejection | None],
        signal: Signal,
        metrics: ExportMetrics,
        *,
        interval: float,
        receiver: str,
        abort: Callable[[], None],
    ) -> None:
        self._collect = collect
        self._send = send
        self._signal: Signal = signal
        self._metrics = metrics
        self._interval = interval
        self._abort = abort
        self._outages = Outages(signal, metrics, receiver)
        self._closing = threading.Event()
        self._abandoned = False
        self._thread = threading.Thread(target=self._run, name=f"flowspan-export-{signal}", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Begin the last export now; nothing follows it."""
        self._closing.set()

    def close(self, timeout: float) -> None:
        """Export once more, for `timeout` seconds at most. Further calls change nothing."""
        self._closing.set()
        self._thread.join(timeout)
        if self._thread.is_alive() and not self._abandoned:
            self._abandoned = True
            self._metrics.dropped(self._signal, "shutdown")
        self._abort()

    def _run(self) -> None:
        while not self._closing.wait(self._interval):
            self._export()
        self._export()

    def _export(self) -> None:
        count = 1
        try:
            body, count = self._collect()
            rejection = self._send(body)
        except Exception as error:
            rejection = Rejection(f"an export could not be sent ({type(error).__name__})")
        if not self._abandoned:
            self._outages.note(rejection, count)
