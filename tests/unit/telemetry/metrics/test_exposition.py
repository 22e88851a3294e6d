import gzip
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from http.client import HTTPConnection

import pytest
from opentelemetry.trace import format_trace_id
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from telemetry import MetricsServer
from tests.unit.telemetry.fakes import Bench, text_chunk

TOKEN = "metrics-0123456789"
OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def server(bench: Bench) -> Iterator[MetricsServer]:
    server = MetricsServer(bench.registry, "127.0.0.1", 0)
    yield server
    server.close()


def ask(
    server: MetricsServer, path: str = "/metrics", headers: Mapping[str, str] | None = None
) -> tuple[int, dict[str, str], str]:
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=5)) as connection:
        connection.request("GET", path, headers=dict(headers or {}))
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read().decode()


def get(server: MetricsServer, path: str = "/metrics", accept: str = "*/*") -> tuple[int, str, str]:
    status, headers, body = ask(server, path, {"accept": accept})
    return status, headers["content-type"], body


def test_a_head_is_that_of_the_page_and_other_methods_are_not_allowed(server: MetricsServer) -> None:
    def first_line_and_rest(method: bytes, path: bytes = b"/metrics") -> tuple[bytes, bytes, bytes]:
        answer = exchange(server, b"%b %b HTTP/1.0\r\nhost: localhost\r\n\r\n" % (method, path))
        head, _, rest = answer.partition(b"\r\n\r\n")
        return head.splitlines()[0][9:12], head, rest

    status, head, rest = first_line_and_rest(b"HEAD")
    assert (status, rest) == (b"200", b"")
    assert b"\r\nContent-Type: text/plain" in head
    for method in (b"POST", b"PUT", b"DELETE", b"OPTIONS", b"BREW"):
        status, head, rest = first_line_and_rest(method)
        assert (status, rest) == (b"405", b"Method Not Allowed\n")
        assert b"\r\nAllow: GET, HEAD" in head
    assert first_line_and_rest(b"GET", b"/")[2] == b"Not Found: the metrics are at /metrics\n"


def exchange(server: MetricsServer, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
        client.sendall(data)
        return b"".join(iter(lambda: client.recv(4096), b""))


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


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [("gzip", True), ("deflate, gzip;q=0.5", True), ("gzip;q=0, identity", False), ("br", False), ("", False)],
)
def test_gzip_is_for_who_takes_it(server: MetricsServer, accepted: str, packed: bool) -> None:
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=5)) as connection:
        connection.request("GET", "/metrics", headers={"accept-encoding": accepted, "accept": OPENMETRICS})
        response = connection.getresponse()
        body = response.read()
    assert response.getheader("content-encoding") == ("gzip" if packed else None)
    text = (gzip.decompress(body) if packed else body).decode()
    assert "flowspan_requests" in {family.name for family in parse_openmetrics(text)}  # type: ignore[no-untyped-call]


def test_created_timestamps_are_for_the_operator_to_choose(bench: Bench, server: MetricsServer) -> None:
    assert "_created" not in get(server, accept=OPENMETRICS)[2]
    with closing(MetricsServer(bench.registry, port=0, created_timestamps=True)) as telling:
        assert "flowspan_requests_created" in get(telling, accept=OPENMETRICS)[2]
        assert "_created" not in get(telling)[2]


def test_no_exemplar_of_an_unsampled_span(bench: Bench, server: MetricsServer) -> None:
    obs = bench.open({"traceparent": f"00-{'a' * 32}-{'b' * 16}-00"})
    obs.finish("ok", status=200)
    assert "trace_id" not in get(server, accept=OPENMETRICS)[2]


def test_only_metrics_are_served(server: MetricsServer) -> None:
    assert get(server, "/metrics?x=1")[0] == 200
    assert get(server, "/")[0] == 404


@pytest.mark.parametrize(
    "headers",
    [{"host": "evil.example"}, {"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}, {"host": ""}],
    ids=str,
)
def test_loopback_is_not_for_pages_of_other_sites(server: MetricsServer, headers: dict[str, str]) -> None:
    for path in ("/metrics", "/"):
        status, _, body = ask(server, path, headers)
        assert (status, body) == (403, "Forbidden\n")


def test_loopback_may_have_other_names(bench: Bench) -> None:
    with closing(MetricsServer(bench.registry, port=0, allowed_hosts=["Gateway"])) as server:
        assert ask(server, headers={"host": "gateway:9464"})[0] == 200


def test_a_public_address_is_asked_by_any_name(bench: Bench) -> None:
    with closing(MetricsServer(bench.registry, "0.0.0.0", 0)) as server:
        assert ask(server, headers={"host": "flowspan:9464"})[0] == 200


def test_a_token_is_asked_for_where_there_is_one(bench: Bench) -> None:
    with closing(MetricsServer(bench.registry, port=0, token=TOKEN)) as server:
        for wrong in ("", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer \xff"):
            for path in ("/metrics", "/"):
                assert ask(server, path, {"authorization": wrong})[0] == 401
        assert ask(server)[1]["www-authenticate"] == "Bearer"
        right = {"authorization": f"bearer {TOKEN}", "host": "anything.example"}
        assert ask(server, headers=right)[0] == 200


def test_an_empty_token_is_none(bench: Bench) -> None:
    with closing(MetricsServer(bench.registry, port=0, token="")) as server:
        assert ask(server, headers={"host": "evil.example", "authorization": "Bearer "})[0] == 403


def test_of_two_tokens_none_counts(bench: Bench) -> None:
    line = f"authorization: Bearer {TOKEN}\r\n".encode()
    with closing(MetricsServer(bench.registry, port=0, token=TOKEN)) as server:
        assert exchange(server, b"GET /metrics HTTP/1.1\r\n" + line + b"\r\n").startswith(b"HTTP/1.0 200 ")
        assert exchange(server, b"GET /metrics HTTP/1.1\r\n" + line * 2 + b"\r\n").startswith(b"HTTP/1.0 400 ")


@pytest.mark.parametrize("line", [b"canary /metrics HTTP/1.1", b"GET /canary HTTP/1.1", b"GET / canary", b"canary"])
def test_nothing_of_a_request_is_repeated(server: MetricsServer, line: bytes) -> None:
    reply = exchange(server, line + b"\r\nhost: localhost\r\n\r\n")
    assert reply
    assert b"canary" not in reply
    assert b"Python" not in reply


def test_who_connects_and_says_nothing_keeps_no_scrape_out(server: MetricsServer) -> None:
    with ExitStack() as idle:
        clients = [
            idle.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=5)) for _ in range(100)
        ]
        assert get(server)[0] == 200
        # The oldest have made room.
        assert [client.recv(1) for client in clients[:60]] == [b""] * 60
        assert threading.active_count() < 60


def test_a_close_frees_the_port(bench: Bench) -> None:
    server = MetricsServer(bench.registry, "127.0.0.1", 0)
    server.close()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", server.port))


def test_a_port_in_use_is_an_error_at_once(bench: Bench, server: MetricsServer) -> None:
    with pytest.raises(OSError, match="in use"):
        MetricsServer(bench.registry, "127.0.0.1", server.port)
