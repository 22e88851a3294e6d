"""/metrics on a port of its own, from threads of its own: a scrape never holds up the event loop.

OpenMetrics, with exemplars, is given to whoever accepts it, else the plain text form; and gzip to whoever takes that. A
scrape has to present the
token, where there is one; without a token loopback is for programs of this machine, and not for web pages.
"""

import socket
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from hashlib import sha256
from hmac import compare_digest
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from telemetry.hosts import is_loopback, stranger
from telemetry.metrics.rendering import body

_CONNECTIONS = 32
"""Connections at once. Each has a thread and a descriptor, which the gateway needs for itself."""
_ERROR_HEADERS: dict[int, dict[str, str]] = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "Bearer"},
    HTTPStatus.METHOD_NOT_ALLOWED: {"Allow": "GET, HEAD"},
}
_CODES: dict[int, int] = {HTTPStatus.NOT_IMPLEMENTED: HTTPStatus.METHOD_NOT_ALLOWED}
"""What the library calls a method without a function here, and what it is."""
_ENCODING: dict[bool, dict[str, str]] = {True: {"Content-Encoding": "gzip"}, False: {}}
_HINTS: dict[int, str] = {HTTPStatus.NOT_FOUND: ": the metrics are at /metrics"}
Request = socket.socket | tuple[bytes, socket.socket]
"""What socketserver calls a request; with TCP it is a socket."""


class MetricsServer:
    """Serves `/metrics` once it is made. Port 0 takes a free one, which `port` then holds; `close()` frees it.

    `allowed_hosts` are further names by which clients may reach it on loopback. With `created_timestamps` the times at
    which counters began are in OpenMetrics' text.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        host: str = "127.0.0.1",
        port: int = 9464,
        *,
        token: str | None = None,
        allowed_hosts: Iterable[str] = (),
        created_timestamps: bool = False,
        listening: socket.socket | None = None,
    ) -> None:
        """`listening` is a socket that listens already, on which it serves instead of binding one."""
        server = _Server6 if ":" in host else _Server
        self._visitors = _Visitors(host, token, allowed_hosts)
        handler = _handler(registry, self._visitors, created_timestamps)
        self._server = server((host, port), handler, listening)
        self.port = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="flowspan-metrics", daemon=True
        )
        self._thread.start()

    def admit(self, token: str | None, allowed_hosts: Iterable[str]) -> None:
        """Ask for this token from now on, and let in whoever names one of these hosts."""
        self._visitors.admit(token, allowed_hosts)

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """What it listens on."""
        return (self._server.socket,)

    def hand_over(self) -> None:
        """Serve no more: another process serves on the same socket."""
        self.close()

    def close(self) -> None:
        """Stop serving, and give the port back. Further calls change nothing."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Visitors:
    """Decides who may see the metrics."""

    def __init__(self, host: str, token: str | None, allowed_hosts: Iterable[str]) -> None:
        self._is_local = is_loopback(host)
        self.admit(token, allowed_hosts)

    def admit(self, token: str | None, allowed_hosts: Iterable[str]) -> None:
        """Go by these from now on."""
        self._token = _digest(token) if token else None
        self._allowed = frozenset(name.lower() for name in allowed_hosts)

    def refusal(self, lines: Iterable[tuple[str, str]]) -> HTTPStatus | None:
        """The status for a request that is refused, or None. `lines` are the names and values of its headers."""
        lines = [(name.lower(), value) for name, value in lines]
        headers = dict(lines)
        if any(sum(other == name for other, _ in lines) > 1 for name in ("authorization", "host")):
            return HTTPStatus.BAD_REQUEST
        if self._token is not None:
            scheme, _, presented = headers.get("authorization", "").partition(" ")
            known = compare_digest(_digest(presented.strip()), self._token)
            return None if known and scheme.lower() == "bearer" else HTTPStatus.UNAUTHORIZED
        if self._is_local and stranger(headers, self._allowed) is not None:
            return HTTPStatus.FORBIDDEN
        return None


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogateescape")).digest()


class _Server(ThreadingHTTPServer):
    """A server with a thread for each connection. Of too many the oldest is closed: a scrape takes no time."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], listening: socket.socket | None
    ) -> None:
        self._lock = threading.Lock()
        self._open: dict[Request, None] = {}
        super().__init__(address, handler, bind_and_activate=listening is None)
        if listening is not None:
            self.socket.close()
            self.socket = listening
            self.server_address = listening.getsockname()
            self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        # Another process may accept on it, too, and take a connection that this one was about to.
        self.socket.setblocking(False)

    def process_request(self, request: Request, client_address: Any) -> None:
        with self._lock:
            self._open[request] = None
            oldest = next(iter(self._open)) if len(self._open) > _CONNECTIONS else None
            if oldest is not None:
                del self._open[oldest]
        if isinstance(oldest, socket.socket):
            with suppress(OSError):
                # Its thread reads the end, and closes it.
                oldest.shutdown(socket.SHUT_RDWR)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Request) -> None:
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def server_bind(self) -> None:
        # HTTPServer's own would ask the DNS for the host's name, and wait for it.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]


class _Server6(_Server):
    address_family = socket.AF_INET6


def _takes_gzip(accept_encoding: str) -> bool:
    """Whether an `Accept-Encoding` header names gzip, and not with a weight of zero."""
    codings = [coding.replace(" ", "").lower().partition(";q=") for coding in accept_encoding.split(",")]
    weights = [weight or "1" for name, _, weight in codings if name == "gzip"]
    return any(weight.strip("0.") for weight in weights)


def _handler(
    registry: CollectorRegistry, visitors: _Visitors, created_timestamps: bool
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10
        server_version = "flowspan"
        sys_version = ""

        def do_GET(self) -> None:
            if (refusal := visitors.refusal(self.headers.items())) is not None:
                self.send_error(refusal)
                return
            if self.path.partition("?")[0] != "/metrics":
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            _, content_type = choose_encoder(self.headers.get("Accept", ""))
            gzip = _takes_gzip(self.headers.get("Accept-Encoding", ""))
            answer = body(
                registry,
                openmetrics=content_type.startswith("application/openmetrics-text"),
                created=created_timestamps,
                gzip=gzip,
            )
            headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
            self._answer(HTTPStatus.OK, headers | _ENCODING[gzip], answer)

        def do_HEAD(self) -> None:
            self.do_GET()

        def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
            """Answer with the status' own phrase; `message` would repeat text of the request."""
            self.close_connection = True
            code = _CODES.get(code, code)
            phrase = f"{HTTPStatus(code).phrase}{_HINTS.get(code, '')}\n".encode()
            self._answer(code, {**_ERROR_HEADERS.get(code, {}), "Content-Type": "text/plain"}, phrase)

        def _answer(self, code: int, headers: Mapping[str, str], data: bytes) -> None:
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing: a scrape every few seconds is not worth a line."""

    return Handler
