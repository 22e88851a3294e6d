"""The demo's clients: each call goes over a real connection; an `Observation` is what the client saw of it.

They know nothing of the gateway but what it sends them.
"""

import asyncio
import json
import socket
from dataclasses import dataclass, field
from time import time_ns
from types import TracebackType
from typing import Any

import aiohttp

from app.demo.clients.calls import PATHS, Call, Leaves, Reader, Slow, Stuck
from app.demo.clients.transcript import EventReader, Transcript, read_body, read_event
from telemetry.names import Outcome

_HEADERS = {"anthropic-version": "2023-06-01"}
_TIMEOUT = aiohttp.ClientTimeout(total=20)
_SMALL = 4096
"""Bytes that the kernel and the library may hold for a client that shows what backpressure does."""


@dataclass
class Observation:
    """`status` is 0 where no answer came, `broken` what went wrong on the connection itself."""

    call: Call
    began_ns: int
    status: int = 0
    transaction_id: str = ""
    retry_after: str = ""
    transcript: Transcript = field(default_factory=Transcript)
    size: int = 0
    left_ns: int | None = None
    broken: str = ""

    @property
    def outcome(self) -> Outcome:
        """The outcome as far as a client can know it, from nothing but what it received."""
        if self.left_ns is not None:
            return "client_disconnect"
        if self.transcript.error is not None:
            return _outcome_of(self.status, self.transcript.error["error"])
        return "ok" if self.status == 200 and self.transcript.ended and not self.broken else "internal_error"


class Clients:
    """`async with Clients(url) as clients: await clients.send(call)`; `received` is the bytes of all of them. They
    present `key`, if there is one."""

    def __init__(self, url: str, key: str | None = None) -> None:
        self._url = url
        self._headers = {} if key is None else {"authorization": f"Bearer {key}"}
        self.received = 0
        self.sent = 0

    async def __aenter__(self) -> "Clients":
        self._wide = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=_TIMEOUT)
        # A slow reader's connection is its own, or the next request would find what it left unread.
        narrow = aiohttp.TCPConnector(limit=0, force_close=True, socket_factory=_narrow_socket)
        self._narrow = aiohttp.ClientSession(connector=narrow, timeout=_TIMEOUT, read_bufsize=_SMALL)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._wide.close()
        await self._narrow.close()

    async def send(self, call: Call) -> Observation:
        self.sent += 1
        observation = Observation(call, time_ns())
        session = self._narrow if isinstance(call.reader, Slow | Stuck) else self._wide
        headers = {**self._headers, **(_HEADERS if call.api == "anthropic_messages" else {})}
        try:
            async with session.post(self._url + PATHS[call.api], json=call.body, headers=headers) as response:
                observation.status = response.status
                observation.transaction_id = response.headers.get("x-request-id", "")
                observation.retry_after = response.headers.get("retry-after", "")
                await self._read(response, observation)
        except (aiohttp.ClientError, TimeoutError) as error:
            observation.broken = type(error).__name__
        return observation

    async def get(self, url: str) -> str:
        async with self._wide.get(url, headers=self._headers) as response:
            return await response.text()

    async def _read(self, response: aiohttp.ClientResponse, observation: Observation) -> None:
        if response.content_type == "text/event-stream":
            await self._read_stream(response, observation)
            return
        raw = await response.read()
        self._count(raw, observation)
        body: dict[str, Any] = json.loads(raw)
        observation.transcript = read_body(observation.call.api, body)

    async def _read_stream(self, response: aiohttp.ClientResponse, observation: Observation) -> None:
        reader, events = observation.call.reader, EventReader()
        if isinstance(reader, Stuck):
            await asyncio.sleep(reader.seconds)
        while data := await _next(response, reader, observation.size):
            self._count(data, observation)
            for event in events.feed(data):
                read_event(observation.call.api, event, observation.transcript)
            if isinstance(reader, Leaves) and observation.transcript.events >= reader.after:
                observation.left_ns = time_ns()
                response.close()
                return

    def _count(self, data: bytes, observation: Observation) -> None:
        observation.size += len(data)
        self.received += len(data)


async def _next(response: aiohttp.ClientResponse, reader: Reader, size: int) -> bytes:
    # A Responses stream says its whole text four times more at the end.
    if not isinstance(reader, Slow) or size >= reader.slow_bytes:
        return await response.content.readany()
    await asyncio.sleep(reader.pause)
    return await response.content.read(reader.take)


def _outcome_of(status: int, error: dict[str, Any]) -> Outcome:
    """An error inside a stream has the status 200; then `type` and `code` decide."""
    kind, code = error.get("type"), error.get("code")
    if status in (400, 404):
        return "client_error"
    if code == "breaker_open" or (status == 529 and kind == "overloaded_error"):
        return "breaker_open"
    if code == "queue_overflow" or (status == 200 and kind == "overloaded_error"):
        return "overflow"
    return "timeout" if kind == "timeout_error" else "upstream_error"


def _narrow_socket(address: tuple[Any, ...]) -> socket.socket:
    family, kind, protocol = address[:3]
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL)
    made.setblocking(False)
    return made
