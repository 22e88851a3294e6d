"""Many clients at once on one event loop, by bare sockets: each knows how its answer ended, whatever befell it."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from tests.behaviour.clients import CHAT

_CUT = (asyncio.IncompleteReadError, ConnectionError, ValueError)
"""What reading an answer comes to whose connection has ended in the middle of it."""


@dataclass(frozen=True)
class RawReply:
    """`status` is 0 where not even the head came; `body` is empty unless the answer `is_whole`, as HTTP frames it."""

    status: int = 0
    body: bytes = b""
    is_whole: bool = False


@dataclass
class KeptConnection:
    """A client that sends one request after the other on one connection, and opens another where that has ended."""

    port: int
    key: str = ""
    _streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = field(default=None, init=False)

    async def ask(self, asked: object) -> RawReply:
        """The answer to one request, which is sent once."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self._streams
        status = 0
        try:
            await send(writer, asked, self.key, "keep-alive")
            status, head = await _head(reader)
            body = await _body(reader, head)
        except _CUT:
            self.close()
            return RawReply(status)
        if b"connection: close" in head:
            self.close()
        return RawReply(status, body, True)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def stream(port: int, asked: object, key: str = "", begun: asyncio.Semaphore | None = None) -> RawReply:
    """The answer to one request on a connection of its own. `begun` is released once a first piece of it is here."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    status = 0
    try:
        await send(writer, asked, key, "close")
        status, head = await _head(reader)
        return RawReply(status, await _body(reader, head, begun), True)
    except _CUT:
        return RawReply(status)
    finally:
        writer.close()


async def send(writer: asyncio.StreamWriter, asked: object, key: str, connection: str) -> None:
    body = json.dumps(asked).encode()
    authorization = (f"authorization: Bearer {key}",) if key else ()
    lines = (f"POST {CHAT} HTTP/1.1", "host: localhost", *authorization, f"connection: {connection}")
    writer.write("\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body)
    await writer.drain()


async def _head(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """An answer's status, and its head in small letters."""
    head = await reader.readuntil(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), head.lower()


async def _body(reader: asyncio.StreamReader, head: bytes, begun: asyncio.Semaphore | None = None) -> bytes:
    _, named, rest = head.partition(b"content-length:")
    if named:
        return await reader.readexactly(int(rest.split(b"\r\n", 1)[0]))
    pieces = []
    while size := int((await reader.readline()).strip(), 16):
        pieces.append(await reader.readexactly(size))
        await reader.readexactly(2)
        if begun is not None and len(pieces) == 1:
            begun.release()
    await reader.readexactly(2)
    return b"".join(pieces)


def content(body: bytes) -> str:
    """The text of a stream of chat completions."""
    events = [json.loads(line.removeprefix("data: ")) for line in body.decode().splitlines() if line[:7] == "data: {"]
    deltas: list[dict[str, Any]] = [choice["delta"] for event in events for choice in event["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)
