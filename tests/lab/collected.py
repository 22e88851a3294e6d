"""A collector that keeps of each transaction only what its account needs, until that is taken."""

import threading
from collections.abc import Iterable

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.lab.account import TransactionRecord
from tests.receivers import OtlpReceiver, attributes


class Collected(OtlpReceiver):
    """Spans of one trace come in any order: a transaction is complete with its SERVER span, which ends last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spans: dict[bytes, list[Span]] = {}
        self._ended: set[bytes] = set()
        super().__init__()

    @property
    def port(self) -> int:
        return int(self.endpoint.rpartition(":")[2])

    @property
    def transactions(self) -> int:
        """How many transactions have ended and were not taken yet."""
        return len(self._ended)

    def receive(self, path: str, headers: dict[str, str], body: bytes) -> int:
        if not path.endswith("/v1/traces"):
            return self.status
        spans = [
            span
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        with self._lock:
            for span in spans:
                self._spans.setdefault(span.trace_id, []).append(span)
                if _is_transaction(span):
                    self._ended.add(span.trace_id)
        return self.status

    def take(self) -> list[TransactionRecord]:
        with self._lock:
            ended, self._ended = self._ended, set()
            traces = [self._spans.pop(trace) for trace in ended]
        return [_recorded(spans) for spans in traces]


def _is_transaction(span: Span) -> bool:
    return any(pair.key == "flowspan.transaction_id" for pair in span.attributes)


def _recorded(spans: Iterable[Span]) -> TransactionRecord:
    spans = list(spans)
    server = next(span for span in spans if _is_transaction(span))
    return TransactionRecord(
        attributes(server.attributes),
        (server.end_time_unix_nano - server.start_time_unix_nano) / 1e9,
        [attributes(span.attributes) for span in spans if span.kind == Span.SPAN_KIND_CLIENT],
        [attributes(span.attributes) for span in spans if span.name.startswith("flowspan.queue")],
    )
