"""Batches of encoded spans to a collector, by OTLP over HTTP. Apart, because its import takes a tenth of a second."""

from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource

from telemetry.traces.otlp_encoding import EncodedSpan, encode_export


class EncodedSpanExporter(OTLPSpanExporter):
    """The SDK's exporter, which reads the OTEL_* variables, retries, and knows TLS and compression."""

    def send(self, spans: Sequence[EncodedSpan], resource: Resource) -> bool:
        """Send a batch. Returns whether it arrived."""
        # The client has no public name; writing it anew would be two hundred lines of HTTP.
        return bool(self._client.export(encode_export(spans, resource)).success)
