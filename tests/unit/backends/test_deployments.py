"""Which deployment is next, as a table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.backends.deployments import Exhausted, Failure, Move, Refuse, Try, by_model, next_move
from app.errors import BackendError, UpstreamFailed, UpstreamRejected, UpstreamTimeout, UpstreamTruncated
from app.settings import Deployment, RouterSettings, Seconds

DOWN = UpstreamFailed("down", upstream_status=503)
NO_KEY = UpstreamFailed("key", upstream_status=401)
BAD = UpstreamRejected("bad", upstream_status=400)


def deployment(id: str, order: int = 1, weight: float = 1.0) -> Deployment:
    return Deployment(id=id, model_name="m", model=f"x/{id}", provider="x", order=order, weight=weight)


A, B, C = deployment("a"), deployment("b"), deployment("c", order=2)


def move(
    pool: list[Deployment],
    failed: list[tuple[Deployment, BackendError]] | None = None,
    open: str = "",
    draw: float = 0.0,
    retries: int = 2,
) -> Move:
    failures = [Failure(one, error) for one, error in failed or []]
    return next_move(pool, failures, lambda one: one.id in open, RouterSettings(num_retries=retries), lambda: draw)


def limited(retry_after: float) -> UpstreamFailed:
    return UpstreamFailed("slow down", upstream_status=429, retry_after=retry_after)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (move([A, B, C]), Try(A)),
        (move([A, B, C], draw=0.9), Try(B)),
        (move([A, B, C], open="a", draw=0.9), Try(B)),
        (move([A, B, C], open="ab"), Try(C)),
        (move([A, B, C], open="abc"), Exhausted()),
        (move([A, B, C], [(A, DOWN)]), Try(B)),
        (move([A, B, C], [(A, DOWN), (B, DOWN)]), Try(C)),
        (move([A, B, C], [(A, DOWN), (B, DOWN), (C, DOWN)]), Exhausted()),
        (move([A], [(A, DOWN)]), Try(A, 0.125, again=True)),
        (move([A], [(A, DOWN)], draw=0.5), Try(A, 0.1875, again=True)),
        (move([A], [(A, DOWN), (A, DOWN)]), Try(A, 0.25, again=True)),
        (move([A], [(A, DOWN)], retries=0), Exhausted()),
        (move([A], [(A, NO_KEY)]), Exhausted()),
        (move([A, B], [(A, NO_KEY)]), Try(B)),
        (move([A, B], [(A, NO_KEY), (B, DOWN)]), Try(B, 0.25, again=True)),
        (move([A, B], [(A, BAD)]), Refuse(BAD)),
        (move([A], [(A, limited(7))]), Try(A, 7, again=True)),
        (move([A], [(A, limited(11))]), Exhausted()),
        (move([A, B], [(A, limited(7))]), Try(B)),
        (move([A], [(A, DOWN)], open="a"), Exhausted()),
        (move([], []), Exhausted()),
    ],
)
def test_the_next_move(case: Move, expected: Move) -> None:
    assert case == expected


def test_a_breaker_that_cools_down_meanwhile_is_no_contradiction() -> None:
    """Its state is looked at once: not open at one look and closed at the next."""
    looks = iter([True])
    settings = RouterSettings()
    result = next_move([A, B], [Failure(A, DOWN)], lambda one: one is B and next(looks, False), settings, lambda: 0.5)
    assert result == Try(A, 0.1875, again=True)


def test_weights_share_the_traffic() -> None:
    heavy, light, none = deployment("h", weight=3), deployment("l", weight=1), deployment("n", weight=0)
    chosen = [move([none, heavy, light], draw=step / 100) for step in range(100)]
    assert chosen.count(Try(heavy)) == 75
    assert chosen.count(Try(light)) == 25


def test_deployments_without_any_weight_are_still_chosen() -> None:
    assert move([deployment("n", weight=0)]) == Try(deployment("n", weight=0))


@given(st.lists(st.sampled_from("abc"), max_size=6), st.floats(0, 1, exclude_max=True), st.sets(st.sampled_from("abc")))
def test_no_move_goes_to_an_open_breaker_or_beyond_the_retries(tried: list[str], draw: float, open: set[str]) -> None:
    pool = {"a": A, "b": B, "c": C}
    result = move(list(pool.values()), [(pool[id], DOWN) for id in tried], open="".join(open), draw=draw)
    assert not isinstance(result, Refuse)
    if isinstance(result, Try):
        assert result.deployment.id not in open
        assert len(tried) <= 2


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (DOWN, True),
        (NO_KEY, True),
        (BAD, False),
        (limited(1), False),
        (UpstreamTimeout("late"), True),
        (UpstreamTruncated("cut"), True),
        (UpstreamFailed("in the stream"), True),
    ],
)
def test_what_a_breaker_counts(error: BackendError, counts: bool) -> None:
    assert error.counts_against_deployment is counts


def test_deployments_are_grouped_in_the_order_written() -> None:
    other = Deployment(id="o", model_name="other", model="x/o", provider="x", timeout=Seconds(1))
    assert by_model([A, other, B]) == {"m": (A, B), "other": (other,)}
