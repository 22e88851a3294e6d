"""A provider made of a raw TCP server: it plays a script byte for byte, and remembers what it was asked.

    async with ScriptedUpstream([Head(), Body(b"data: ..."), Fin()]) as upstream:
        ... upstream.url ... (await upstream.asked()).json() ... await upstream.requests[0].closed.wait()

A script is played for each request; give a function `(number, request) -> script` where requests are to differ.
"""

import asyncio
import json
import ssl
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, assert_never


@dataclass(frozen=True)
class Head:
    """Status line and headers. With `chunked` the body's pieces are framed as HTTP chunks, else written as they are."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "text/event-stream"
    chunked: bool = True


@dataclass(frozen=True)
class Body:
    data: bytes


@dataclass(frozen=True)
class End:
    """The end that HTTP's framing knows: the last, empty chunk. The connection stays open for the next request."""


@dataclass(frozen=True)
class Sleep:
    seconds: float


@dataclass(frozen=True)
class Until:
    """Say nothing more, until something has happened; an event of the provider's own event loop."""

    event: asyncio.Event


@dataclass(frozen=True)
class Stall:
    """Say nothing more, until the peer goes away."""


@dataclass(frozen=True)
class Fin:
    """Close the connection properly, whatever HTTP's framing says."""


@dataclass(frozen=True)
class Rst:
    """Abort the connection."""


Step = Head | Body | End | Sleep | Until | Stall | Fin | Rst
Script = Iterable[Step]


@dataclass
class Received:
    """One request as it came, and `closed` once the peer has left its connection (`closed_at`, monotonic)."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    common_name: str | None = None
    """Who the peer is by its certificate, where it had to have one."""
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    closed_at: float | None = None

    def json(self) -> Any:
        return json.loads(self.body)


class ScriptedUpstream:
    def __init__(
        self, script: Script | Callable[[int, Received], Script], *, tls: ssl.SSLContext | None = None
    ) -> None:
        self._tls = tls
        self.play(script)
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self.requests: list[Received] = []
        self._asked = asyncio.Event()
        self.connections = 0
        """How many were ever opened."""

    async def __aenter__(self) -> "ScriptedUpstream":
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.drop_all()
        await self._server.wait_closed()

    def play(self, script: Script | Callable[[int, Received], Script]) -> None:
        """From now on, for each request."""
        self._script: Callable[[int, Received], Script] = script if callable(script) else _always(list(script))

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        return f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self.port}"

    def drop_all(self) -> None:
        """Abort every connection that is open; it goes on listening."""
        for connection in list(self._connections):
            connection.drop()

    async def asked(self) -> Received:
        """The first request, as soon as it is here."""
        await self._asked.wait()
        return self.requests[0]

    def opened(self, connection: "_Connection") -> None:
        self.connections += 1
        self._connections.add(connection)

    def lost(self, connection: "_Connection") -> None:
        self._connections.discard(connection)

    def received(self, request: Received) -> Script:
        self.requests.append(request)
        self._asked.set()
        return self._script(len(self.requests), request)


def _always(script: list[Step]) -> Callable[[int, Received], Script]:
    return lambda number, request: script


class _Connection(asyncio.Protocol):
    def __init__(self, upstream: ScriptedUpstream) -> None:
        self._upstream = upstream
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._request: Received | None = None
        self._playing: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._chunked = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._upstream.opened(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._begin()

    def eof_received(self) -> bool:
        self._left()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._left()
        self._writable.set()
        self._upstream.lost(self)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def drop(self) -> None:
        if self._playing:
            self._playing.cancel()
        if self._transport:
            self._transport.abort()

    def _left(self) -> None:
        if self._request and not self._request.closed.is_set():
            self._request.closed_at = time.monotonic()
            self._request.closed.set()
        if self._playing:
            self._playing.cancel()

    def _begin(self) -> None:
        parsed = _parse(self._buffer)
        if parsed is None:
            return
        self._request, self._buffer = parsed
        self._request.common_name = self._common_name()
        script = self._upstream.received(self._request)
        self._playing = asyncio.get_running_loop().create_task(self._play(list(script)))

    def _common_name(self) -> str | None:
        certificate = self._transport.get_extra_info("peercert") if self._transport is not None else None
        names = (pair for part in (certificate or {}).get("subject", ()) for pair in part)
        return next((value for key, value in names if key == "commonName"), None)

    async def _play(self, script: Sequence[Step]) -> None:
        assert self._transport is not None
        for step in script:
            await self._writable.wait()
            if self._transport.is_closing():
                return
            await self._do(step)

    async def _do(self, step: Step) -> None:
        assert self._transport is not None
        match step:
            case Head(chunked=chunked):
                self._chunked = chunked
                self._transport.write(_head(step))
            case Body(data):
                self._transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)
            case End():
                self._transport.write(b"0\r\n\r\n" if self._chunked else b"")
            case Sleep(seconds):
                await asyncio.sleep(seconds)
            case Until(event):
                await event.wait()
            case Stall():
                await asyncio.Event().wait()
            case Fin():
                self._transport.close()
            case Rst():
                self._transport.abort()
            case other:
                assert_never(other)


def _head(step: Head) -> bytes:
    headers = {"content-type": step.content_type, **step.headers}
    if step.chunked:
        headers["transfer-encoding"] = "chunked"
    lines = [f"HTTP/1.1 {step.status} Scripted", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _parse(data: bytes) -> tuple[Received, bytes] | None:
    head, separator, rest = data.partition(b"\r\n\r\n")
    if not separator:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = int(headers.get("content-length", "0"))
    if len(rest) < length:
        return None
    method, path, _ = first.split(" ")
    return Received(method, path, headers, rest[:length]), rest[length:]


def json_reply(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> list[Step]:
    data = json.dumps(body).encode()
    length = {"content-length": str(len(data))}
    return [Head(status, {**(headers or {}), **length}, "application/json", chunked=False), Body(data)]


def openai_error(status: int, message: str = "scripted", headers: Mapping[str, str] | None = None) -> list[Step]:
    return json_reply({"error": {"message": message, "type": "scripted_error", "code": None}}, status, headers)


def anthropic_error(
    status: int, kind: str = "api_error", message: str = "scripted", headers: Mapping[str, str] | None = None
) -> list[Step]:
    return json_reply({"type": "error", "error": {"type": kind, "message": message}}, status, headers)


def openai_events(
    *deltas: Mapping[str, Any],
    finish: str | None = "stop",
    usage: Mapping[str, Any] | None = None,
    done: bool = True,
) -> list[bytes]:
    """The events of a chat completion: role, deltas, finish, usage with `choices: []`, `[DONE]`."""
    events = [openai_event({"role": "assistant", "content": ""})]
    events += [openai_event(delta) for delta in deltas]
    if finish:
        events.append(openai_event({}, finish))
    if usage:
        events.append(_data({**_OPENAI, "choices": [], "usage": usage}))
    return [*events, b"data: [DONE]\n\n"] if done else events


def openai_event(delta: Mapping[str, Any], finish: str | None = None, index: int = 0) -> bytes:
    return _data({**_OPENAI, "choices": [{"index": index, "delta": delta, "finish_reason": finish}]})


def openai_completion(
    message: Mapping[str, Any], finish: str = "stop", usage: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": None, **message}, "finish_reason": finish}
    counts = usage or {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    return {**_OPENAI, "object": "chat.completion", "choices": [choice], "usage": counts}


def anthropic_events(*events: Mapping[str, Any]) -> list[bytes]:
    return [f"event: {event['type']}\n".encode() + _data(event) for event in events]


def anthropic_text_events(*texts: str, stop_reason: str = "end_turn") -> list[bytes]:
    """A message of one text block, from message_start to message_stop."""
    deltas = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}} for text in texts
    ]
    return anthropic_events(
        anthropic_start(),
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *deltas,
        {"type": "content_block_stop", "index": 0},
        *anthropic_ending(stop_reason),
    )


def anthropic_start() -> dict[str, Any]:
    message: dict[str, Any] = {
        "id": "msg_scripted",
        "type": "message",
        "role": "assistant",
        "model": "claude-scripted-20250101",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "output_tokens": 1},
    }
    return {"type": "message_start", "message": message}


def anthropic_ending(stop_reason: str = "end_turn", output_tokens: int = 4) -> tuple[dict[str, Any], dict[str, Any]]:
    delta = {"stop_reason": stop_reason, "stop_sequence": None}
    return (
        {"type": "message_delta", "delta": delta, "usage": {"output_tokens": output_tokens}},
        {"type": "message_stop"},
    )


def stream_of(events: Iterable[bytes], *ending: Step) -> list[Step]:
    """A streamed body; `ending` replaces the proper end of HTTP's framing."""
    return [Head(), *(Body(event) for event in events), *(ending or (End(),))]


_OPENAI: dict[str, Any] = {
    "id": "chatcmpl-scripted",
    "object": "chat.completion.chunk",
    "created": 1_700_000_000,
    "model": "gpt-scripted-2025-01-01",
}


def _data(payload: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(payload).encode() + b"\n\n"
