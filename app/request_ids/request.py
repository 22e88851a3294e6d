"""The head and the fields of one request, as sources of ids see them."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

_LONGEST_BAGGAGE = 8192
_MEMBERS = 64
"""Bounds that W3C Baggage asks everybody to pass on."""


class IdCarrier:
    """What ids are looked for in. `headers` have lower-case names; `body` is the JSON of the request, or a part of it;
    `beginning` is the body that a fingerprint may be made of, None for a request that is no conversation. `scope` keeps
    the fingerprints of different callers apart."""

    __slots__ = ("_baggage", "beginning", "body", "headers", "scope")

    def __init__(
        self,
        headers: Mapping[str, str],
        body: Mapping[str, Any],
        beginning: Mapping[str, Any] | None = None,
        scope: str = "",
    ) -> None:
        self.headers = headers
        self.body = body
        self.beginning = beginning
        self.scope = scope
        self._baggage: Mapping[str, str] | None = None

    @property
    def baggage(self) -> Mapping[str, str]:
        """The members of the `baggage` header, parsed at first use."""
        if self._baggage is None:
            self._baggage = parse_baggage(self.headers.get("baggage", ""))
        return self._baggage


def parse_baggage(header: str) -> Mapping[str, str]:
    """The members of W3C Baggage by key, percent-decoded, without their properties. What is malformed is left out."""
    members: dict[str, str] = {}
    for member in header[:_LONGEST_BAGGAGE].split(",")[:_MEMBERS]:
        key, equals, value = member.partition(";")[0].partition("=")
        if equals and (name := key.strip()):
            members[name] = unquote(value.strip(), errors="replace")
    return members
