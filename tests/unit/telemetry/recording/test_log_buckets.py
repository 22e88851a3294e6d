import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.recording.log_buckets import LogBuckets, percentile

seconds = st.floats(min_value=0, max_value=4000, allow_nan=False)


@given(st.lists(seconds, min_size=1), st.sampled_from((0.0, 0.5, 0.9, 0.99, 1.0)))
def test_a_percentile_is_near_the_exact_one(values: list[float], share: float) -> None:
    buckets = LogBuckets()
    for value in values:
        buckets.add(value)
    exact = next(value for rank, value in enumerate(sorted(values), 1) if rank >= max(1.0, share * len(values)))
    assert percentile(buckets.filled(), share) == pytest.approx(exact, rel=0.13, abs=1e-6)


@given(st.lists(seconds))
def test_no_value_is_lost(values: list[float]) -> None:
    buckets = LogBuckets()
    for value in values:
        buckets.add(value)
    assert sum(count for _, count in buckets.filled()) == len(values)


def test_nothing_has_no_percentile() -> None:
    assert percentile((), 0.99) == 0.0


@pytest.mark.parametrize(("value", "expected"), [(-1.0, 0.0), (1e9, 4026.0)])
def test_what_is_out_of_range_counts_at_its_end(value: float, expected: float) -> None:
    buckets = LogBuckets()
    buckets.add(value)
    assert percentile(buckets.filled(), 0.5) == pytest.approx(expected, abs=300)
