"""What `/metrics` shows as the protobuf body of an OTLP export (`ExportMetricsServiceRequest`), under the same names.

Counters and histograms are cumulative since the start of the process. Exemplars come along where they lead to a trace.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby, pairwise
from math import inf

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    Exemplar,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.samples import Sample

from telemetry.names import SCOPE
from telemetry.names.resource import SCHEMA_URL, VERSION

_CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
_UNITS = (("_seconds", "s"), ("_bytes", "By"), ("_usd", "USD"), ("_ratio", "1"))
_BUCKET, _SUM, _COUNT = "_bucket", "_sum", "_count"


def encode_metrics(
    families: Iterable[Family], resource: Mapping[str, object], started_ns: int, now_ns: int
) -> tuple[bytes, int]:
    """Encode an export of a registry's families, and count its points. Times are Unix nanoseconds."""
    metrics = [metric for family in families if (metric := _metric(family, started_ns, now_ns)) is not None]
    scope = ScopeMetrics(
        scope=InstrumentationScope(name=SCOPE, version=VERSION), metrics=metrics, schema_url=SCHEMA_URL
    )
    attributes = [_attribute(key, str(value)) for key, value in resource.items()]
    whole = ResourceMetrics(resource=Resource(attributes=attributes), scope_metrics=[scope], schema_url=SCHEMA_URL)
    return ExportMetricsServiceRequest(resource_metrics=[whole]).SerializeToString(), sum(map(_points, metrics))


def _points(metric: Metric) -> int:
    return len(metric.sum.data_points) + len(metric.gauge.data_points) + len(metric.histogram.data_points)


def _metric(family: Family, started_ns: int, now_ns: int) -> Metric | None:
    """A family as a metric; None where it has no samples."""
    name = family.name + ("_total" if family.type == "counter" else "")
    metric = Metric(name=name, description=family.documentation, unit=_unit(name))
    match family.type:
        case "counter":
            points = [_number(one, started_ns, now_ns) for one in family.samples if one.name == name]
            metric.sum.CopyFrom(Sum(data_points=points, aggregation_temporality=_CUMULATIVE, is_monotonic=True))
        case "histogram":
            points_of = list(_histograms(family.samples, started_ns, now_ns))
            metric.histogram.CopyFrom(Histogram(data_points=points_of, aggregation_temporality=_CUMULATIVE))
        case _:
            # A gauge has no beginning.
            metric.gauge.CopyFrom(Gauge(data_points=[_number(one, 0, now_ns) for one in family.samples]))
    return metric if family.samples else None


def _number(sample: Sample, started_ns: int, now_ns: int) -> NumberDataPoint:
    return NumberDataPoint(
        attributes=_attributes(sample.labels),
        start_time_unix_nano=started_ns,
        time_unix_nano=now_ns,
        as_double=sample.value,
    )


def _histograms(samples: Iterable[Sample], started_ns: int, now_ns: int) -> Iterator[HistogramDataPoint]:
    """One point for each run of samples with the same labels: its buckets, which add up, and their count and sum."""
    for _, run in groupby(samples, lambda sample: {**sample.labels, "le": ""}):
        series = list(run)
        buckets = [one for one in series if one.name.endswith(_BUCKET)]
        below = [0.0, *(one.value for one in buckets)]
        yield HistogramDataPoint(
            attributes=_attributes({key: text for key, text in series[0].labels.items() if key != "le"}),
            start_time_unix_nano=started_ns,
            time_unix_nano=now_ns,
            count=int(below[-1]),
            sum=next(one.value for one in series if one.name.endswith(_SUM)),
            bucket_counts=[int(upper - lower) for lower, upper in pairwise(below)],
            explicit_bounds=[bound for one in buckets if (bound := float(one.labels["le"])) != inf],
            exemplars=[exemplar for one in buckets for exemplar in _exemplars(one)],
        )


def _exemplars(bucket: Sample) -> Iterator[Exemplar]:
    exemplar = bucket.exemplar
    if exemplar is not None and (trace_id := exemplar.labels.get("trace_id")):
        at_ns = int(float(exemplar.timestamp or 0) * 1e9)
        yield Exemplar(time_unix_nano=at_ns, as_double=exemplar.value, trace_id=bytes.fromhex(trace_id))


def _unit(name: str) -> str:
    base = name.removesuffix("_total")
    return next((unit for ending, unit in _UNITS if base.endswith(ending)), "")


def _attributes(labels: Mapping[str, str]) -> list[KeyValue]:
    return [_attribute(key, text) for key, text in labels.items()]


def _attribute(key: str, text: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=text))
