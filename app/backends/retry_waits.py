"""When a provider says to come back: in a header, in the details of its error, or in its words. Pure.

In this order: `retry-after-ms` and `retry-after`; the `RetryInfo` of Google's errors; a sentence ("Please try again in
1.2s"); and the headers that say when a limit is full again. All give a finite number of seconds, at most a day.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from app.dialects.errors import LONGEST_WAIT

_MAY_PASS = frozenset({429, 503, 529})
"""Statuses whose words and limits say when to come back; after any other only `retry-after` counts."""
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{0,15})?")
_LONGEST_TEXT = 64
_UNITS = r"(?:milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|h|days?|d)(?![a-z])"
_DURATION = rf"(?:\d{{1,9}}(?:\.\d{{0,12}})?\s?{_UNITS}\s?)+"
_PIECE = re.compile(r"(\d{1,9}(?:\.\d{0,12})?)\s?(ms|[smhd])")
_WORDS = re.compile(
    rf"\b(?:try again|retry|retrying|come back|wait)\s(?:(?:in|after|for|at least|about)\s){{0,2}}({_DURATION})",
    re.IGNORECASE,
)
"""OpenAI: "Please try again in 6m0s."; Gemini: "Please retry in 34.07s."; Azure: "Please retry after 26 seconds."."""
_LOOKED_AT = 2000
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_LIMITS = re.compile(
    r"(?:x-ratelimit-reset(?P<openai>(?:-[a-z-]+)?)|anthropic-(?:ratelimit|priority|fast)-[a-z-]+-reset)"
)
"""OpenAI's, Groq's and OpenRouter's headers, and Anthropic's."""


def retry_after(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> float | None:
    """When a provider says to come back, by `retry-after-ms`, or `retry-after` in seconds or as a date: a finite number
    of seconds, at most a day, 0 for a date that is past. None for what is no number and no date. `now` gives Unix
    time."""
    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        seconds = float(text) / scale if _NUMBER.fullmatch(text) else _seconds_until(text, now)
        if seconds is not None:
            return min(seconds, LONGEST_WAIT)
    return None


def wait_of(
    status: int,
    headers: Mapping[str, str],
    error: Mapping[str, Any],
    message: str,
    now: Callable[[], float] = time.time,
) -> float | None:
    """The wait that an answer with an error asks for, in seconds; None if it names none."""
    seconds = retry_after(headers, now)
    if seconds is None and status in _MAY_PASS:
        seconds = _retry_info(error)
    if seconds is None and status in _MAY_PASS:
        seconds = _wait_in_words(message)
    if seconds is None and status in _MAY_PASS:
        seconds = _until_reset({**_lower(_headers_in(error)), **_lower(headers)}, now)
    return None if seconds is None else min(max(0.0, seconds), LONGEST_WAIT)


def duration(text: str) -> float | None:
    """Seconds of a duration as providers write it: `34.07s`, `1m30s`, `6ms`, `26 seconds`. None for anything else."""
    text = text.strip().lower()
    if not text or len(text) > _LONGEST_TEXT or re.fullmatch(_DURATION, text) is None:
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in _PIECE.findall(text))


def _retry_info(error: Mapping[str, Any]) -> float | None:
    """`google.rpc.RetryInfo` among the details: googleapis, google/rpc/error_details.proto."""
    details = error.get("details")
    for detail in details[:32] if isinstance(details, list) else ():
        if isinstance(detail, Mapping) and isinstance(delay := detail.get("retryDelay"), str):
            return duration(delay)
    return None


def _wait_in_words(message: str) -> float | None:
    found = _WORDS.search(message[:_LOOKED_AT])
    return duration(found[1]) if found else None


def _headers_in(error: Mapping[str, Any]) -> Mapping[str, str]:
    """The headers that OpenRouter puts into the error of its own limits."""
    metadata = error.get("metadata")
    headers = metadata.get("headers") if isinstance(metadata, Mapping) else None
    return {str(name): str(value) for name, value in headers.items()} if isinstance(headers, Mapping) else {}


def _until_reset(headers: Mapping[str, str], now: Callable[[], float]) -> float | None:
    """Seconds until the limits that are used up are full again; where none says that it is, until all are."""
    resets = list(_resets(headers, now))
    used_up = [seconds for seconds, remaining in resets if remaining == "0"]
    return max(used_up or [seconds for seconds, _ in resets], default=None)


def _resets(headers: Mapping[str, str], now: Callable[[], float]) -> Iterator[tuple[float, str]]:
    """Seconds until each limit is full again, with what remains of it."""
    for name, value in headers.items():
        if (found := _LIMITS.fullmatch(name)) is None or (seconds := _seconds(value.strip(), now)) is None:
            continue
        remaining = name.replace("-reset", "-remaining") if found["openai"] is not None else name[:-5] + "remaining"
        yield seconds, headers.get(remaining, "").strip()


def _seconds(text: str, now: Callable[[], float]) -> float | None:
    """A duration, a number of seconds, or a moment: RFC 3339, or Unix time in seconds or milliseconds."""
    if _NUMBER.fullmatch(text):
        number = float(text)
        if number < 1e9:
            return number
        return max(0.0, (number / 1000 if number >= 1e11 else number) - now())
    if (seconds := duration(text)) is not None:
        return seconds
    try:
        return max(0.0, datetime.fromisoformat(text[:_LONGEST_TEXT]).timestamp() - now())
    except (ValueError, OverflowError, OSError):
        return None


def _seconds_until(date: str, now: Callable[[], float]) -> float | None:
    if not date or len(date) > _LONGEST_TEXT:
        return None
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - now())
    except (ValueError, OverflowError, TypeError, OSError):
        return None


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
