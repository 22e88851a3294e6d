"""A request's head, once the parser has taken it apart: what it asks for, or why it is refused.

llhttp holds most of RFC 9112 itself (obs-fold, bare CR and LF, spaces before a colon, Content-Length beside
Transfer-Encoding, lengths that are no number). What it lets pass is looked at here: two readers of such a head, a proxy
and this server, could take it for two different requests.
"""

import re
from collections.abc import Iterator, Sequence
from urllib.parse import unquote

from msgspec import Struct

Fields = Sequence[tuple[bytes, bytes]]
"""Header fields: names in lower case, values without spaces at their ends."""
MOST_FIELDS = 256
"""Header fields of one request. Each costs some hundred bytes of memory however short it is."""

_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[\w.~!$&'()*+,;=%-]*)(?::[0-9]*)?", re.ASCII)
_ABSOLUTE = re.compile(rb"https?://(?P<authority>[^/?]+)(?P<rest>[/?].*)?", re.IGNORECASE)
_FOR_UPGRADE = (b"upgrade", b"http2-settings")
"""Names of fields, and options of Connection, that are about another protocol alone (RFC 7540, 3.2.1)."""


class Refused(Exception):
    """A request is not served, and its connection ends after a response with this status and reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Target(Struct, frozen=True):
    """What a request asks for: path and query as the client sent them."""

    raw_path: bytes
    query: bytes
    authority: bytes | None = None
    """Host and port of a target in absolute form; they outweigh the Host header."""

    @property
    def path(self) -> str:
        """The path without percent encoding, as ASGI has it."""
        path = self.raw_path.decode("ascii")
        return unquote(path) if "%" in path else path


def target_of(method: str, target: bytes) -> Target:
    """Take the target of a request line apart. Raises Refused for one that this server cannot serve."""
    if method == "CONNECT":
        raise Refused(501, "This server opens no tunnels.")
    if b"#" in target:
        raise Refused(400, "The target of a request has no fragment.")
    if target.startswith(b"/"):
        path, _, query = target.partition(b"?")
        return Target(path, query)
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None or not _HOST.fullmatch(absolute["authority"]):
        raise Refused(400, "The target of the request is neither a path nor a URL of this server.")
    path, _, query = (absolute["rest"] or b"").partition(b"?")
    return Target(path or b"/", query, absolute["authority"])


def plain(received: Fields) -> Fields:
    """Fields as they came with their names in lower case, and without spaces at the ends of their values."""
    return [(name.lower(), value.rstrip(b" \t")) for name, value in received]


def check(version: str, fields: Fields) -> None:
    """Raise Refused where a proxy in front could read the head, or where the body ends, in another way."""
    if version not in ("1.1", "1.0"):
        raise Refused(505, "HTTP/1.1 is spoken here.")
    hosts = [value for name, value in fields if name == b"host"]
    if len(hosts) > 1 or (not hosts and version == "1.1"):
        raise Refused(400, "A request has exactly one Host header.")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise Refused(400, "The Host header is not valid.")
    for name, value in fields:
        if name == b"transfer-encoding":
            if version == "1.0":
                raise Refused(400, "HTTP/1.0 has no Transfer-Encoding.")
            if value.lower() != b"chunked":
                raise Refused(501, "The only Transfer-Encoding taken is `chunked`.")


def expects_continue(fields: Fields) -> bool:
    """Whether the client waits for a 100 before it sends the body."""
    return b"100-continue" in [value.lower() for name, value in fields if name == b"expect"]


def is_chunked(fields: Fields) -> bool:
    """Whether the body comes in chunks, and so without a length."""
    return any(name == b"transfer-encoding" for name, _ in fields)


def with_authority(fields: Fields, authority: bytes | None) -> Fields:
    """The fields with a Host header as the target's authority has it, if it has one (RFC 9112, 3.2.2)."""
    if authority is None:
        return fields
    return [(b"host", authority), *(field for field in fields if field[0] != b"host")]


def without_upgrade(method: bytes, target: bytes, version: str, fields: Fields) -> bytes:
    """The head as bytes for a parser, without the fields that ask for another protocol: a server may ignore them (RFC
    9110, 7.8). All parts come from a parser, so none of them can end a line."""
    lines = [b"%b %b HTTP/%b" % (method, target, version.encode())]
    lines += [b"%b: %b" % field for field in _without_upgrade_options(fields)]
    return b"\r\n".join([*lines, b"", b""])


def _without_upgrade_options(fields: Fields) -> Iterator[tuple[bytes, bytes]]:
    for name, value in fields:
        if name == b"connection":
            options = [option.strip() for option in value.split(b",")]
            yield name, b", ".join(option for option in options if option.lower() not in _FOR_UPGRADE)
        elif name not in _FOR_UPGRADE:
            yield name, value
