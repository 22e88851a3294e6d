"""What an attempt tells of the provider's prompt cache at its end."""

from telemetry import Attempt, AttemptTarget, ObservabilityContext, Tokens
from telemetry.transaction.prompt_cache import AttemptCache
from tests.unit.telemetry.fakes import Bench, attributes_of, event_names
from tests.unit.telemetry.prompt_cache.prompts import form, prompt

WRITTEN = Tokens(0, 0, 5_000, 10, 0)
COLD = Tokens(6_000, 0, 0, 10, 0)
UNCOUNTED = Tokens(6_000, 0, 0, 10, 0, uncounted_prompt=6_000)


def answered(bench: Bench, messages: str, tokens: Tokens) -> tuple[ObservabilityContext, Attempt, AttemptCache]:
    """An attempt with these messages, just before its end."""
    obs = bench.open()
    obs.attempts.watch(prompt(form(messages)))
    target = AttemptTarget(deployment="d", provider="openai", model="gpt-5", model_group="gpt-5")
    attempt = obs.attempts.start(target)
    attempt.usage(tokens)
    assert attempt.prompt_cache is not None
    attempt.prompt_cache.answered(tokens)
    return obs, attempt, attempt.prompt_cache


def test_a_miss_is_on_the_attempts_span_and_an_event_of_the_transaction() -> None:
    bench = Bench()
    for messages, tokens in (("a", WRITTEN), ("x a", COLD)):
        obs, attempt, cache = answered(bench, messages, tokens)
        cache.missed(0.25)
        attempt.end()
        obs.finish("ok", status=200)

    found = {name: value for name, value in attributes_of(bench.spans()["chat gpt-5"]).items() if ".cache." in name}
    assert found == {
        "flowspan.cache.miss.cause": "message",
        "flowspan.cache.miss.by": "client",
        "flowspan.cache.miss.block": "messages[0]",
        "flowspan.cache.miss.lost_tokens": 5_000,
        "flowspan.cache.miss.cost_usd": 0.25,
        "flowspan.cache.read_ratio": 0.0,
    }
    assert event_names(bench.transaction()).count("cache.missed") == 1


def test_an_estimate_of_the_prompt_says_nothing_of_its_cache() -> None:
    bench = Bench()
    misses = []
    for messages, tokens in (("a", WRITTEN), ("a b", UNCOUNTED), ("a b c", COLD)):
        obs, attempt, cache = answered(bench, messages, tokens)
        misses.append(cache.miss and cache.miss.cause)
        attempt.end()
        obs.finish("ok", status=200)

    assert misses == [None, None, "provider"]
    spans = [span for span in bench.exporter.get_finished_spans() if span.name == "chat gpt-5"]
    assert ["flowspan.cache.read_ratio" in attributes_of(span) for span in spans] == [True, False, True]


def test_a_prompt_that_was_not_given_costs_no_comparison() -> None:
    obs = Bench().open()

    attempt = obs.attempts.start(AttemptTarget(deployment="d", provider="openai", model="gpt-5", model_group="gpt-5"))

    assert attempt.prompt_cache is None
