"""When a provider says to come back, wherever it says so."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.backends.retry_waits import duration, wait_of
from app.dialects.errors import LONGEST_WAIT

NOW = 1_767_225_600.0
"""2026-01-01T00:00:00Z"""
RETRY_INFO = {"details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.07s"}]}
REMAINING = "x-ratelimit-remaining-requests"


def wait(headers: dict[str, str], error: dict[str, Any], message: str = "", status: int = 429) -> float | None:
    return wait_of(status, headers, error, message, lambda: NOW)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("34.07s", 34.07),
        ("1m30s", 90),
        ("6ms", 0.006),
        ("6m0s", 360),
        ("1h2m3s", 3723),
        ("26 seconds", 26),
        ("2 minutes", 120),
        ("1d", 86_400),
        ("", None),
        ("soon", None),
        ("5", None),
        ("1m and more", None),
    ],
)
def test_durations_are_read_as_providers_write_them(text: str, seconds: float | None) -> None:
    assert duration(text) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("headers", "error", "message", "seconds"),
    [
        ({"retry-after-ms": "450", "retry-after": "9"}, RETRY_INFO, "Please try again in 2s.", 0.45),
        ({"retry-after": "9"}, RETRY_INFO, "", 9),
        ({"retry-after": "Thu, 01 Jan 2026 00:00:30 GMT"}, {}, "", 30),
        ({}, RETRY_INFO, "Please retry in 1s.", 34.07),
        ({}, {}, "Rate limit reached for x. Please try again in 1.2s. Visit https://x to learn more.", 1.2),
        ({}, {}, "Please retry after 26 seconds.", 26),
        ({}, {}, "Please try again in 6m0s.", 360),
        ({"x-ratelimit-reset-requests": "1m30s"}, {}, "", 90),
        ({"x-ratelimit-reset-requests": "1m30s", REMAINING: "4", "x-ratelimit-reset-tokens": "6ms"}, {}, "", 90),
        (
            {"x-ratelimit-reset-requests": "8s", REMAINING: "0", "x-ratelimit-reset-tokens": "1h"},
            {},
            "",
            8,
        ),
        (
            {
                "anthropic-ratelimit-requests-reset": "2026-01-01T00:00:12Z",
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-tokens-reset": "2026-01-01T00:01:00Z",
                "anthropic-ratelimit-tokens-remaining": "70",
            },
            {},
            "",
            12,
        ),
        ({}, {"metadata": {"headers": {"X-RateLimit-Reset": str(int((NOW + 5) * 1000))}}}, "", 5),
        ({"retry-after": "999999999"}, {}, "", LONGEST_WAIT),
        ({}, {"details": [{"retryDelay": "999999999s"}]}, "", LONGEST_WAIT),
        ({"x-ratelimit-limit-requests": "60"}, {"details": ["a", None]}, "Try again later.", None),
    ],
)
def test_the_wait_is_found_wherever_it_stands(
    headers: dict[str, str], error: dict[str, Any], message: str, seconds: float | None
) -> None:
    assert wait(headers, error, message) == (None if seconds is None else pytest.approx(seconds))


def test_of_what_does_not_pass_only_a_header_counts() -> None:
    assert wait({"x-ratelimit-reset-requests": "6s"}, RETRY_INFO, "Please try again in 3s.", status=400) is None
    assert wait({"retry-after": "3"}, {}, status=500) == 3


@given(st.dictionaries(st.sampled_from(["retry-after", "x-ratelimit-reset-tokens"]), st.text()), st.text(), st.text())
def test_whatever_is_said_the_wait_is_bounded(headers: dict[str, str], delay: str, message: str) -> None:
    found = wait(headers, {"details": [{"retryDelay": delay}]}, message)
    assert found is None or 0 <= found <= LONGEST_WAIT
