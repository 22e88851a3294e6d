"""What is left of a caller's own limits, in the headers from which SDKs and agents read it.

OpenAI's are documented at platform.openai.com/docs/guides/rate-limits, Anthropic's at
docs.anthropic.com/en/api/rate-limits. They go with every answer, so they are made of as few steps as there can be.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from math import ceil
from typing import Protocol

Headers = dict[bytes, bytes]
"""Their names are in lower case."""


class Allowance(Protocol):
    """What is left of a limit of requests or of tokens in a minute."""

    @property
    def limit(self) -> str:
        """`requests_per_minute` or `tokens_per_minute`."""

    @property
    def most(self) -> float: ...
    @property
    def left(self) -> float: ...
    @property
    def resets_in(self) -> float:
        """Seconds until all of it is there again, if nobody asks until then."""

    @property
    def resets_at(self) -> float:
        """When that is, in Unix time."""


_OPENAI: Mapping[str, tuple[bytes, bytes, bytes]] = {
    limit: (b"x-ratelimit-limit-" + kind, b"x-ratelimit-remaining-" + kind, b"x-ratelimit-reset-" + kind)
    for limit, kind in (("requests_per_minute", b"requests"), ("tokens_per_minute", b"tokens"))
}
_ANTHROPIC: Mapping[str, tuple[bytes, bytes, bytes]] = {
    limit: (
        b"anthropic-ratelimit-%b-limit" % kind,
        b"anthropic-ratelimit-%b-remaining" % kind,
        b"anthropic-ratelimit-%b-reset" % kind,
    )
    for limit, kind in (("requests_per_minute", b"requests"), ("tokens_per_minute", b"tokens"))
}


def openai_headers(allowances: Iterable[Allowance]) -> Headers:
    """`x-ratelimit-limit-requests` and its like."""
    headers = {}
    for one in allowances:
        most, left, reset = _OPENAI[one.limit]
        headers[most], headers[left], headers[reset] = b"%d" % one.most, b"%d" % one.left, _duration(one.resets_in)
    return headers


def anthropic_headers(allowances: Iterable[Allowance]) -> Headers:
    """`anthropic-ratelimit-requests-limit` and its like."""
    headers = {}
    for one in allowances:
        most, left, reset = _ANTHROPIC[one.limit]
        headers[most], headers[left], headers[reset] = b"%d" % one.most, b"%d" % one.left, _time(one.resets_at)
    return headers


def _duration(seconds: float) -> bytes:
    """As OpenAI writes it: `12ms`, `59s`, `1m0s`."""
    if seconds < 1:
        return b"%dms" % max(0, ceil(1000 * seconds))
    whole = ceil(seconds)
    return b"%ds" % whole if whole < 60 else b"%dm%ds" % divmod(whole, 60)


def _time(unix: float) -> bytes:
    return f"{datetime.fromtimestamp(unix, UTC):%Y-%m-%dT%H:%M:%SZ}".encode()
