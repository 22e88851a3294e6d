"""Metrics of limits and budgets: how much is used, who is turned away, and what is gone with a configuration."""

from prometheus_client import CollectorRegistry

from telemetry import BudgetWarning, LimitedKey, QuotaFigure, QuotaState
from telemetry.metrics.quotas import EAGER_HOLDERS, QuotaMetrics

_CI = LimitedKey("ci", "t", "key", "ci", "budget_day")


def _value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


def test_refusals_stand_at_zero_for_the_limits_that_there_are() -> None:
    registry = CollectorRegistry()
    metrics = QuotaMetrics(registry)
    metrics.register([_CI], [BudgetWarning("key", "ci", "budget_day", "hard", 4.0)])
    labels = {"key": "ci", "team": "t", "scope": "key", "holder": "ci", "limit": "budget_day"}
    assert _value(registry, "flowspan_quota_rejections_total", **labels) == 0
    metrics.refused(_CI)
    assert _value(registry, "flowspan_quota_rejections_total", **labels) == 1
    budget = {"scope": "key", "holder": "ci", "limit": "budget_day", "mode": "hard"}
    assert _value(registry, "flowspan_budget_warning_usd", **budget) == 4.0


def test_with_too_many_keys_each_has_its_counter_at_its_first_refusal() -> None:
    registry = CollectorRegistry()
    metrics = QuotaMetrics(registry)
    many = [LimitedKey(f"k{number}", None, "key", f"k{number}", "streams") for number in range(EAGER_HOLDERS + 1)]
    metrics.register(many, [])
    labels = {"key": "k7", "team": "", "scope": "key", "holder": "k7", "limit": "streams"}
    assert _value(registry, "flowspan_quota_rejections_total", **labels) is None
    metrics.refused(many[7])
    assert _value(registry, "flowspan_quota_rejections_total", **labels) == 1


def test_what_is_used_is_shown_of_the_fullest_and_forgotten_with_its_configuration() -> None:
    registry = CollectorRegistry()
    metrics = QuotaMetrics(registry)
    metrics.register([], [BudgetWarning("key", "ci", "budget_day", "hard", 4.0)])
    metrics.show(
        [
            QuotaFigure("key", "ci", "budget_day", "hard", 5.0, 2.0, 1.0),
            QuotaFigure("key", "default", "streams", "hard", 10, 7, 0),
            QuotaFigure("key", "default", "streams", "hard", 10, 2, 0),
        ]
    )
    budget = {"scope": "key", "holder": "ci", "limit": "budget_day", "mode": "hard"}
    streams = {"scope": "key", "holder": "default", "limit": "streams", "mode": "hard"}
    assert _value(registry, "flowspan_quota_used_ratio", **budget) == 0.6
    assert _value(registry, "flowspan_budget_used_usd", **budget) == 2
    assert _value(registry, "flowspan_budget_reserved_usd", **budget) == 1
    assert _value(registry, "flowspan_budget_limit_usd", **budget) == 5
    assert _value(registry, "flowspan_quota_used_ratio", **streams) == 0.7
    assert _value(registry, "flowspan_budget_used_usd", **streams) is None

    metrics.register([], [])
    for name in ("quota_used_ratio", "budget_used_usd", "budget_limit_usd", "budget_warning_usd"):
        assert _value(registry, f"flowspan_{name}", **budget) is None


def test_the_state_has_an_age_where_it_is_kept_and_losses_add_up() -> None:
    registry = CollectorRegistry()
    metrics = QuotaMetrics(registry)
    metrics.show_state(QuotaState())
    assert _value(registry, "flowspan_quota_state_losses_total") == 0
    metrics.show_state(QuotaState(1.5, losses=1, is_local=True))
    metrics.show_state(QuotaState(2.5, losses=1, is_local=False))
    assert _value(registry, "flowspan_quota_state_age_seconds") == 2.5
    assert _value(registry, "flowspan_quota_state_losses_total") == 1
    assert _value(registry, "flowspan_quota_state_local") == 0
