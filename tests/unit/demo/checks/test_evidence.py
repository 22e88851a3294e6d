from collections import Counter

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from app.demo.checks.evidence import read_scrape
from telemetry.metrics.registry import Metrics


def test_a_real_exposition_is_read_by_outcome_and_by_transition() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry, models=[("chat", "simulated")])
    metrics.server.outcomes["openai_chat", "chat", True]["ok"].inc(3)
    metrics.server.outcomes["anthropic_messages", "chat", False]["ok"].inc()
    metrics.breakers.register("east")
    metrics.breakers.transition("east", "closed", "open", "failure_rate")
    scrape = read_scrape(generate_latest(registry).decode())
    assert scrape.outcomes == Counter(ok=4)
    assert scrape.transitions("east") == Counter({("closed", "open"): 1})
    assert (scrape.in_flight, scrape.overflows) == (0, 0)
