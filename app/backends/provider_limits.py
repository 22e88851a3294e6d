"""What a provider's headers say of its rate limits, for metrics and for admission. Pure.

Read are OpenAI's headers, which most servers of its API send (platform.openai.com/docs/guides/rate-limits), and
Anthropic's (docs.anthropic.com/en/api/rate-limits). A reset is when all of a limit would be there again: OpenAI's is a
duration as Go writes it (`6m0s`, `20ms`) or a number of seconds, Anthropic's a moment as RFC 3339 has it.
"""

import re
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from math import isfinite

from telemetry import AttemptAllowance
from telemetry.names import LimitKind


def _openai(kind: LimitKind) -> tuple[LimitKind, str, str, str]:
    return kind, f"x-ratelimit-remaining-{kind}", f"x-ratelimit-limit-{kind}", f"x-ratelimit-reset-{kind}"


def _anthropic(kind: LimitKind) -> tuple[LimitKind, str, str, str]:
    begin = f"anthropic-ratelimit-{kind.replace('_', '-')}"
    return kind, f"{begin}-remaining", f"{begin}-limit", f"{begin}-reset"


_HEADERS = (
    _openai("requests"),
    _openai("tokens"),
    _anthropic("requests"),
    _anthropic("tokens"),
    _anthropic("input_tokens"),
    _anthropic("output_tokens"),
)
_MOST_DIGITS = 15
_LONGEST = 64
"""Characters of a reset."""
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_DURATION = re.compile(r"(?:\d{1,15}(?:\.\d{1,15})?(?:h|ms|m|s|us|µs|ns))+")
_PART = re.compile(r"([\d.]+)(\D+)")


def allowances(headers: Mapping[str, str], now: float | None = None) -> Iterator[AttemptAllowance]:
    """The limits that headers tell, whose names are found in any case. What is no number counts as not told. `now` is
    in Unix seconds, the present unless it is given."""
    for kind, remaining_header, limit_header, reset_header in _HEADERS:
        if (text := headers.get(remaining_header)) is not None and (remaining := _count(text)) is not None:
            limit = _count(headers.get(limit_header, ""))
            reset = _seconds(headers.get(reset_header, ""), now)
            yield AttemptAllowance(kind, limit, remaining, reset)


def _count(text: str) -> int | None:
    return int(text) if len(text) <= _MOST_DIGITS and text.isascii() and text.isdecimal() else None


def _seconds(text: str, now: float | None) -> float | None:
    """Seconds until a reset; None where none is told."""
    if not text or len(text) > _LONGEST:
        return None
    if _DURATION.fullmatch(text):
        return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    try:
        if "T" in text:
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is None:
                return None
            return max(0.0, moment.timestamp() - (time.time() if now is None else now))
        seconds = float(text)
    except (ValueError, OverflowError):
        return None
    return seconds if isfinite(seconds) and seconds >= 0 else None
