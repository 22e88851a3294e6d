"""Keys with names: who asked is on the span, the line and the metrics of a request, and the key is nowhere."""

from collections.abc import Iterator
from hashlib import sha256

import pytest
from prometheus_client import generate_latest

from tests.behaviour.clients import CHAT, MESSAGES, RESPONSES, Reply, ask, post, request
from tests.behaviour.gateway import RunningGateway, configuration, until
from tests.behaviour.provider import Provider
from tests.behaviour.responses import models, reply, whole_text

OLD, NEW, HASHED, ENDED, PLAIN = (f"gate-of-{name}-mulberry" for name in ("ci-old", "ci-new", "cd", "ended", "plain"))
UNKNOWN = "gate-of-nobody-mulberry"
KEYS = f"""\
  keys:
  - {{name: ci, key: {OLD}, team: platform, labels: {{stage: prod}}, expires: 2999-01-01}}
  - {{name: ci, key: {NEW}, team: platform, labels: {{stage: prod}}}}
  - {{name: cd, key_hash: 'sha256:{sha256(HASHED.encode()).hexdigest()}'}}
  - {{name: ended, key: {ENDED}, expires: 2020-01-01}}
  - {PLAIN}
  telemetry: {{boundary_events: both, capture_content: both}}
"""
PRICED = "echo: {model: simulated/echo, input_cost_per_token: 0.01, output_cost_per_token: 0.1}"
PATHS = (CHAT, MESSAGES, RESPONSES)


@pytest.fixture(scope="module")
def gateway(provider: Provider) -> Iterator[RunningGateway]:
    with RunningGateway(configuration([PRICED, models(provider)[0]], KEYS)) as running:
        yield running


def asked(gateway: RunningGateway, path: str, key: str | None, stream: bool = False) -> Reply:
    headers = {} if key is None else {"x-api-key": key} if path == MESSAGES else {"authorization": f"Bearer {key}"}
    return post(gateway, path, ask("echo", path, stream=stream), headers)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", PATHS)
def test_a_named_key_is_on_the_span_the_line_and_the_metrics(gateway: RunningGateway, path: str, stream: bool) -> None:
    gateway.wait_until_idle()
    labels = {"key": "ci", "team": "platform"}
    counted = ("flowspan_key_requests_total", "flowspan_key_tokens_total", "flowspan_key_cost_usd_total")
    before = [gateway.sample(name, **labels) for name in counted]
    answer = asked(gateway, path, NEW, stream)
    assert answer.status == 200
    ended = gateway.transaction(answer.request_id)
    assert (ended["flowspan.key.name"], ended["flowspan.key.team"]) == ("ci", "platform")
    assert ended["flowspan.key.label.stage"] == "prod"
    line = gateway.log_line(transaction_id=answer.request_id, outcome="ok")
    assert (line["key"], line["team"], line["key_labels"]) == ("ci", "platform", {"stage": "prod"})
    gateway.wait_until_idle()
    requests, tokens, cost = (gateway.sample(name, **labels) - was for name, was in zip(counted, before, strict=True))
    [attempt] = ended.attempts
    usage = attempt.attributes or {}
    assert requests == 1
    assert tokens == usage["gen_ai.usage.input_tokens"] + usage["gen_ai.usage.output_tokens"] > 0  # type: ignore[operator]
    assert cost == pytest.approx(usage["flowspan.cost_usd"])


def test_a_named_key_is_on_the_line_of_a_request_to_no_model(gateway: RunningGateway) -> None:
    listed = request(gateway, "GET", "/v1/models", headers={"x-api-key": NEW})
    line = gateway.log_line(request_id=listed.request_id)
    assert (line["key"], line["team"], line["key_labels"]) == ("ci", "platform", {"stage": "prod"})


@pytest.mark.parametrize("path", PATHS)
def test_an_expired_key_is_refused_and_it_is_known_whose_it_was(gateway: RunningGateway, path: str) -> None:
    refused = asked(gateway, path, ENDED)
    assert refused.status == 401
    error = refused.json()["error"]
    assert error["type"] == "authentication_error"
    assert "expired" in error["message"]
    ended = gateway.transaction(refused.request_id)
    assert (ended["error.type"], ended["flowspan.key.name"]) == ("authentication", "ended")
    assert gateway.log_line(transaction_id=refused.request_id, status=401)["key"] == "ended"


@pytest.mark.parametrize("path", PATHS)
def test_a_refused_request_has_a_line_without_a_name(gateway: RunningGateway, path: str) -> None:
    for key in (UNKNOWN, None):
        refused = asked(gateway, path, key)
        assert refused.status == 401
        line = gateway.log_line(transaction_id=refused.request_id, status=401)
        assert "key" not in line
        assert line["detail"] in refused.body.decode(), (
            "what the client reads, of which the scrubber took nothing for a key"
        )
        assert gateway.transaction(refused.request_id).get("flowspan.key.name") is None


def test_who_is_not_let_in_is_counted_by_reason_on_every_route(gateway: RunningGateway) -> None:
    def failures() -> list[float]:
        reasons = ("missing", "unknown", "expired")
        return [gateway.sample("flowspan_auth_failures_total", reason=reason) for reason in reasons]

    def refused(key: str, outcome: str = "client_error") -> float:
        return gateway.sample("flowspan_key_requests_total", key=key, outcome=outcome)

    gateway.wait_until_idle()
    before, nameless, ended = failures(), refused("none"), refused("ended")
    for key in (None, UNKNOWN, ENDED):
        asked(gateway, CHAT, key)
        assert request(gateway, "GET", "/v1/models", headers={"x-api-key": key} if key else {}).status == 401
    gateway.wait_until_idle()
    assert [now - was for now, was in zip(failures(), before, strict=True)] == [2, 2, 2]
    assert (refused("none") - nameless, refused("ended") - ended) == (2, 1)


def test_a_response_is_kept_for_the_caller_who_changes_their_key(gateway: RunningGateway, provider: Provider) -> None:
    provider.play(reply(whole_text()))
    kept = f"{RESPONSES}/resp_1"
    assert post(gateway, RESPONSES, ask("res", RESPONSES), {"x-api-key": OLD}).status == 200
    statuses = {key: request(gateway, "GET", kept, headers={"x-api-key": key}).status for key in (NEW, HASHED, PLAIN)}
    assert statuses == {NEW: 200, HASHED: 404, PLAIN: 404}


def test_no_key_is_in_a_span_a_line_or_a_metric(gateway: RunningGateway) -> None:
    for path in PATHS:
        for key in (OLD, NEW, HASHED, PLAIN, ENDED, UNKNOWN):
            answer = asked(gateway, path, key)
    gateway.wait_until_idle()
    until(lambda: answer.request_id in gateway.log.getvalue(), "the last line")
    spans = [span.to_json() for span in gateway.spans()]
    emitted = "\n".join((*spans, gateway.log.getvalue(), generate_latest(gateway.telemetry.registry).decode()))
    assert "ci" in emitted
    assert "mulberry" not in emitted
    for key in (OLD, NEW, HASHED, PLAIN, ENDED, UNKNOWN):
        assert sha256(key.encode()).hexdigest()[:12] not in emitted


def test_without_keys_requests_are_counted_as_those_of_none() -> None:
    with RunningGateway(configuration([PRICED])) as gateway:
        answer = asked(gateway, CHAT, "any")
        gateway.wait_until_idle()
        assert gateway.sample("flowspan_key_requests_total", key="none", team="", outcome="ok") == 1
        assert gateway.sample("flowspan_key_tokens_total", key="none") > 0
        assert "key" not in gateway.log_line(transaction_id=answer.request_id, outcome="ok")
        foreign = post(gateway, CHAT, ask("echo"), {"host": "evil.example"})
        assert foreign.status == 403
        assert gateway.sample("flowspan_auth_failures_total", reason="not_local") == 1
