"""What is left of a caller's own limits, in the headers from which SDKs and agents read it.

OpenAI's are documented at platform.openai.com/docs/guides/rate-limits, Anthropic's at
docs.anthropic.com/en/api/rate-limits.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal

from msgspec import Struct


class Allowance(Struct, frozen=True):
    """What is left of a limit of requests or of tokens in a minute."""

    kind: Literal["requests", "tokens"]
    most: int
    left: int
    resets_in: float
    """Seconds until all of it is there again, if nobody asks until then."""
    resets_at: float
    """When that is, in Unix time."""


def openai_headers(allowances: Iterable[Allowance]) -> dict[str, str]:
    """`x-ratelimit-limit-requests` and its like, with lower-case names."""
    headers = {}
    for one in allowances:
        headers[f"x-ratelimit-limit-{one.kind}"] = str(one.most)
        headers[f"x-ratelimit-remaining-{one.kind}"] = str(one.left)
        headers[f"x-ratelimit-reset-{one.kind}"] = _duration(one.resets_in)
    return headers


def anthropic_headers(allowances: Iterable[Allowance]) -> dict[str, str]:
    """`anthropic-ratelimit-requests-limit` and its like, with lower-case names."""
    headers = {}
    for one in allowances:
        headers[f"anthropic-ratelimit-{one.kind}-limit"] = str(one.most)
        headers[f"anthropic-ratelimit-{one.kind}-remaining"] = str(one.left)
        reset = datetime.fromtimestamp(one.resets_at, UTC)
        headers[f"anthropic-ratelimit-{one.kind}-reset"] = f"{reset:%Y-%m-%dT%H:%M:%SZ}"
    return headers


def _duration(seconds: float) -> str:
    """As OpenAI writes it: `12ms`, `3.5s`, `1m0s`."""
    milliseconds = max(0, round(1000 * seconds))
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    return (f"{minutes}m" if minutes else "") + f"{rest / 1000:g}s"
