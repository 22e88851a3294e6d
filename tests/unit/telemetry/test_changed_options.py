"""Telemetry whose options, names and secrets change while transactions are under way."""

import io
import json
from functools import partial

from telemetry import KeyIdentity, TelemetryOptions, setup
from telemetry.recording.content import Prompt
from telemetry.redact import Scrubber
from telemetry.traces.http import HttpRequest
from tests.unit.telemetry.fakes import Bench


def use(bench: Bench, options: TelemetryOptions | None = None, **given: object) -> int:
    names: dict[str, object] = {"models": bench.models, "policies": (), **given}
    return bench.telemetry.use(options or TelemetryOptions(), **names)  # type: ignore[arg-type]


def test_a_transaction_keeps_the_options_it_began_with() -> None:
    bench = Bench()
    first = bench.open()
    assert use(bench, TelemetryOptions(spans="transaction")) == 2
    second = bench.open()
    for obs in (first, second):
        with obs.stage("policy_executor"):
            pass
        obs.finish("ok", status=200)

    spans = bench.exporter.get_finished_spans()
    assert [span.name for span in spans].count("flowspan.stage policy_executor") == 1
    generations = [(span.attributes or {}).get("flowspan.config.generation") for span in spans]
    assert [one for one in generations if one is not None] == [1, 2]


def test_new_models_and_policies_stand_at_zero() -> None:
    bench = Bench()
    use(bench, models=[("claude", "anthropic")], policies=["guard"])
    labels = {"api": "openai_chat", "stream": "false", "outcome": "ok"}
    assert bench.value("flowspan_requests_total", model="claude", **labels) == 0
    assert bench.value("flowspan_requests_total", model="gpt-5", **labels) == 0
    assert bench.value("flowspan_policy_timeouts_total", policy="guard", hook="on_request") == 0
    obs = bench.telemetry.open("openai_chat", HttpRequest("POST", "/v1/chat/completions", {}))
    obs.describe(operation="chat", model="claude", provider="anthropic", stream=False)
    obs.finish("ok", status=200)
    assert bench.value("flowspan_requests_total", model="claude", **labels) == 1


def test_new_secrets_are_hidden_and_old_ones_stay_so() -> None:
    scrub = Scrubber(["first-secret"])
    assert scrub("second-secret is no key") == "second-secret is no key"
    scrub.hide(["second-secret"])
    assert scrub("first-secret second-secret") == "[redacted] [redacted]"
    for first in range(0, 2000, 500):
        scrub.hide([f"number-{number}-of-many" for number in range(first, first + 500)])
    assert scrub("first-secret") == "first-secret", "former ones are bounded"
    assert scrub("number-1000-of-many") == "[redacted]"


def test_keys_that_go_show_no_end_any_more_and_another_team_counts_apart() -> None:
    bench = Bench()
    bench.telemetry.register_keys([KeyIdentity("a", "red", expires_at=5.0), KeyIdentity("b", expires_at=6.0)])
    bench.telemetry.metrics.keys.of("a").requests["ok"].inc()
    bench.telemetry.register_keys([KeyIdentity("a", "blue", expires_at=7.0)])
    bench.telemetry.metrics.keys.of("a").requests["ok"].inc()

    assert bench.value("flowspan_key_expiry_timestamp_seconds", key="a", team="red") is None
    assert bench.value("flowspan_key_expiry_timestamp_seconds", key="b", team="") is None
    assert bench.value("flowspan_key_expiry_timestamp_seconds", key="a", team="blue") == 7
    for team in ("red", "blue"):
        assert bench.value("flowspan_key_requests_total", key="a", team=team, outcome="ok") == 1
    assert bench.value("flowspan_key_requests_total", key="b", team="", outcome="ok") == 0


def test_a_deployment_that_goes_shows_neither_state_nor_allowance_and_keeps_its_counts() -> None:
    bench = Bench()
    bench.telemetry.register_deployments(["a", "b"])
    bench.telemetry.metrics.deployment("a").allowance("tokens", 10, 1)
    bench.telemetry.metrics.breakers.transition("a", "closed", "open", "failure_rate")
    bench.telemetry.register_deployments(["b"])

    assert bench.value("flowspan_breaker_state", breaker="a", state="open") == 0
    assert bench.value("flowspan_breaker_state", breaker="b", state="closed") == 1
    assert bench.value("flowspan_upstream_limit_remaining", deployment="a", limit="tokens") is None
    assert bench.value("flowspan_breaker_trips_total", breaker="a", reason="failure_rate") == 1


def test_content_is_recorded_by_the_options_of_each_transaction() -> None:
    bench = Bench()
    first = bench.open()
    use(bench, TelemetryOptions(capture_content="span"))
    second = bench.open()
    asked: list[str] = []

    def prompt(name: str, limit: int) -> Prompt:
        asked.append(name)
        return Prompt()

    for name, obs in {"first": first, "second": second}.items():
        obs.capture(partial(prompt, name))
        obs.finish("ok", status=200)
    assert asked == ["second"]


def test_log_lines_go_by_another_level_and_format() -> None:
    stream = io.StringIO()
    telemetry = setup(log_stream=stream)
    telemetry.use(TelemetryOptions(log_level="warning"), models=(), policies=())
    obs = telemetry.open("openai_chat", HttpRequest("POST", "/v1/chat/completions", {}))
    obs.finish("ok", status=200)
    telemetry.use(TelemetryOptions(log_level="info"), models=(), policies=())
    telemetry.open("openai_chat", HttpRequest("POST", "/v1/chat/completions", {})).finish("ok", status=200)
    telemetry.close()
    [line] = [json.loads(line) for line in stream.getvalue().splitlines() if "access" in line]
    assert line["config_generation"] == 3
