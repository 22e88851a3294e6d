"""Clients of the tests: whole raw replies, and a bare socket for what no HTTP library would do."""

import http.client
import json
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol

CHAT, MESSAGES, COUNT = "/v1/chat/completions", "/v1/messages", "/v1/messages/count_tokens"
RESPONSES = "/v1/responses"


class Listening(Protocol):
    """A gateway, in this process or another one."""

    @property
    def port(self) -> int: ...


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def request_id(self) -> str:
        return self.headers["x-request-id"]

    def json(self) -> Any:
        return json.loads(self.body)


def ask(model: str, path: str = CHAT, text: str = "hello there", **fields: Any) -> dict[str, Any]:
    """A small legal body of the path's dialect."""
    if path == RESPONSES:
        return {"model": model, "input": text, **fields}
    limit = {} if path == CHAT else {"max_tokens": 1000}
    return {"model": model, "messages": [{"role": "user", "content": text}], **limit, **fields}


def post(
    gateway: Listening, path: str, body: object, headers: Mapping[str, str] | None = None, timeout: float = 15
) -> Reply:
    """`body`: bytes as they are, anything else as JSON. The whole reply; a broken one raises."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return request(gateway, "POST", path, data, {"content-type": "application/json", **(headers or {})}, timeout)


def request(
    gateway: Listening,
    method: str,
    path: str,
    data: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 15,
) -> Reply:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=timeout)
    try:
        connection.request(method, path, data, dict(headers or {}))
        answer = connection.getresponse()
        body = answer.read()
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, body)
    finally:
        connection.close()


class RawClient:
    """One connection. `post` sends a whole request; reading is up to the test, or never done."""

    def __init__(self, gateway: Listening, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(15)
        self._last = 0
        self.socket.connect(("127.0.0.1", gateway.port))

    def __enter__(self) -> "RawClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def head(self, path: str, **headers: str) -> None:
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join([f"POST {path} HTTP/1.1", "host: localhost", *lines, "", ""]).encode())

    def post(self, path: str, body: object) -> None:
        """The gateway is to close the connection after its answer."""
        data = json.dumps(body).encode()
        self.head(path, content_length=str(len(data)), connection="close")
        self.send(data)

    def read_until(self, part: bytes) -> bytes:
        """What came up to and with `part`, and perhaps a little more."""
        data = bytearray()
        while data.find(part, max(0, len(data) - self._last - len(part))) < 0:
            piece = self.socket.recv(1 << 18)
            self._last = len(piece)
            if not piece:
                raise AssertionError(f"the connection ended before {part!r}; there was {bytes(data[-500:])!r}")
            data += piece
        return bytes(data)

    def read_all(self) -> bytes:
        """Up to the end of the connection, however it ends."""
        pieces: list[bytes] = []
        while True:
            try:
                piece = self.socket.recv(1 << 18)
            except ConnectionResetError:
                return b"".join(pieces)
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)

    def reset(self) -> None:
        """Go away without a goodbye."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def dechunked(data: bytes) -> tuple[bytes, bool]:
    """The body behind a response's head, out of its HTTP chunks; whether it came to its proper end."""
    at = data.index(b"\r\n\r\n") + 4
    pieces: list[bytes] = []
    while (end := data.find(b"\r\n", at)) >= 0:
        size = int(data[at:end], 16)
        if size == 0:
            return b"".join(pieces), True
        pieces.append(data[end + 2 : end + 2 + size])
        at = end + 2 + size + 2
    return b"".join(pieces), False
