"""Whether an HTTP request can only be from a program or a page of this machine. Pure; for ports that take no key.

Binding to loopback keeps other machines out, but no web pages: a browser on this machine asks loopback for any page.
What it says in the request tells which: `Host` is the name that the page used (a name of its own, whose address was
changed to 127.0.0.1, is no name of this machine), `Origin` and `Sec-Fetch-Site` are where the page is from.
"""

import ipaddress
import re
from collections.abc import Collection, Mapping
from functools import lru_cache

_AUTHORITY = re.compile(r"(?:\[(?P<address>[0-9A-Fa-f:.]{2,45})\]|(?P<name>[\w.-]{1,253}))(?::\d{1,5})?", re.ASCII)
_LONGEST = 260
"""Characters: more than in any authority that is well-formed."""


@lru_cache(256)
def is_loopback(host: str) -> bool:
    """Whether `host`, a name or an address without a port, always means this machine."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def in_url(host: str) -> str:
    """A name or an address as it stands in a URL: one of IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def host_name(authority: str) -> str | None:
    """The name or address in a `Host` header's `name:port`, in lower case; None where it is malformed."""
    found = _AUTHORITY.fullmatch(authority)
    return (found["address"] or found["name"]).lower() if found else None


_name_in = lru_cache(64)(host_name)
"""As `host_name`, for texts of which there are few, and which are not long."""


def stranger(headers: Mapping[str, str], allowed: Collection[str] = ()) -> str | None:
    """What shows that a request may be from a web page of another site; None where nothing does.

    `headers` have lower-case names; `allowed` are further names of this machine, in lower case.
    """
    host = _name_in(headers.get("host", "")[:_LONGEST])
    if host is None or not (is_loopback(host) or host in allowed):
        return "Host header that names another machine"
    origin = headers.get("origin")
    if origin is not None:
        site = host_name(origin.partition("://")[2])
        if site is None or not (is_loopback(site) or site in allowed):
            return "Origin header of another site"
    match headers.get("sec-fetch-site"):
        case None | "same-origin" | "none":
            return None
        case "same-site" if origin is not None or is_loopback(host):
            # Another port of this machine. Another host of an allowed name's domain would be of the same site, too.
            return None
        case _:
            return "Sec-Fetch-Site header of another site"
