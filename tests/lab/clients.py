"""Clients with manners of their own: each sends one request and reads, or does not read, its answer.

    seen = await visit(port, request(CHAT, body), Manner(read_pause=0.01, leaves="in_answer", how="reset"))

Sizes in bytes, times in seconds. Nobody waits longer than `timeout`.
"""

import asyncio
import json
import select
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Leaves = Literal["never", "in_request", "before_answer", "at_head", "in_answer"]
End = Literal["complete", "cut", "left", "silent"]
"""How an answer ended: as HTTP's framing has it, before that, by the client's own going, or not at all."""


@dataclass(frozen=True)
class Manner:
    """How a client behaves; the default is an ordinary one. `receive_buffer` is the kernel's, for who reads slowly.
    A client that closes its half after the request still reads."""

    send_piece: int = 0
    send_pause: float = 0.0
    head_at_once: bool = False
    """Pieces and pauses are for the body alone."""
    stall: float = 0.0
    """Before it reads the body of its answer."""
    read_piece: int = 1 << 16
    read_pause: float = 0.0
    receive_buffer: int | None = None
    leaves: Leaves = "never"
    how: Literal["close", "reset"] = "close"
    half_closes: bool = False
    timeout: float = 20.0


ORDINARY = Manner()
_SOME = 20
"""Bytes of a body after which one leaves who leaves in the answer."""


@dataclass(frozen=True)
class Seen:
    status: int
    """0 if nothing came."""
    headers: Mapping[str, str]
    body: bytes
    """Without HTTP's chunks."""
    end: End
    stalled: float = 0.0
    """How long it did not read, or did not send, on purpose."""

    @property
    def request_id(self) -> str:
        return self.headers.get("x-request-id", "")


def request(path: str, body: object, headers: Mapping[str, str] | None = None) -> bytes:
    """A whole request; the gateway is to close the connection after its answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {
        "host": "127.0.0.1",
        "content-type": "application/json",
        "content-length": str(len(data)),
        **(headers or {}),
    }
    lines = [f"{name}: {value}" for name, value in {**fields, **(headers or {}), "connection": "close"}.items()]
    return "\r\n".join([f"POST {path} HTTP/1.1", *lines, "", ""]).encode() + data


async def visit(port: int, data: bytes, manner: Manner = ORDINARY) -> Seen:
    connection = _Connection(manner)
    try:
        async with asyncio.timeout(manner.timeout):
            return await connection.visit(port, data)
    except TimeoutError:
        return connection.seen("silent")
    finally:
        connection.close()


class _Connection:
    def __init__(self, manner: Manner) -> None:
        self._manner = manner
        self._socket = socket.socket()
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if manner.receive_buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, manner.receive_buffer)
        self._loop = asyncio.get_running_loop()
        self._data = bytearray()
        self._stalled = 0.0

    async def visit(self, port: int, data: bytes) -> Seen:
        manner = self._manner
        try:
            await self._loop.sock_connect(self._socket, ("127.0.0.1", port))
            await self._send(data[: len(data) * 2 // 3] if manner.leaves == "in_request" else data)
            if manner.leaves in ("in_request", "before_answer"):
                return self._leave()
            if manner.half_closes:
                self._socket.shutdown(socket.SHUT_WR)
            return await self._read()
        except OSError:
            return self.seen("cut")

    def seen(self, end: End) -> Seen:
        head, separator, rest = bytes(self._data).partition(b"\r\n\r\n")
        if not separator:
            return Seen(0, {}, b"", end, self._stalled)
        status, headers = _parse(head)
        body = dechunked(rest)[0] if "chunked" in headers.get("transfer-encoding", "") else rest
        return Seen(status, headers, body, end, self._stalled)

    def close(self) -> None:
        self._socket.close()

    async def _send(self, data: bytes) -> None:
        manner = self._manner
        begin = data.index(b"\r\n\r\n") + 4 if manner.head_at_once else 0
        await self._loop.sock_sendall(self._socket, data[:begin])
        piece = manner.send_piece or len(data)
        for start in range(begin, len(data), piece):
            if select.select([self._socket], [], [], 0)[0]:
                # An early answer is here: nobody wants the rest.
                return
            await self._loop.sock_sendall(self._socket, data[start : start + piece])
            if start + piece < len(data):
                await self._pause(manner.send_pause)

    async def _read(self) -> Seen:
        manner = self._manner
        while b"\r\n\r\n" not in self._data:
            if not await self._receive():
                return self.seen("cut")
        if manner.leaves == "at_head":
            return self._leave()
        await self._pause(manner.stall)
        begin = self._data.index(b"\r\n\r\n") + 4
        headers = self.seen("left").headers
        while not _is_whole(headers, self._data, begin):
            if manner.leaves == "in_answer" and len(self._data) > begin + _SOME:
                return self._leave()
            await self._pause(manner.read_pause)
            if not await self._receive():
                return self.seen("cut")
        return self.seen("complete")

    async def _receive(self) -> bool:
        piece = await self._loop.sock_recv(self._socket, self._manner.read_piece)
        self._data += piece
        return bool(piece)

    async def _pause(self, seconds: float) -> None:
        if seconds:
            since = time.monotonic()
            await asyncio.sleep(seconds)
            self._stalled += time.monotonic() - since

    def _leave(self) -> Seen:
        if self._manner.how == "reset":
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()
        return self.seen("left")


def dechunked(data: bytes) -> tuple[bytes, bool]:
    """What is there of a chunked body; whether it came to its proper end."""
    at = 0
    pieces: list[bytes] = []
    while (end := data.find(b"\r\n", at)) >= 0:
        size = int(data[at:end], 16)
        if not size:
            return b"".join(pieces), data.startswith(b"\r\n", end + 2)
        pieces.append(data[end + 2 : end + 2 + size])
        at = end + 2 + size + 2
    return b"".join(pieces), False


def _parse(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    return int(first.split()[1]), {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }


def _is_whole(headers: Mapping[str, str], data: bytearray, begin: int) -> bool:
    """By its framing; the body begins at `begin`."""
    if "chunked" in headers.get("transfer-encoding", ""):
        return data.endswith(b"\r\n0\r\n\r\n") and dechunked(bytes(data[begin:]))[1]
    return len(data) - begin >= int(headers.get("content-length", "0"))
