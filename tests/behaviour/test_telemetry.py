"""What a collector, a scraper and a reader of logs see of the requests that went through."""

import contextlib
import http.client
import io
import json
import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch
from urllib.request import Request, urlopen

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from app.main import make_telemetry
from app.policies import load_policies
from app.settings import Settings
from telemetry import Telemetry
from tests.behaviour.clients import CHAT, COUNT, MESSAGES, RESPONSES, RawClient, ask, post
from tests.behaviour.gateway import RunningGateway, configuration, simulated, until
from tests.receivers import OtlpReceiver, attributes

PARTS = [f"flowspan.time.{part}_s" for part in ("upstream", "admission", "policy", "queue", "format", "client")]
POLICY = "  policies: ['tests.behaviour.policies:Shouts', redact]"
SLOW = "slow-start-0.3+lorem-3"
MODELS = simulated("echo", "lorem-20+pace-5", "cut-3", "status-400", "status-503", "stall-2", "lorem-2000", SLOW)
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SECRET_TEXT = "the-quick-brown-canary"


@pytest.fixture(scope="module")
def receiver() -> Iterator[OtlpReceiver]:
    with OtlpReceiver() as running:
        yield running


@pytest.fixture(scope="module")
def log() -> io.StringIO:
    return io.StringIO()


@pytest.fixture(scope="module")
def gateway(receiver: OtlpReceiver, log: io.StringIO) -> Iterator[RunningGateway]:
    """A gateway with the telemetry that `flowspan serve` would have, exporting to the receiver."""

    def real(settings: Settings) -> Telemetry:
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "20"}
        with patch.dict(os.environ, variables), contextlib.redirect_stderr(log):
            return make_telemetry(settings, load_policies(settings.policies))

    with RunningGateway(
        configuration(MODELS, f"{POLICY}\n  pipeline: {{upstream_idle_timeout: 200ms}}"), real
    ) as running:
        yield running


class Tree:
    """The spans of one trace, by name, with their parents' names."""

    def __init__(self, spans: list[Span]) -> None:
        names = {span.span_id: span.name for span in spans}
        self.spans = spans
        self.edges = {(names.get(span.parent_span_id), span.name) for span in spans}

    def of(self, name: str) -> Span:
        [span] = [span for span in self.spans if span.name == name]
        return span


def tree_of(receiver: OtlpReceiver, request_id: str, root: str) -> Tree:
    trace_id = bytes.fromhex(request_id.split("_")[1])

    def whole() -> list[Span]:
        spans = [span for span in receiver.spans() if span.trace_id == trace_id]
        return spans if any(span.name == root for span in spans) else []

    return Tree(until(whole, "the trace at the receiver"))


def seconds(span: Span) -> float:
    return (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9


@pytest.mark.parametrize("path", [CHAT, MESSAGES, RESPONSES])
def test_the_span_tree_of_a_stream_is_the_documented_one(
    gateway: RunningGateway, receiver: OtlpReceiver, path: str
) -> None:
    reply = post(gateway, path, ask("echo", path, stream=True))
    root = f"POST {path}"
    tree = tree_of(receiver, reply.request_id, root)
    assert tree.edges == {
        (None, root),
        (root, "flowspan.policy on_request"),
        (root, "flowspan.stage policy_executor"),
        (root, "chat echo"),
        (root, "flowspan.queue policy_out"),
        (root, "flowspan.stage client_formatter"),
        (root, "flowspan.queue sse"),
    }
    kinds = {span.name: span.kind for span in tree.spans}
    assert kinds.pop(root) == Span.SPAN_KIND_SERVER
    assert kinds.pop("chat echo") == Span.SPAN_KIND_CLIENT
    assert set(kinds.values()) == {Span.SPAN_KIND_INTERNAL}
    server = tree.of(root)
    for span in tree.spans:
        assert server.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.end_time_unix_nano <= server.end_time_unix_nano


def test_a_whole_answer_has_no_stages_and_no_queues(gateway: RunningGateway, receiver: OtlpReceiver) -> None:
    tree = tree_of(receiver, post(gateway, CHAT, ask("echo")).request_id, f"POST {CHAT}")
    assert tree.edges == {
        (None, f"POST {CHAT}"),
        (f"POST {CHAT}", "flowspan.policy on_request"),
        (f"POST {CHAT}", "chat echo"),
    }


@pytest.mark.parametrize(
    "model", ["echo", "lorem-20+pace-5", "cut-3", "status-503", "stall-2", "lorem-2000", "nothing"]
)
@pytest.mark.parametrize("stream", [True, False])
def test_the_ledger_adds_up_to_the_servers_span(
    gateway: RunningGateway, receiver: OtlpReceiver, model: str, stream: bool
) -> None:
    if (model, stream) == ("stall-2", False):
        return  # it would wait for `request_timeout`
    reply = post(gateway, CHAT, ask(model, stream=stream))
    server = tree_of(receiver, reply.request_id, f"POST {CHAT}").of(f"POST {CHAT}")
    values = attributes(server.attributes)
    parts = [values[name] for name in PARTS]
    assert all(isinstance(part, float) and part >= 0 for part in parts)
    assert sum(part for part in parts if isinstance(part, float)) == pytest.approx(seconds(server), rel=0.01)


def test_a_paced_stream_waited_for_its_upstream(gateway: RunningGateway, receiver: OtlpReceiver) -> None:
    reply = post(gateway, CHAT, ask("lorem-20+pace-5", stream=True))
    server = tree_of(receiver, reply.request_id, f"POST {CHAT}").of(f"POST {CHAT}")
    values: dict[str, Any] = attributes(server.attributes)
    assert values["flowspan.time.upstream_s"] > 0.5 * seconds(server)
    assert 0 < values["flowspan.ttft_s"] < seconds(server)


@pytest.mark.parametrize("stream", [True, False])
def test_waiting_for_the_first_chunk_is_the_upstreams_time(
    gateway: RunningGateway, receiver: OtlpReceiver, stream: bool
) -> None:
    reply = post(gateway, CHAT, ask(SLOW, stream=stream))
    server = tree_of(receiver, reply.request_id, f"POST {CHAT}").of(f"POST {CHAT}")
    values: dict[str, Any] = attributes(server.attributes)
    assert values["flowspan.time.upstream_s"] >= 0.25


def test_the_servers_span_tells_what_is_promised(gateway: RunningGateway, receiver: OtlpReceiver) -> None:
    reply = post(gateway, MESSAGES, ask("echo", MESSAGES, stream=True), {"user-agent": "tester/1"})
    tree = tree_of(receiver, reply.request_id, f"POST {MESSAGES}")
    server: dict[str, Any] = attributes(tree.of(f"POST {MESSAGES}").attributes)
    assert (
        server
        | {
            "http.request.method": "POST",
            "http.route": MESSAGES,
            "http.response.status_code": 200,
            "url.path": MESSAGES,
            "user_agent.original": "tester/1",
            "flowspan.operation": "chat",
            "flowspan.model": "echo",
            "flowspan.stream": True,
            "flowspan.transaction_id": reply.request_id,
            "flowspan.api": "anthropic_messages",
            "flowspan.policy": ["Shouts", "redact"],
            "flowspan.outcome": "ok",
            "flowspan.client_disconnected": False,
        }
        == server
    )
    assert server["flowspan.chunks_in"] > 0 < server["flowspan.chunks_out"]
    # Or it would look like a second call of a model.
    assert {name for name in server if name.startswith("gen_ai.")} == {"gen_ai.conversation.id", "gen_ai.provider.name"}
    client: dict[str, Any] = attributes(tree.of("chat echo").attributes)
    assert client["gen_ai.usage.output_tokens"] == 2
    assert client["gen_ai.response.finish_reasons"] == ["stop"]
    assert client["gen_ai.response.time_to_first_chunk"] > 0
    events = [event.name for event in tree.of(f"POST {MESSAGES}").events]
    assert [name for name in events if name != "policy.decision"] == [
        "request.received",
        "request.sent",
        "upstream.first_chunk",
        "client.first_byte",
        "response.completed",
    ]


def test_the_queues_spans_have_their_counts(gateway: RunningGateway, receiver: OtlpReceiver) -> None:
    reply = post(gateway, CHAT, ask("lorem-20+pace-5", stream=True))
    tree = tree_of(receiver, reply.request_id, f"POST {CHAT}")
    for queue in ("policy_out", "sse"):
        values: dict[str, Any] = attributes(tree.of(f"flowspan.queue {queue}").attributes)
        assert values["flowspan.queue.name"] == queue
        assert values["flowspan.queue.capacity"] == 10_000
        assert values["flowspan.queue.items_in"] == values["flowspan.queue.items_out"] > 10
        assert values["flowspan.queue.depth_max"] >= 1
        assert values["flowspan.queue.bytes_max"] > 0
        assert values["flowspan.queue.overflows"] == values["flowspan.queue.discarded"] == 0
        assert 0 <= values["flowspan.queue.residence_p50_s"] <= values["flowspan.queue.residence_p99_s"]
        assert values["flowspan.queue.get_wait_s"] > 0.05


def test_a_failed_stream_has_an_error_on_its_spans(gateway: RunningGateway, receiver: OtlpReceiver) -> None:
    reply = post(gateway, CHAT, ask("cut-3", stream=True))
    tree = tree_of(receiver, reply.request_id, f"POST {CHAT}")
    for name in (f"POST {CHAT}", "flowspan.stage policy_executor", "chat cut-3"):
        span = tree.of(name)
        assert span.status.code == span.status.STATUS_CODE_ERROR
        assert attributes(span.attributes)["error.type"] == "upstream_truncated"


def test_a_stream_that_no_provider_begins_has_no_stages_and_no_queues(
    gateway: RunningGateway, receiver: OtlpReceiver
) -> None:
    reply = post(gateway, CHAT, ask("status-400", stream=True))
    root = f"POST {CHAT}"
    assert reply.status == 400
    tree = tree_of(receiver, reply.request_id, root)
    assert tree.edges == {(None, root), (root, "flowspan.policy on_request"), (root, "chat status-400")}


def test_a_clients_mistake_is_no_error_of_the_server(gateway: RunningGateway, receiver: OtlpReceiver) -> None:
    reply = post(gateway, CHAT, b"not json")
    server = tree_of(receiver, reply.request_id, f"POST {CHAT}").of(f"POST {CHAT}")
    assert server.status.code == server.status.STATUS_CODE_UNSET
    assert attributes(server.attributes)["flowspan.outcome"] == "client_error"


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_the_callers_trace_is_continued(gateway: RunningGateway, receiver: OtlpReceiver, path: str) -> None:
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=value"}
    reply = post(gateway, path, ask("echo", path, stream=True), headers)
    assert reply.request_id.startswith(f"txn_{TRACE}_")
    wanted = reply.request_id.rpartition("_")[2]

    def found() -> list[Span]:
        return [span for span in receiver.spans() if span.span_id.hex() == wanted]

    [server] = until(found, "the server's span")
    assert server.trace_id.hex() == TRACE
    assert server.parent_span_id.hex() == PARENT
    assert server.trace_state == "vendor=value"
    assert [span for span in receiver.spans() if span.parent_span_id == server.span_id]


@pytest.mark.parametrize(
    "traceparent", ["", "rubbish", f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{PARENT}", f"ff-{TRACE}-{PARENT}-01"]
)
def test_a_trace_that_is_none_is_not_continued(gateway: RunningGateway, traceparent: str) -> None:
    reply = post(gateway, CHAT, ask("echo"), {"traceparent": traceparent})
    assert re.fullmatch("txn_[0-9a-f]{32}", reply.request_id)
    assert TRACE not in reply.request_id


def test_an_unsampled_caller_gets_no_spans_but_is_counted(gateway: RunningGateway, receiver: OtlpReceiver) -> None:
    other = "1" * 32
    until(lambda: gateway.in_flight() == 0, "the requests before have ended")
    before = gateway.outcomes().get("ok", 0)
    reply = post(gateway, CHAT, ask("echo", stream=True), {"traceparent": f"00-{other}-{PARENT}-00"})
    assert reply.request_id.startswith(f"txn_{other}_")
    until(lambda: gateway.outcomes().get("ok") == before + 1, "the request is counted")
    tree_of(receiver, post(gateway, CHAT, ask("echo")).request_id, f"POST {CHAT}")
    assert not [span for span in receiver.spans() if span.trace_id.hex() == other]


def test_no_content_goes_anywhere_by_default(gateway: RunningGateway, receiver: OtlpReceiver, log: io.StringIO) -> None:
    asked = ask("echo", text=SECRET_TEXT, stream=True)
    tree_of(receiver, post(gateway, CHAT, asked).request_id, f"POST {CHAT}")
    last = post(gateway, MESSAGES, ask("echo", MESSAGES, text=SECRET_TEXT, system=SECRET_TEXT))
    tree_of(receiver, last.request_id, f"POST {MESSAGES}")
    until(lambda: last.request_id in log.getvalue(), "the access line")
    for emitted in (b"".join(receiver.bodies), scrape(gateway).encode(), log.getvalue().encode()):
        assert SECRET_TEXT.encode() not in emitted
        assert SECRET_TEXT.upper().encode() not in emitted


def test_each_request_has_an_access_line(gateway: RunningGateway, log: io.StringIO) -> None:
    reply = post(gateway, CHAT, ask("cut-3", stream=True))
    until(lambda: reply.request_id in log.getvalue(), "the access line")
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    [line] = [one for one in lines if one.get("transaction_id") == reply.request_id and "outcome" in one]
    assert line["outcome"] == "upstream_error"
    assert line["error_type"] == "upstream_truncated"
    assert (line["api"], line["model"], line["stream"], line["status"]) == ("openai_chat", "cut-3", True, 200)
    assert line["trace_id"] == reply.request_id.split("_")[1]
    assert sum(line["time"].values()) == pytest.approx(line["duration_s"], rel=0.01)
    assert line["bytes_out"] == len(reply.body)


def test_a_scrape_in_openmetrics_has_exemplars(gateway: RunningGateway) -> None:
    reply = post(gateway, CHAT, ask("echo", stream=True))
    trace = reply.request_id.split("_")[1]
    text = until(
        lambda: (found := scrape(gateway, "application/openmetrics-text; version=1.0.0")) and trace in found and found,
        "the exemplar",
    )
    assert text.endswith("# EOF\n")
    [duration] = [line for line in text.splitlines() if trace in line and "request_duration" in line]
    assert re.search(r'# \{trace_id="' + trace, duration)
    plain = scrape(gateway)
    assert "# EOF" not in plain
    assert "trace_id" not in plain
    assert 'flowspan_requests_total{api="openai_chat"' in plain


def test_every_series_of_a_known_model_stands_at_zero_before_it_is_needed() -> None:
    with RunningGateway(configuration(simulated("echo"))) as fresh:
        text = scrape(fresh)
        for outcome in ("ok", "drained", "overflow", "internal_error"):
            assert re.search(
                rf'flowspan_requests_total\{{[^}}]*model="echo"[^}}]*outcome="{outcome}"[^}}]*\}} 0\.0', text
            )
        for queue in ("policy_out", "sse"):
            assert f'flowspan_queue_overflows_total{{queue="{queue}"}} 0.0' in text


def test_labels_hold_nothing_but_configured_names(gateway: RunningGateway) -> None:
    for number in range(20):
        post(gateway, CHAT, ask(f"model-of-my-own-{number}"), {"user-agent": f"agent-{number}"})
    text = scrape(gateway)
    assert "model-of-my-own" not in text
    assert "agent-" not in text
    assert "txn_" not in text


def test_in_a_storm_the_outcomes_sum_up_to_the_requests() -> None:
    """Good, bad, cut and left requests at once, over both dialects: each has one outcome and one span, none stays."""
    limits = (
        "  pipeline: {upstream_idle_timeout: 300ms}\n  breakers: {upstream: {threshold: 100000, min_requests: 100000}}"
    )
    with RunningGateway(configuration(MODELS, limits)) as gateway:
        works = [_good, _bad, _cut, _stalled, _leaving, _unknown, _whole]
        rounds = 6
        threads = [
            threading.Thread(target=_repeat, args=(gateway, work, path, rounds))
            for work in works
            for path in (CHAT, MESSAGES)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        sent = len(threads) * rounds
        until(lambda: sum(gateway.outcomes().values()) == sent, f"{sent} outcomes")
        until(lambda: gateway.in_flight() == 0, "nothing is in flight")
        # On a busy machine the event loop stands still for a tenth of some waits: then their failure is the gateway's.
        held_up = [line["detail"] for line in gateway.logs() if line.get("outcome") == "internal_error"]
        assert [detail for detail in held_up if "the event loop stood still" not in detail] == []
        outcomes = Counter(ok=4, client_error=4, upstream_error=2, timeout=2, client_disconnect=2)
        expected = Counter({outcome: count * rounds for outcome, count in outcomes.items()})
        assert Counter(gateway.outcomes()) - expected == Counter(internal_error=len(held_up))
        assert len(gateway.transactions()) == sent
        assert len({one["flowspan.transaction_id"] for one in gateway.transactions()}) == sent
        assert gateway.sample("gen_ai_server_request_duration_seconds_count") == sent
        assert gateway.sample("flowspan_telemetry_items_dropped_total") == 0
        entered = gateway.sample("flowspan_queue_enqueued_items_total")
        left = gateway.sample("flowspan_queue_dequeued_items_total")
        assert entered >= left > 0


def _repeat(gateway: RunningGateway, work: Callable[[RunningGateway, str], None], path: str, rounds: int) -> None:
    for _ in range(rounds):
        work(gateway, path)


def _good(gateway: RunningGateway, path: str) -> None:
    post(gateway, path, ask("lorem-20+pace-5", path, stream=True))


def _whole(gateway: RunningGateway, path: str) -> None:
    post(gateway, path, ask("echo", path))


def _bad(gateway: RunningGateway, path: str) -> None:
    post(gateway, path, b"not json")


def _unknown(gateway: RunningGateway, path: str) -> None:
    post(gateway, path, ask("nothing", path, stream=True))


def _cut(gateway: RunningGateway, path: str) -> None:
    post(gateway, path, ask("cut-3", path, stream=True))


def _stalled(gateway: RunningGateway, path: str) -> None:
    post(gateway, path, ask("stall-2", path, stream=True))


def _leaving(gateway: RunningGateway, path: str) -> None:
    with RawClient(gateway) as client:
        client.post(path, ask("stall-2", path, stream=True))
        client.read_until(b"lorem")
        client.reset()


def scrape(gateway: RunningGateway, accept: str = "text/plain") -> str:
    with urlopen(Request(gateway.metrics_url, headers={"accept": accept}), timeout=5) as answer:
        return str(answer.read().decode())


def test_the_metrics_port_knows_nothing_else(gateway: RunningGateway) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.metrics_server.port, timeout=5)
    with contextlib.closing(connection):
        connection.request("GET", "/v1/models")
        assert connection.getresponse().status == 404


def test_a_collector_that_stalls_delays_nobody(log: io.StringIO) -> None:
    with OtlpReceiver(stall=True) as stalled:

        def real(settings: Settings) -> Telemetry:
            variables = {
                "OTEL_EXPORTER_OTLP_ENDPOINT": stalled.endpoint,
                "OTEL_BSP_SCHEDULE_DELAY": "10",
                "OTEL_BSP_MAX_QUEUE_SIZE": "20",
                "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "10",
            }
            with patch.dict(os.environ, variables), contextlib.redirect_stderr(log):
                return make_telemetry(settings, load_policies(settings.policies))

        with RunningGateway(configuration(MODELS), real) as gateway:
            for _ in range(20):
                assert post(gateway, CHAT, ask("echo", stream=True), timeout=2).status == 200
            assert gateway.sample("flowspan_telemetry_items_dropped_total", signal="traces", reason="queue_full") > 0
            until(lambda: gateway.outcomes() == {"ok": 20}, "all are counted")


def test_a_count_of_tokens_is_no_stream_whatever_its_body_says() -> None:
    with RunningGateway(configuration(simulated("echo"))) as gateway:
        reply = post(gateway, COUNT, ask("echo", MESSAGES, stream=True))
        counted = gateway.transaction(reply.request_id)
    assert reply.status == 200
    assert (counted["flowspan.operation"], counted["flowspan.stream"]) == ("count_tokens", False)
