"""Batches of ended spans to a collector, by OTLP over HTTP.

Both are the SDK's exporter, which reads the OTEL_* variables, retries and knows TLS and compression; the lean one gets
spans that are encoded already.
"""

from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from telemetry.otlp_encoding import EncodedSpan, encode_export


class LeanSpanExporter(OTLPSpanExporter):
    def send(self, spans: Sequence[EncodedSpan], resource: Resource) -> bool:
        """Whether they arrived."""
        # The client has no public name; writing it anew would be two hundred lines of HTTP.
        return bool(self._client.export(encode_export(spans, resource)).success)


class SdkSpanExporter(OTLPSpanExporter):
    def send(self, spans: Sequence[ReadableSpan]) -> bool:
        return self.export(spans) is SpanExportResult.SUCCESS
