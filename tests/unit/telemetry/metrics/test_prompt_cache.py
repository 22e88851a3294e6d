import pytest

from telemetry import AttemptTarget
from telemetry.metrics.traffic import EAGER_MODELS
from telemetry.names import CACHE_MISS_CAUSES
from tests.unit.telemetry.fakes import Bench
from tests.unit.telemetry.prompt_cache.prompts import form, prompt


@pytest.mark.parametrize("cause", CACHE_MISS_CAUSES)
def test_misses_stand_at_zero_from_the_start(cause: str) -> None:
    bench = Bench()
    labels = {"provider": "openai", "model": "gpt-5", "cause": cause}

    assert bench.value("flowspan_cache_misses_total", **labels) == 0
    assert bench.value("flowspan_cache_lost_tokens_total", **labels) == 0


def test_with_many_models_they_do_from_a_models_first_large_prompt_on() -> None:
    bench = Bench(models=tuple((f"m{at}", "openai") for at in range(EAGER_MODELS + 1)))
    labels = {"provider": "openai", "model": "m1", "cause": "system"}
    assert bench.value("flowspan_cache_misses_total", **labels) is None

    obs = bench.open()
    obs.attempts.watch(prompt(form("a")))
    obs.attempts.start(AttemptTarget(deployment="d", provider="openai", model="m1", model_group="m1")).end()

    assert bench.value("flowspan_cache_misses_total", **labels) == 0
