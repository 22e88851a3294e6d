"""What is left of limits, in the headers of each API."""

from collections.abc import Mapping

import pytest

from app.dialects import DIALECTS
from app.quotas import Remaining

_NOON = 1_796_040_000.0


def _texts(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in headers.items()}


def test_each_api_has_its_own_headers() -> None:
    allowances = [
        Remaining("requests_per_minute", 50, 49, 60.5, _NOON),
        Remaining("tokens_per_minute", 1000, 0, 0.012, _NOON),
    ]
    for name, dialect in DIALECTS.items():
        headers = _texts(dialect.allowance_headers(allowances))
        if name == "anthropic_messages":
            assert headers == {
                "anthropic-ratelimit-requests-limit": "50",
                "anthropic-ratelimit-requests-remaining": "49",
                "anthropic-ratelimit-requests-reset": "2026-11-30T12:00:00Z",
                "anthropic-ratelimit-tokens-limit": "1000",
                "anthropic-ratelimit-tokens-remaining": "0",
                "anthropic-ratelimit-tokens-reset": "2026-11-30T12:00:00Z",
            }
        else:
            assert headers == {
                "x-ratelimit-limit-requests": "50",
                "x-ratelimit-remaining-requests": "49",
                "x-ratelimit-reset-requests": "1m1s",
                "x-ratelimit-limit-tokens": "1000",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "12ms",
            }


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(-1, "0ms"), (0, "0ms"), (1, "1s"), (58.5, "59s"), (59.5, "1m0s"), (0.0005, "1ms"), (120, "2m0s")],
)
def test_durations_are_written_as_openai_does(seconds: float, written: str) -> None:
    headers = _texts(
        DIALECTS["openai_chat"].allowance_headers([Remaining("requests_per_minute", 1, 1, seconds, _NOON)])
    )
    assert headers["x-ratelimit-reset-requests"] == written
