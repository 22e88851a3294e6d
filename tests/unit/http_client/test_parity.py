"""Exchanges by this client and by aiohttp, which the gateway had before: what comes of them is the same.

Where something else comes of one, the table says what, and why that is right.
"""

import asyncio
import gzip
import zlib
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import NamedTuple

import aiohttp
import pytest

from app.http_client import BodyIncomplete, HttpError, MalformedResponse, UndecodableBody
from tests.support import run
from tests.unit.http_client.rig import pool_at, request_of, served

BODY = b"data: some text of a model\n\n" * 40
ZIPPED = gzip.compress(BODY)
_WAITS = 0.3
"""Seconds after which one that waits for more is taken to wait for ever."""


class Outcome(NamedTuple):
    """What came of two requests to one server."""

    status: int | None
    body: bytes
    error: str
    """Empty, or what failed: `head`, `body`, `lost`, `coding`, `waits`."""
    connections: int
    """How many the two requests took."""


class Case(NamedTuple):
    pieces: list[bytes]
    """What the server sends to each request; `close` and `reset` end the connection."""
    end: str = ""
    ours: Outcome | None = None
    """What comes of it here, where aiohttp is another opinion."""
    why: str = ""


def ok(body: bytes = BODY, connections: int = 1, status: int = 200) -> Outcome:
    return Outcome(status, body, "", connections)


def head(*fields: bytes, status: bytes = b"200 OK") -> bytes:
    return b"\r\n".join([b"HTTP/1.1 " + status, *fields, b"", b""])


def chunked(*pieces: bytes) -> list[bytes]:
    return [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]


LENGTH = b"content-length: %d" % len(BODY)
CHUNKED = b"transfer-encoding: chunked"
END = b"0\r\n\r\n"
CASES: dict[str, Case] = {
    "a length": Case([head(LENGTH) + BODY]),
    "a length, in three pieces": Case([head(LENGTH), BODY[:100], BODY[100:]]),
    "a head in two pieces": Case([head(LENGTH)[:20], head(LENGTH)[20:] + BODY]),
    "chunks": Case([head(CHUNKED), *chunked(BODY[:100], BODY[100:]), END]),
    "chunks of a byte": Case([head(CHUNKED), b"".join(chunked(*(bytes([one]) for one in BODY))), END]),
    "chunks with extensions": Case([head(CHUNKED), b"5;a=b;c\r\n" + BODY[:5] + b"\r\n", *chunked(BODY[5:]), END]),
    "chunks with trailers": Case([head(CHUNKED), *chunked(BODY), b"0\r\nx-a: 1\r\nx-b: 2\r\n\r\n"]),
    "an empty body": Case([head(b"content-length: 0")]),
    "no content": Case([head(status=b"204 No Content")]),
    "not modified": Case([head(LENGTH, status=b"304 Not Modified")]),
    "a body that the end ends": Case([head() + BODY], "close"),
    "a reset behind a body without length": Case([head() + BODY], "reset"),
    "the last response": Case([head(LENGTH, b"connection: close") + BODY], "close"),
    "the last response of a server that leaves it to us": Case([head(LENGTH, b"connection: close") + BODY]),
    "HTTP/1.0": Case([head(LENGTH).replace(b"1.1", b"1.0") + BODY], "close"),
    "HTTP/1.0, kept alive": Case(
        [head(LENGTH, b"connection: keep-alive").replace(b"1.1", b"1.0") + BODY],
        ours=ok(connections=2),
        why="Servers of 1.0 are so rare that a connection more costs nobody anything.",
    ),
    "an error": Case([head(LENGTH, status=b"429 Too Many Requests") + BODY]),
    "a status without a reason": Case([head(LENGTH, status=b"503") + BODY]),
    "a status of a proxy's own": Case([head(LENGTH, status=b"599 Whatever") + BODY]),
    "100 before the head": Case([head(status=b"100 Continue"), head(LENGTH) + BODY]),
    "103 in one piece with the head": Case([head(b"link: </a>", status=b"103 Early Hints") + head(LENGTH) + BODY]),
    "gzip": Case([head(b"content-encoding: gzip", b"content-length: %d" % len(ZIPPED)) + ZIPPED]),
    "gzip in chunks": Case([head(b"content-encoding: gzip", CHUNKED), *chunked(ZIPPED[:50], ZIPPED[50:]), END]),
    "gzip that the end ends": Case([head(b"content-encoding: gzip") + ZIPPED], "close"),
    "deflate": Case([head(b"content-encoding: deflate", CHUNKED), *chunked(zlib.compress(BODY)), END]),
    "deflate without its frame": Case(
        [head(b"content-encoding: deflate", CHUNKED), *chunked(zlib.compress(BODY)[2:-4]), END]
    ),
    "gzip in two members": Case(
        [head(b"content-encoding: gzip", CHUNKED), *chunked(gzip.compress(BODY[:99]) + gzip.compress(BODY[99:])), END]
    ),
    "what is no gzip": Case(
        [head(b"content-encoding: gzip", LENGTH) + BODY],
        ours=Outcome(200, b"", "coding", 1),
        why="All of it came, so the connection is none the worse for it.",
    ),
    "gzip that is cut off": Case(
        [head(b"content-encoding: gzip", CHUNKED), *chunked(ZIPPED[:-4]), END],
        ours=Outcome(200, BODY, "coding", 1),
        why="aiohttp takes what there is of a last member for whole.",
    ),
    "a length that is not reached": Case([head(LENGTH) + BODY[:50]], "close"),
    "a length that is not reached before a reset": Case([head(LENGTH) + BODY[:50]], "reset"),
    "chunks without their end": Case([head(CHUNKED), *chunked(BODY)], "close"),
    "a chunk without its end": Case([head(CHUNKED), *chunked(BODY), b"ff\r\nhalf"], "close"),
    "no response": Case([], "close"),
    "a reset for a response": Case([], "reset"),
    "half a head": Case([head(LENGTH)[:20]], "close"),
    "another protocol": Case([b"SSH-2.0-OpenSSH_9.2\r\n"], "close"),
    "two lengths": Case([head(LENGTH, b"content-length: 1") + BODY]),
    "a length beside chunks": Case([head(LENGTH, CHUNKED), *chunked(BODY), END]),
    "a length that is no number": Case([head(b"content-length: many") + BODY]),
    "a chunk that is none": Case(
        [head(CHUNKED), *chunked(BODY), b"what\r\n"],
        ours=Outcome(200, BODY, "body", 2),
        why="aiohttp tells nobody who reads the body, who waits for ever.",
    ),
    "a field without a colon": Case([head(b"nothing", LENGTH) + BODY]),
    "a field with a NUL": Case([head(b"x-a: \0", LENGTH) + BODY]),
    "line feeds alone": Case(
        [head(LENGTH).replace(b"\r\n", b"\n") + BODY],
        ours=Outcome(None, b"", "head", 2),
        why="A proxy in between may see another head in it.",
    ),
    "a folded field": Case(
        [head(b"x-a: 1\r\n  2", LENGTH) + BODY],
        ours=Outcome(None, b"", "head", 2),
        why="RFC 9112 (5.2) leaves it to a client of a server whether it refuses that; llhttp does, and aiohttp asks "
        "it not to.",
    ),
    "a space behind the size of a chunk": Case(
        [head(CHUNKED), b"%x \r\n%b\r\n" % (len(BODY), BODY), END],
        ours=Outcome(200, b"", "body", 2),
        why="No server of today does that, and where chunks end has to be beyond doubt.",
    ),
    "a transfer coding that is not decoded": Case(
        [head(b"transfer-encoding: gzip, chunked"), *chunked(ZIPPED), END],
        ours=Outcome(None, b"", "head", 2),
        why="aiohttp hands on the coded bytes as if they were the body.",
    ),
    "a switch of protocols": Case(
        [head(b"upgrade: websocket", b"connection: upgrade", status=b"101 Switching Protocols")],
        ours=Outcome(None, b"", "head", 2),
        why="None was asked for, and nobody here would know what to read.",
    ),
    "bytes behind the response": Case(
        [head(LENGTH) + BODY + b"more"],
        ours=ok(connections=2),
        why="aiohttp takes them for the beginning of the next response, or fails the one that they follow.",
    ),
    "a second response behind the first": Case([head(LENGTH) + BODY + head(LENGTH) + BODY]),
}


def server(case: Case) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await request_of(reader)
            for piece in case.pieces:
                writer.write(piece)
                await writer.drain()
                # The other side reads it before the next one.
                for _ in range(10):
                    await asyncio.sleep(0)
            if case.end == "reset":
                writer.transport.abort()
            if case.end:
                return

    return serve


async def by_aiohttp(case: Case) -> Outcome:
    opened = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        await server(case)(reader, writer)

    async with served(serve) as url:
        connector = aiohttp.TCPConnector()
        async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
            for _ in range(2):
                status, body, error = None, b"", ""
                try:
                    async with (
                        asyncio.timeout(_WAITS),
                        session.post(url, data=b"{}", allow_redirects=False) as response,
                    ):
                        status = response.status
                        while data := await response.content.readany():
                            body += data
                except aiohttp.ClientPayloadError as raised:
                    error = "coding" if "content-encoding" in str(raised) else "body"
                except aiohttp.ClientResponseError:
                    error = "head"
                except (aiohttp.ClientError, OSError) as raised:
                    error = "waits" if isinstance(raised, TimeoutError) else "lost"
    return Outcome(status, body, error, opened)


async def by_ours(case: Case) -> Outcome:
    opened = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        await server(case)(reader, writer)

    async with served(serve) as url, pool_at(url) as (pool, resource), AsyncExitStack() as stack:
        for _ in range(2):
            status, body, error = None, b"", ""
            try:
                async with asyncio.timeout(_WAITS):
                    response = await pool.request("POST", resource, {}, b"{}", None)
                    stack.callback(response.close)
                    status = response.status
                    while data := await response.read_piece():
                        body += data
            except BodyIncomplete:
                error = "body"
            except UndecodableBody:
                error = "coding"
            except MalformedResponse:
                error = "head"
            except (HttpError, OSError) as raised:
                error = "waits" if isinstance(raised, TimeoutError) else "lost"
    return Outcome(status, body, error, opened)


@pytest.mark.parametrize("name", CASES)
def test_the_same_comes_of_it(name: str) -> None:
    case = CASES[name]

    async def main() -> tuple[Outcome, Outcome]:
        return await by_ours(case), await by_aiohttp(case)

    ours, theirs = run(main())
    if case.ours is None:
        assert ours == theirs
    else:
        assert ours == case.ours
        assert theirs != ours, "the difference is gone: leave it out of the table"
