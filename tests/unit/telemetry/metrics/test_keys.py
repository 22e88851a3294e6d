"""The metrics of callers by the names of their keys."""

from telemetry import AttemptTarget, KeyIdentity, Tokens
from telemetry.metrics.keys import EAGER_KEYS
from telemetry.names import AUTH_FAILURE_REASONS, OUTCOMES, TOKEN_TYPES
from tests.unit.telemetry.fakes import Bench, attributes_of

CI = {"key": "ci", "team": "platform"}
TARGET = AttemptTarget(deployment="d", provider="openai", model="gpt-5", model_group="gpt-5")


def test_the_counters_of_configured_keys_stand_at_zero_from_the_start() -> None:
    bench = Bench()
    bench.telemetry.register_keys([KeyIdentity("ci", "platform"), KeyIdentity("cd")])
    for labels in (CI, {"key": "cd", "team": ""}, {"key": "none", "team": ""}):
        assert [bench.value("flowspan_key_requests_total", **labels, outcome=one) for one in OUTCOMES] == [0] * len(
            OUTCOMES
        )
        tokens = [bench.value("flowspan_key_tokens_total", **labels, token_type=kind) for kind in TOKEN_TYPES]
        assert tokens == [0] * len(TOKEN_TYPES)
        assert bench.value("flowspan_key_cost_usd_total", **labels) == 0
    assert [bench.value("flowspan_auth_failures_total", reason=one) for one in AUTH_FAILURE_REASONS] == [0] * 5


def test_very_many_keys_get_their_counters_at_their_first_request_and_unknown_names_none() -> None:
    bench = Bench()
    bench.telemetry.register_keys([KeyIdentity(f"key-{number}") for number in range(EAGER_KEYS + 1)])
    assert bench.value("flowspan_key_cost_usd_total", key="key-7", team="") is None
    for name in ("key-7", "never-registered", "nor-this-one"):
        obs = bench.open()
        obs.identify(name)
        obs.finish("ok", status=200)
    assert bench.value("flowspan_key_requests_total", key="key-7", team="", outcome="ok") == 1
    assert bench.value("flowspan_key_requests_total", key="key-7", team="", outcome="overflow") == 0
    assert bench.value("flowspan_key_requests_total", key="other", team="", outcome="ok") == 2


def test_tokens_and_cost_of_every_attempt_are_the_keys_and_each_token_counts_once() -> None:
    bench = Bench()
    bench.telemetry.register_keys([KeyIdentity("ci", "platform")])
    obs = bench.open()
    obs.identify("ci")
    first = obs.attempts.start(TARGET)
    first.usage(Tokens(40, 60, 0, 2, 5), 0.5)
    first.fail("upstream_truncated")
    first.end()
    second = obs.attempts.start(TARGET, retry_of=first)
    second.usage(Tokens(30, 0, 20, 3, 0), 0.25)
    obs.finish("ok", status=200)

    used = {kind: bench.value("flowspan_key_tokens_total", **CI, token_type=kind) for kind in TOKEN_TYPES}
    assert used == {"input": 70, "cache_read": 60, "cache_write": 20, "output": 5, "reasoning": 5}
    assert sum(filter(None, used.values())) == 100 + 7 + 50 + 3
    assert bench.value("flowspan_key_cost_usd_total", **CI) == bench.value(
        "flowspan_cost_usd_total", provider="openai", model="gpt-5"
    )
    assert bench.value("flowspan_key_requests_total", **CI, outcome="ok") == 1


def test_the_span_has_name_team_and_labels_of_the_key_and_a_labels_secrets_are_scrubbed() -> None:
    bench = Bench(secrets=("hidden-0123456789",))
    labels = {"stage": "prod", "note": "is hidden-0123456789"}
    bench.telemetry.register_keys([KeyIdentity("ci", "platform", labels)])
    obs = bench.open()
    obs.identify("ci")
    obs.finish("ok", status=200)
    found = {name: value for name, value in attributes_of(bench.transaction()).items() if ".key." in name}
    assert found == {
        "flowspan.key.name": "ci",
        "flowspan.key.team": "platform",
        "flowspan.key.label.stage": "prod",
        "flowspan.key.label.note": "is [redacted]",
    }


def test_a_request_without_a_key_has_none_on_its_span() -> None:
    bench = Bench()
    obs = bench.open()
    obs.identify("none")
    obs.finish("ok", status=200)
    assert not [name for name in attributes_of(bench.transaction()) if ".key." in name]
    assert bench.value("flowspan_key_requests_total", key="none", team="", outcome="ok") == 1


def test_when_keys_expire_is_shown_for_those_that_do() -> None:
    bench = Bench()
    bench.telemetry.register_keys([KeyIdentity("ci", "platform", expires_at=1234.5), KeyIdentity("cd")])
    assert bench.value("flowspan_key_expiry_timestamp_seconds", **CI) == 1234.5
    assert bench.value("flowspan_key_expiry_timestamp_seconds", key="cd", team="") is None
