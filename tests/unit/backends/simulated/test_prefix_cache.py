"""The simulated provider's cache of prompts, by a clock that is turned by hand."""

from typing import Any

import pytest

from app.backends.simulated.answer import CacheUse
from app.backends.simulated.prefix_cache import PrefixCache
from app.backends.simulated.scenario import Scenario, read_scenario

TOOL, SYSTEM, FIRST = ("tool", 600), ("system", 500), ("first", 100)


def cache(**params: Any) -> PrefixCache:
    return PrefixCache(Scenario(cache_ttl=60.0, **params))


def test_what_is_the_same_from_the_beginning_is_read_and_the_rest_written() -> None:
    made = cache()

    assert made.use([TOOL, SYSTEM, FIRST], 0.0) == CacheUse(read=0, written=1_200)
    assert made.use([TOOL, SYSTEM, FIRST, ("next", 50)], 0.0) == CacheUse(read=1_200, written=50)
    assert made.use([TOOL, SYSTEM, ("another", 100)], 0.0) == CacheUse(read=1_100, written=100)
    assert made.use([SYSTEM, TOOL, FIRST], 0.0) == CacheUse(read=0, written=1_200)


def test_a_prompt_below_the_minimum_is_not_kept() -> None:
    small, made = [("system", 1_023)], cache()

    assert [made.use(small, 0.0) for _ in range(2)] == [CacheUse()] * 2
    assert made.use([*small, ("one", 1)], 0.0) == CacheUse(written=1_024)
    assert cache(cache_minimum=10).use(small, 0.0) == CacheUse(written=1_023)


def test_each_use_keeps_a_prompt_for_its_time_and_no_longer() -> None:
    made = cache()
    uses = [made.use([TOOL, SYSTEM], at).read for at in (0.0, 60.0, 120.0, 180.1)]

    assert uses == [0, 1_100, 1_100, 0]


def test_the_prefix_unused_for_longest_goes_first() -> None:
    made = cache(cache_size=2)
    for system in ("a", "b", "a", "c"):
        made.use([(system, 2_000)], 0.0)

    assert [made.use([(system, 2_000)], 0.0).read for system in ("a", "c", "b")] == [2_000, 2_000, 0]


@pytest.mark.parametrize("wrong", [{"cache_minimum": 0}, {"cache_size": 0}, {"cache_ttl": -1}, {"cached": 0.5}])
def test_a_cache_that_could_not_be_is_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"simulated/echo.*`{next(iter(wrong))}`"):
        read_scenario("echo", {"cache_ttl": 60, **wrong})
