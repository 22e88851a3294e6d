import socket
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest
from opentelemetry.trace import format_trace_id
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from telemetry.exposition import MetricsServer
from tests.unit.telemetry.fakes import Bench, text_chunk

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def server(bench: Bench) -> Iterator[MetricsServer]:
    server = MetricsServer(bench.registry, "127.0.0.1", 0)
    yield server
    server.close()


def get(server: MetricsServer, path: str = "/metrics", accept: str = "*/*") -> tuple[int, str, str]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=5)
    try:
        connection.request("GET", path, headers={"Accept": accept})
        response = connection.getresponse()
        return response.status, response.headers["Content-Type"], response.read().decode()
    finally:
        connection.close()


def test_plain_text_by_default(server: MetricsServer) -> None:
    status, content_type, body = get(server)
    assert status == 200
    assert content_type.startswith("text/plain")
    assert "flowspan_requests" in {family.name for family in parse_text(body)}


def test_exemplars_of_sampled_spans_for_who_accepts_openmetrics(bench: Bench, server: MetricsServer) -> None:
    obs = bench.open()
    obs.recorder.chunk_out(text_chunk("a"))
    obs.recorder.sent_bytes(1)
    bench.clock.advance(0.3)
    obs.finish("ok", status=200)
    _, content_type, body = get(server, accept=OPENMETRICS)
    assert content_type.startswith("application/openmetrics-text")
    families = {family.name: family for family in parse_openmetrics(body)}  # type: ignore[no-untyped-call]
    trace_id = format_trace_id(obs.span_context.trace_id)
    for name in ("gen_ai_server_request_duration_seconds", "gen_ai_server_time_to_first_token_seconds"):
        exemplars = [sample.exemplar for sample in families[name].samples if sample.exemplar]
        assert [exemplar.labels for exemplar in exemplars] == [{"trace_id": trace_id}]


def test_no_exemplar_of_an_unsampled_span(bench: Bench, server: MetricsServer) -> None:
    obs = bench.open({"traceparent": f"00-{'a' * 32}-{'b' * 16}-00"})
    obs.finish("ok", status=200)
    assert "trace_id" not in get(server, accept=OPENMETRICS)[2]


def test_only_metrics_are_served(server: MetricsServer) -> None:
    assert get(server, "/metrics?x=1")[0] == 200
    assert get(server, "/")[0] == 404


def test_a_close_frees_the_port(bench: Bench) -> None:
    server = MetricsServer(bench.registry, "127.0.0.1", 0)
    server.close()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", server.port))


def test_a_port_in_use_is_an_error_at_once(bench: Bench, server: MetricsServer) -> None:
    with pytest.raises(OSError, match="in use"):
        MetricsServer(bench.registry, "127.0.0.1", server.port)
