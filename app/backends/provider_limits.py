"""What a provider's headers say of its rate limits, for metrics. Pure.

Read are OpenAI's headers, which most servers of its API send (platform.openai.com/docs/guides/rate-limits), and
Anthropic's (docs.anthropic.com/en/api/rate-limits).
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from telemetry.names import LimitKind

_HEADERS: tuple[tuple[LimitKind, str, str], ...] = (
    ("requests", "x-ratelimit-remaining-requests", "x-ratelimit-limit-requests"),
    ("tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-limit-tokens"),
    ("requests", "anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-limit"),
    ("tokens", "anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-limit"),
    ("input_tokens", "anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-limit"),
    ("output_tokens", "anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-limit"),
)
_MOST_DIGITS = 15


class Allowance(NamedTuple):
    """What is left of one limit. `limit` is None where the provider tells only the rest."""

    kind: LimitKind
    limit: int | None
    remaining: int


def allowances(headers: Mapping[str, str]) -> Iterator[Allowance]:
    """The limits that headers tell, whose names are found in any case. What is no number counts as not told."""
    for kind, remaining_header, limit_header in _HEADERS:
        if (text := headers.get(remaining_header)) is not None and (remaining := _count(text)) is not None:
            yield Allowance(kind, _count(headers.get(limit_header, "")), remaining)


def _count(text: str) -> int | None:
    return int(text) if len(text) <= _MOST_DIGITS and text.isascii() and text.isdecimal() else None
