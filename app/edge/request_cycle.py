"""One request on its ASGI side: uvicorn's cycle, but for how the connection goes on after it."""

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

from starlette.types import Scope
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from app.edge.head import Refused

_log = logging.getLogger("uvicorn.error")


class Flow(FlowControl):
    """uvicorn's flow control, which reads nothing between `hold` and `release`: whoever waits for a request's body,
    complete or not, has it read on."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self._is_holding = False

    def hold(self) -> None:
        self._is_holding = True
        self.pause_reading()

    def release(self) -> None:
        """Let it be read again, from the next `resume_reading` on."""
        self._is_holding = False

    def resume_reading(self) -> None:
        if not self._is_holding:
            super().resume_reading()


class ResponseTransport:
    """The transport that uvicorn writes the responses of one connection to.

    `close` after a complete response does nothing: the connection closes itself, for it knows whether the client still
    sends. A response that breaks off closes it at once. `cycle` is the request that is being answered.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.cycle: RequestCycle | None = None
        self._close = transport.close

    def close(self) -> None:
        if self.cycle is None or not self.cycle.response_complete:
            self._close()


class RequestCycle(RequestResponseCycle):
    """uvicorn's request and response cycle; `on_response` is called when the response is complete."""

    def __init__(
        self,
        scope: Scope,
        transport: ResponseTransport,
        flow: FlowControl,
        default_headers: list[tuple[bytes, bytes]],
        *,
        expects_continue: bool,
        keep_alive: bool,
        on_response: Callable[[], None],
    ) -> None:
        super().__init__(
            scope=cast(Any, scope),
            transport=cast(asyncio.Transport, transport),
            flow=flow,
            logger=_log,
            access_logger=_log,
            access_log=False,
            default_headers=default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=expects_continue,
            keep_alive=keep_alive,
            on_response=on_response,
        )
        self._is_unframed = False

    async def send(self, message: ASGISendEvent) -> None:
        """ASGI's `send`."""
        if self.more_body and not self.response_started:
            # The rest of the body is not going to be read, so no request behind it can be made out.
            self.keep_alive = False
        if self._ends_with_connection(message):
            # No Content-Length is announced that uvicorn could check: each piece is as long as it is.
            self.chunked_encoding = False
            self.expected_content_length = len(cast(bytes, message.get("body", b"")))
        await super().send(message)

    def framed(self, piece: bytes) -> bytes:
        """A piece of a response body without a length, as the client gets it."""
        return b"%x\r\n%b\r\n" % (len(piece), piece) if self.chunked_encoding else piece

    def _ends_with_connection(self, message: ASGISendEvent) -> bool:
        """Whether the body has no length and no chunks, which HTTP/1.0 does not know."""
        if message["type"] == "http.response.start" and self.scope["http_version"] == "1.0":
            self._is_unframed = all(name.lower() != b"content-length" for name, _ in message.get("headers", []))
        return self._is_unframed

    def receive_body(self, data: bytes) -> None:
        """Another piece of the request's body is there."""
        self.body += data
        # A client that sends without waiting for a 100 needs none.
        self.waiting_for_100_continue = False
        self.message_event.set()

    def end_body(self) -> None:
        """The request's body is complete."""
        self.more_body = False
        self.message_event.set()

    def disconnect(self) -> None:
        """The client has gone, or is not to be served any more."""
        if not self.response_complete:
            self.disconnected = True
        self.message_event.set()


def refusal_response(refused: Refused, request_id: str) -> bytes:
    """The whole response to a request that is not served; the connection ends with it."""
    body = refused.reason.encode() + b"\n"
    status = b"%d %b" % (refused.status, HTTPStatus(refused.status).phrase.encode())
    fields = b"connection: close\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %d" % len(body)
    ids = b"x-request-id: %b\r\nrequest-id: %b" % (request_id.encode(), request_id.encode())
    return b"HTTP/1.1 %b\r\n%b\r\n%b\r\n\r\n%b" % (status, fields, ids, body)
