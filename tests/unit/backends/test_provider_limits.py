from datetime import UTC, datetime

import pytest

from app.backends.provider_limits import allowances
from telemetry import AttemptAllowance


def test_what_is_left_is_read_with_its_limit_where_that_is_told() -> None:
    headers = {
        "x-ratelimit-limit-tokens": "150000",
        "x-ratelimit-remaining-tokens": "149984",
        "x-ratelimit-reset-tokens": "6m0s",
        "anthropic-ratelimit-output-tokens-remaining": "8000",
    }
    found = list(allowances(headers))
    assert [(one.kind, one.limit, one.remaining) for one in found] == [
        ("tokens", 150000, 149984),
        ("output_tokens", None, 8000),
    ]


@pytest.mark.parametrize("text", ["", "-1", "1.5", "unlimited", "9" * 16, "٣"])
def test_what_is_no_number_is_not_told(text: str) -> None:
    assert not list(allowances({"x-ratelimit-remaining-requests": text}))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("20ms", 0.02),
        ("1h2m3.5s", 3723.5),
        ("2m59.56s", 179.56),
        ("0s", 0.0),
        ("12", 12.0),
        ("7.5", 7.5),
        ("2026-11-30T08:00:10Z", 10.0),
        ("2026-11-30T07:00:00Z", 0.0),
    ],
)
def test_a_reset_is_read_in_each_of_its_forms(text: str, seconds: float) -> None:
    now = datetime(2026, 11, 30, 8, tzinfo=UTC).timestamp()
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": text}
    (found,) = allowances(headers, now)
    assert found.reset == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "soon", "-1", "nan", "inf", "1x", "2026-11-30T08:00:10", "9" * 400, "2026-99-30T08:00:10Z", "1e999"]
)
def test_a_reset_that_is_none_is_not_told(text: str) -> None:
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": text}
    assert [one.reset for one in allowances(headers)] == [None]


def test_anthropics_reset_stands_beside_its_rest() -> None:
    begin = "anthropic-ratelimit-input-tokens"
    headers = {
        f"{begin}-remaining": "0",
        f"{begin}-limit": "40000",
        f"{begin}-reset": "2026-11-30T08:00:30Z",
    }
    now = datetime(2026, 11, 30, 8, tzinfo=UTC).timestamp()
    assert list(allowances(headers, now)) == [AttemptAllowance("input_tokens", 40000, 0, 30.0)]
