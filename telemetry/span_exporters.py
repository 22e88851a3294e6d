"""Batches of ended spans to a collector, by OTLP over HTTP.

Both senders are the SDK's exporter, which reads the OTEL_* variables, retries and knows TLS and compression; the lean
one encodes the spans itself.
"""

from collections.abc import Callable, Sequence
from time import sleep

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SpanExportResult

from telemetry.otlp_encoding import EncodedExport, EndedSpan
from telemetry.sdk_spans import as_readable

_AT_ONCE = 32
"""Spans that are encoded before the event loop's thread may go on: a quarter of a millisecond."""


class LeanSpanExporter(OTLPSpanExporter):
    def send(self, spans: Sequence[EndedSpan], resource: Resource) -> bool:
        """Whether they arrived."""
        export = EncodedExport(resource)
        for start in range(0, len(spans), _AT_ONCE):
            export.add(spans[start : start + _AT_ONCE])
            sleep(0)
        # The client has no public name; writing it anew would be two hundred lines of HTTP.
        return bool(self._client.export(export.body()).success)


def lean_sender(resource: Resource) -> tuple[Callable[[Sequence[EndedSpan]], bool], Callable[[], None]]:
    """What sends a batch, and what gives up sending."""
    exporter = LeanSpanExporter()
    return lambda spans: exporter.send(spans, resource), exporter.shutdown


def sdk_sender() -> tuple[Callable[[Sequence[EndedSpan]], bool], Callable[[], None]]:
    exporter = OTLPSpanExporter()

    def send(spans: Sequence[EndedSpan]) -> bool:
        return exporter.export([as_readable(span) for span in spans]) is SpanExportResult.SUCCESS

    return send, exporter.shutdown
