"""The head of a request as bytes, and what the head of a response says about the body behind it. Pure."""

import re
from collections.abc import Mapping
from enum import Enum, auto
from functools import lru_cache
from typing import NamedTuple

from multidict import CIMultiDict
from yarl import URL

from app.http_client.errors import InvalidAddress, InvalidHeader, MalformedResponse

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_WITHOUT_LENGTH = frozenset({"CONNECT", "GET", "HEAD", "OPTIONS", "TRACE"})
"""Methods that say nothing of a body they do not have; others say that it has no bytes (RFC 9110, 8.6)."""
_WITHOUT_BODY = (204, 304)
RawHeaders = tuple[tuple[bytes, bytes], ...]


class Origin(NamedTuple):
    """A server, as an address names it."""

    scheme: str
    host: str
    """In lower case and ASCII; an IPv6 address without its brackets."""
    port: int

    @property
    def url(self) -> str:
        """`scheme://host`, with the port where it is not the scheme's own."""
        default = 443 if self.scheme == "https" else 80
        return f"{self.scheme}://{_bracketed(self.host)}{'' if self.port == default else f':{self.port}'}"

    @property
    def authority(self) -> str:
        """Host and port, as CONNECT wants them."""
        return f"{_bracketed(self.host)}:{self.port}"


class Resource(NamedTuple):
    """A URL, taken apart for the head of a request."""

    origin: Origin
    host: str
    """The value of the Host header."""
    target: str
    """Path and query, percent-encoded."""


@lru_cache(maxsize=1024)
def resource_of(url: str) -> Resource:
    """Take an address apart. Raises InvalidAddress for one that is not http(s)."""
    try:
        parts = URL(url)
        host, port = parts.raw_host, parts.port
    except ValueError:
        raise InvalidAddress("this is no URL") from None
    if parts.scheme not in ("http", "https") or not host or not port:
        raise InvalidAddress("only http(s) addresses are asked")
    host = host.lower()
    explicit = "" if parts.is_default_port() or parts.explicit_port is None else f":{port}"
    return Resource(Origin(parts.scheme, host, port), _bracketed(host) + explicit, parts.raw_path_qs)


def _bracketed(host: str) -> str:
    return f"[{host.partition('%')[0]}]" if ":" in host else host


def request_head(method: str, host: str, target: str, headers: Mapping[str, str], body_size: int) -> bytes:
    """The head of a request whose body has `body_size` bytes. Raises InvalidHeader for what could end a line."""
    _check_names(tuple(headers))
    lines = f"{method} {target} HTTP/1.1\r\nhost: {host}\r\n"
    for name, value in headers.items():
        lines += f"{name}: {value}\r\n"
    if body_size or method not in _WITHOUT_LENGTH:
        lines += f"content-length: {body_size}\r\n"
    # The values are checked all at once: as many ends of lines as lines were written.
    written = len(headers) + 2 + (body_size > 0 or method not in _WITHOUT_LENGTH)
    if lines.count("\n") != written or lines.count("\r") != written or "\0" in lines:
        raise InvalidHeader("a header of the request has the end of a line in it")
    return f"{lines}\r\n".encode("utf-8", "surrogateescape")


@lru_cache(maxsize=1024)
def _check_names(names: tuple[str, ...]) -> None:
    for name in names:
        if not _TOKEN.fullmatch(name) or name.lower() in ("host", "content-length", "transfer-encoding"):
            raise InvalidHeader(f"{name[:64]!r} cannot be set as a header of the request")


class Framing(Enum):
    """How the end of a body is known."""

    NONE = auto()
    """There is no body."""
    LENGTH = auto()
    CHUNKED = auto()
    CLOSE = auto()
    """It ends with the connection."""


class ResponseHead(NamedTuple):
    """Status and headers of a response, and how its body ends."""

    status: int
    raw_headers: RawHeaders
    headers: CIMultiDict[str]
    framing: Framing
    keeps_alive: bool
    """Whether the connection can have another exchange after this one."""


def framing_of(method: str, status: int, headers: Mapping[str, str]) -> Framing:
    """How the body ends behind such a head (RFC 9112, 6.3). Raises MalformedResponse for a body in another coding than
    `chunked`; a length beside chunks, and a second length, are what the parser refuses."""
    if method == "HEAD" or (method == "CONNECT" and 200 <= status < 300) or status in _WITHOUT_BODY:
        return Framing.NONE
    coding = headers.get("transfer-encoding")
    if coding is not None:
        if coding.strip().lower() != "chunked":
            raise MalformedResponse("the body has a transfer coding other than chunked")
        return Framing.CHUNKED
    return Framing.LENGTH if "content-length" in headers else Framing.CLOSE
