"""Bytes that no honest client sends, as pieces to be written one after the other; the same for the same seed.

Each is bounded: a few requests, some kilobytes. `ask(port, pieces)` sends them and gives all that comes back.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from random import Random

_HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\n"
_GET = b"GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
_CHAT = b'{"model": "echo", "messages": [{"role": "user", "content": "hi"}]}'
_MOST_REQUESTS = 20
_FEW, _APART, _QUIET = 10, 0.03, 0.4
"""A few pieces come seconds apart, so that what answers to one can be sent before the next; and how long is quiet."""
Pieces = Sequence[bytes]
Attack = Callable[[Random], Pieces]


def pipelined(rng: Random) -> Pieces:
    return [_GET * rng.randint(2, _MOST_REQUESTS)]


def pipelined_bodies(rng: Random) -> Pieces:
    return [_post(_CHAT) * rng.randint(2, 5)]


def trailers(rng: Random) -> Pieces:
    fields = b"".join(b"x-%d: %b\r\n" % (number, b"y" * 50) for number in range(rng.randint(1, 200)))
    return [_HEAD + b"transfer-encoding: chunked\r\n\r\n", b"%x\r\n%b\r\n0\r\n" % (len(_CHAT), _CHAT), fields, b"\r\n"]


def chunk_extensions(rng: Random) -> Pieces:
    extension = b";a=" + b"b" * rng.randint(1, 4000)
    chunks = [b"%x%b\r\n%b\r\n" % (1, extension, bytes([byte])) for byte in _CHAT]
    return [_HEAD + b"transfer-encoding: chunked\r\n\r\n", *chunks, b"0\r\n\r\n"]


def two_lengths(rng: Random) -> Pieces:
    lengths = b"content-length: %d\r\ncontent-length: %d\r\n" % (len(_CHAT), rng.randint(0, 100))
    return [_HEAD + lengths + b"\r\n" + _CHAT + _GET]


def length_and_chunks(rng: Random) -> Pieces:
    both = b"content-length: %d\r\ntransfer-encoding: chunked\r\n\r\n" % rng.randint(0, 100)
    return [_HEAD + both + b"0\r\n\r\n" + _GET]


def odd_encodings(rng: Random) -> Pieces:
    value = rng.choice((b"xchunked", b"chunked, identity", b"identity", b" chunked", b"chunked\x0b", b"gzip, chunked"))
    return [_HEAD + b"transfer-encoding: " + value + b"\r\n\r\n0\r\n\r\n" + _GET]


def request_in_a_body(rng: Random) -> Pieces:
    """Whatever is answered early must not be read as requests of its own."""
    inner = b"\r\nUpgrade: " + b"x" * rng.randint(1, 100) + b"\r\n\r\n" + _GET * 2
    path = rng.choice((b"/v1/nothing", b"/v1/chat/completions", b"/livez"))
    head = b"POST %b HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: wrong\r\ncontent-length: %d\r\n\r\n" % (path, len(inner))
    return [head, inner, _GET]


def upgrades(rng: Random) -> Pieces:
    name = rng.choice((b"Upgrade", b"UPGRADE", b"upgrade", b"uPgRaDe"))
    head = _HEAD + b"connection: upgrade\r\n" + name + b": h2c\r\ncontent-length: %d\r\n\r\n" % len(_CHAT)
    at = rng.randrange(len(head))
    return [head[:at], head[at:] + _CHAT]


def connects(rng: Random) -> Pieces:
    method = rng.choice((b"CONNECT", b"PRI", b"TRACE", b"OPTIONS", b"HEAD", b"M-SEARCH", b"post", b"\x16\x03\x01"))
    return [method + b" * HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n" + _GET]


def odd_heads(rng: Random) -> Pieces:
    line = rng.choice(
        (
            b"a" * 70_000,
            b"x: y\r\n" * 3000,
            b"no colon at all",
            b": no name",
            b"x: a\r\n folded",
            b"x: \x00",
            b"x\x00: y",
            b"content-length: -1",
            b"content-length: 1e3",
            b"content-length: 99999999999999999999999",
            b"host: other",
            b"expect: 100-continue",
            b"authorization: Bearer a\r\nauthorization: Bearer b",
            b"x: \xff\xfe\xc3\x28",
        )
    )
    return [_HEAD + line + b"\r\n\r\n", _GET]


def odd_targets(rng: Random) -> Pieces:
    target = rng.choice(
        (b"//evil.example/v1", b"http://evil.example/livez", b"/%00", b"/%zz", b"/../../etc", b"*", b"/\xc3\xa9", b"?")
    )
    return [b"GET " + target + b" HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n", _GET]


def unfinished(rng: Random) -> Pieces:
    whole = _post(_CHAT)
    return [whole[: rng.randrange(1, len(whole))]]


def garbage(rng: Random) -> Pieces:
    return [rng.randbytes(rng.randint(1, 2000)) for _ in range(rng.randint(1, 4))]


def mutated(rng: Random) -> Pieces:
    """A good request with some bytes changed, doubled or left out."""
    data = bytearray(_post(_CHAT) + _GET)
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(data))
        match rng.randrange(3):
            case 0:
                data[at] = rng.randrange(256)
            case 1:
                data[at:at] = data[at : at + rng.randint(1, 20)]
            case _:
                del data[at : at + rng.randint(1, 5)]
    at = rng.randrange(len(data))
    return [bytes(data[:at]), bytes(data[at:])]


ATTACKS: Mapping[str, Attack] = {
    attack.__name__: attack
    for attack in (
        pipelined,
        pipelined_bodies,
        trailers,
        chunk_extensions,
        two_lengths,
        length_and_chunks,
        odd_encodings,
        request_in_a_body,
        upgrades,
        connects,
        odd_heads,
        odd_targets,
        unfinished,
        garbage,
        mutated,
    )
}


async def ask(port: int, pieces: Pieces, time_limit: float = 5.0) -> tuple[bytes, bool]:
    """All that comes back, and whether the gateway ended the connection within `time_limit` seconds. A client that has
    heard nothing for a while closes its half."""
    data = bytearray()
    with socket.socket() as raw:
        raw.setblocking(False)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            async with asyncio.timeout(time_limit):
                await _talk(raw, port, pieces, data)
        except TimeoutError:
            return bytes(data), False
        except OSError:
            # A reset is an end, too.
            return bytes(data), True
    return bytes(data), True


async def _talk(raw: socket.socket, port: int, pieces: Pieces, data: bytearray) -> None:
    loop = asyncio.get_running_loop()
    await loop.sock_connect(raw, ("127.0.0.1", port))
    for piece in pieces:
        await loop.sock_sendall(raw, piece)
        if len(pieces) < _FEW:
            await asyncio.sleep(_APART)
    while True:
        try:
            async with asyncio.timeout(_QUIET):
                piece = await loop.sock_recv(raw, 1 << 16)
        except TimeoutError:
            raw.shutdown(socket.SHUT_WR)
            piece = await loop.sock_recv(raw, 1 << 16)
        if not piece:
            return
        data += piece


def _post(body: bytes) -> bytes:
    return _HEAD + b"content-length: %d\r\n\r\n" % len(body) + body
