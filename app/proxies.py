"""Who a client is, behind the proxies before the gateway: what they say of it counts where the operator trusts them.
Who comes by a Unix socket has no address of its own, and is trusted by the word `unix:`, which is nginx's.

Each proxy adds the address it was asked from at the right of `x-forwarded-for` (or `forwarded`, RFC 7239). So the list
is read from the right, past the trusted ones; what stands further left may be anybody's invention.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_FOR, _PROTO, _FORWARDED = "x-forwarded-for", "x-forwarded-proto", "forwarded"
_HOPS = 32
"""Proxies in a row that are read of."""
_PAIR = re.compile(r'(?:^|[;,])\s*(for|proto)\s*=\s*(?:"([^"]*)"|([^";,\s]*))', re.IGNORECASE)
_SCHEMES = frozenset({"http", "https"})


UNIX = "unix:"
"""Stands for every peer that comes by a Unix socket."""


class BadProxy(ValueError):
    """A text that is neither an address, nor a network, nor `unix:`, nor `*`."""


class TrustedProxies:
    """The proxies whose headers are believed; `*` stands for all. A peer is an address, `unix:`, or None where nobody
    knows it. Raises BadProxy."""

    def __init__(self, addresses: Iterable[str]) -> None:
        texts = tuple(addresses)
        self._all = "*" in texts
        self._networks = tuple(_network(text) for text in texts if text not in ("*", UNIX))
        self._trusted: dict[str, bool] = {UNIX: self._all or UNIX in texts}
        """What was found out about peers; there are few in a row, and each connection has one."""

    def client(self, headers: Mapping[str, str], peer: str | None) -> str | None:
        """The client's address: the peer's own, or what a trusted peer says of it; None where there is none. `headers`
        have lower-case names."""
        client = None if peer == UNIX else peer
        if (_FOR not in headers and _FORWARDED not in headers) or not self._is_trusted(peer):
            return client
        for hop in _hops(headers):
            if (address := _address(hop)) is None:
                break
            client = str(address)
            if not self._trusts(address):
                break
        return client

    def scheme(self, headers: Mapping[str, str], peer: str | None, scheme: str) -> str:
        """The scheme by which the client asked, as the nearest trusted proxy says, or else `scheme`."""
        if (_PROTO not in headers and _FORWARDED not in headers) or not self._is_trusted(peer):
            return scheme
        names = headers.get(_PROTO) or ",".join(_pairs(headers.get(_FORWARDED, ""), "proto"))
        name = names.rpartition(",")[2].strip().lower()
        return name if name in _SCHEMES else scheme

    def _is_trusted(self, peer: str | None) -> bool:
        if self._all or peer is None:
            return self._all
        if (known := self._trusted.get(peer)) is None:
            if len(self._trusted) >= 1024:
                self._trusted = {UNIX: self._trusted[UNIX]}
            address = _address(peer)
            known = self._trusted[peer] = address is not None and self._trusts(address)
        return known

    def _trusts(self, address: _Address) -> bool:
        return self._all or any(address in network for network in self._networks)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise BadProxy("expected an address (10.0.0.1), a network (10.0.0.0/8), `unix:` or `*`") from None


def _hops(headers: Mapping[str, str]) -> Iterator[str]:
    """The addresses that were asked from, the last proxy's first."""
    listed = headers.get(_FOR)
    hops = listed.split(",") if listed else _pairs(headers.get(_FORWARDED, ""), "for")
    return reversed(hops[-_HOPS:])


def _pairs(forwarded: str, name: str) -> list[str]:
    return [quoted or plain for key, quoted, plain in _PAIR.findall(forwarded) if key.lower() == name]


def _address(hop: str) -> _Address | None:
    """The address of one hop, which may have a port; None for a name, `unknown` or rubbish."""
    text = hop.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
