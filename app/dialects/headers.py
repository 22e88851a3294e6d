"""The headers of a client that go with its request to a provider of its dialect; all others end at the gateway.

What the operator configured overrules them: a client may name an organization only where the operator names none, and
then it is the provider that holds it to the operator's key.
"""

from collections.abc import Mapping

_HOP_BY_HOP = "connection"
"""Names, beside connection options, headers that are for the next hop alone (RFC 9110, section 7.6.1)."""


def kept(headers: Mapping[str, str], names: frozenset[str]) -> dict[str, str]:
    """The headers named in `names`. All names are in lower case."""
    if names.isdisjoint(headers):
        return {}
    return {name: value for name, value in headers.items() if name in names}


def with_prefix(headers: Mapping[str, str], prefix: str) -> dict[str, str]:
    """All headers whose name begins with `prefix`, but for those that the client's `connection` header says are for
    this hop alone. All names are in lower case."""
    found = {name: value for name, value in headers.items() if name.startswith(prefix)}
    if found and _HOP_BY_HOP in headers:
        for name in _for_this_hop(headers):
            found.pop(name, None)
    return found


def _for_this_hop(headers: Mapping[str, str]) -> frozenset[str]:
    return frozenset(name.strip().lower() for name in headers.get(_HOP_BY_HOP, "").split(","))
