"""By what one of several deployments is chosen: the readings, and the ranks made of them."""

from collections import Counter
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.backends.balancing import FirstTokenTimes, ranks_of
from app.backends.deployments import Failure, Try, next_move
from app.errors import UpstreamFailed
from app.prices import cost_of
from app.settings import Deployment, RouterSettings, RoutingStrategy

A, B, C = (Deployment(id=id, model_name="m", model=f"x/{id}", provider="x") for id in "abc")
NOW = 1000.0


def times(**seconds: float) -> FirstTokenTimes:
    made = FirstTokenTimes()
    for one in (A, B, C):
        if one.id in seconds:
            made.add(one, seconds[one.id], NOW)
    return made


def ranks(strategy: RoutingStrategy, busy: dict[str, int] | None = None, **seconds: float) -> dict[str, float]:
    return ranks_of(strategy, [A, B, C], busy or {}, times(**seconds), NOW)


def chosen(found: dict[str, float], pool: tuple[Deployment, ...] = (A, B, C), failed: str = "") -> dict[str, int]:
    """How often each deployment is chosen, over all draws."""
    failures = [Failure(one, UpstreamFailed("down", upstream_status=503)) for one in pool if one.id in failed]
    settings = RouterSettings()
    moves = [
        next_move(pool, failures, lambda one: False, settings, partial(float, step / 100), ranks=found)
        for step in range(100)
    ]
    return dict(Counter(move.deployment.id for move in moves if isinstance(move, Try)))


def test_by_weight_nobody_has_a_rank() -> None:
    assert ranks("weighted", {"a": 5}, a=1.0) == {}


def test_the_least_busy_is_asked_and_weights_share_among_equals() -> None:
    assert chosen(ranks("least_busy", {"a": 2, "b": 1})) == {"c": 100}
    heavy = replace(B, weight=3)
    assert chosen(ranks("least_busy", {"a": 1}), (A, heavy, C)) == {"b": 75, "c": 25}


def test_the_fastest_is_asked_and_those_that_are_about_as_fast_share() -> None:
    assert chosen(ranks("fastest_first_token", a=1.0, b=0.5, c=2.0)) == {"b": 100}
    assert chosen(ranks("fastest_first_token", a=0.54, b=0.5, c=2.0)) == {"a": 50, "b": 50}


def test_one_of_which_nothing_is_known_is_tried_by_one_request_at_a_time() -> None:
    assert chosen(ranks("fastest_first_token", a=1.0, b=0.5)) == {"c": 100}
    assert chosen(ranks("fastest_first_token", {"c": 1}, a=1.0, b=0.5)) == {"b": 100}
    assert chosen(ranks("fastest_first_token", {"a": 1, "b": 1, "c": 1})) == {"a": 34, "b": 33, "c": 33}


def test_the_cheapest_is_asked_and_one_without_a_price_last() -> None:
    dear, cheap = (
        replace(one, cost=cost_of({"input_cost_per_token": price, "output_cost_per_token": 4 * price}))
        for one, price in ((A, 3e-6), (B, 1e-6))
    )
    found = ranks_of("cheapest", [dear, cheap, C], {}, times(), NOW)
    assert chosen(found) == {"b": 100}
    assert chosen(found, failed="b") == {"a": 100}
    assert chosen(found, failed="ab") == {"c": 100}


@pytest.mark.parametrize("strategy", ["weighted", "least_busy", "fastest_first_token", "cheapest"])
def test_the_order_comes_before_any_rank(strategy: RoutingStrategy) -> None:
    first = replace(A, order=0, weight=0.1)
    found = ranks_of(strategy, [first, B], {"a": 100}, times(a=60.0, b=0.1), NOW)
    assert chosen(found, (first, B)) == {"a": 100}


def test_an_average_follows_what_comes_and_the_faster_the_longer_ago_the_last_was() -> None:
    made = FirstTokenTimes()
    made.add(A, 1.0, NOW)
    made.add(A, 2.0, NOW)
    assert made.average(A, NOW) == pytest.approx(1.1)
    made.add(A, 2.0, NOW + 60)
    assert made.average(A, NOW + 60) == pytest.approx(1.88, abs=0.01)
    assert made.average(B, NOW) is None


def test_an_old_average_says_nothing_so_a_slow_deployment_is_tried_again() -> None:
    made = times(a=9.0, b=1.0)
    assert made.average(A, NOW + 119) == 9.0
    assert made.average(A, NOW + 121) is None
    made.add(A, 0.5, NOW + 121)
    assert made.average(A, NOW + 121) == 0.5


def test_models_behind_one_wildcard_have_times_of_their_own_and_only_so_many_are_kept() -> None:
    made = FirstTokenTimes()
    for number in range(5000):
        made.add(replace(A, model=f"x/{number}"), number, NOW)
    assert made.average(replace(A, model="x/4999"), NOW) == 4999
    assert made.average(replace(A, model="x/0"), NOW) is None


@given(st.lists(st.tuples(st.floats(0.001, 100), st.floats(0, 100)), min_size=1, max_size=20))
def test_an_average_lies_between_the_shortest_and_the_longest(samples: list[tuple[float, float]]) -> None:
    made, now = FirstTokenTimes(), NOW
    for seconds, pause in samples:
        now += pause
        made.add(A, seconds, now)
    average = made.average(A, now)
    assert average is not None
    assert min(s for s, _ in samples) * 0.999 <= average <= max(s for s, _ in samples) * 1.001
