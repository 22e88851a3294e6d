"""The metrics of a process as OTLP: the same names, labels and values as on `/metrics`."""

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric
from prometheus_client import CollectorRegistry

from telemetry.metrics.otlp_encoding import encode_metrics
from telemetry.metrics.registry import Metrics
from telemetry.names.resource import SCHEMA_URL
from tests.receivers import attributes

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


def encoded(registry: CollectorRegistry) -> tuple[dict[str, Metric], int]:
    body, points = encode_metrics(registry.collect(), {"service.name": "flowspan"}, 5, 6)
    (resource_metrics,) = ExportMetricsServiceRequest.FromString(body).resource_metrics
    assert attributes(resource_metrics.resource.attributes) == {"service.name": "flowspan"}
    assert resource_metrics.schema_url == SCHEMA_URL
    (scope,) = resource_metrics.scope_metrics
    return {metric.name: metric for metric in scope.metrics}, points


def test_every_sample_of_the_registry_is_exported_with_its_value() -> None:
    metrics = Metrics(models=[("gpt-5", "openai")], policies=["redact"])
    metrics.upstream_chunks.inc(3)
    metrics.loop_lag.observe(0.3)
    found, points = encoded(metrics.registry)
    expected = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if family.type in ("counter", "gauge")
        and not sample.name.startswith("process_")
        and not sample.name.endswith("_created")
    }
    exported = {
        (name, tuple(sorted(attributes(point.attributes).items()))): point.as_double
        for name, metric in found.items()
        for point in (*metric.sum.data_points, *metric.gauge.data_points)
        if not name.startswith("process_")
    }
    assert exported == expected
    assert points > len(expected)
    chunks = found["flowspan_upstream_chunks_total"].sum
    assert chunks.is_monotonic
    assert chunks.aggregation_temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    assert (chunks.data_points[0].start_time_unix_nano, chunks.data_points[0].time_unix_nano) == (5, 6)


def test_a_histogram_has_buckets_that_do_not_add_up_and_the_exemplar_of_a_trace() -> None:
    metrics = Metrics(models=[("gpt-5", "openai")])
    children = metrics.server.children["chat", "openai", "gpt-5"]
    children.ttft.observe(0.03, {"trace_id": TRACE_ID})
    children.ttft.observe(0.07, None)
    children.ttft.observe(1000.0, None)
    found, _ = encoded(metrics.registry)
    metric = found["gen_ai_server_time_to_first_token_seconds"]
    (point,) = [one for one in metric.histogram.data_points if one.count]
    bounds = [*point.explicit_bounds, float("inf")]
    assert {bound: count for bound, count in zip(bounds, point.bucket_counts, strict=True) if count} == {
        0.04: 1,
        0.08: 1,
        float("inf"): 1,
    }
    assert (metric.unit, point.count, point.sum) == ("s", 3, 1000.1)
    assert {"chat", "openai", "gpt-5"} <= set(attributes(point.attributes).values())
    (exemplar,) = point.exemplars
    assert (exemplar.trace_id.hex(), exemplar.as_double) == (TRACE_ID, 0.03)
