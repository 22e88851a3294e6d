"""One request on its ASGI side: what came of its body, and what goes out of its response.

A body that is there already is taken without waiting (`received`), and a response ended at once where its connection is
writable (`end`); ASGI's `receive` and `send` are the same for whoever may have to wait.
"""

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus

from starlette.types import Scope
from uvicorn._types import ASGI3Application, ASGIReceiveEvent, ASGISendEvent
from uvicorn.server import ServerState

from app.edge.flow import Flow
from app.edge.head import Refused
from app.edge.response import Response

_log = logging.getLogger("uvicorn.error")
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_FAILED = b"Internal Server Error"
_FAILED_HEADERS = ((b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(_FAILED)))


class RequestCycle:
    """One request and its response; `on_response` is called when the response is complete."""

    __slots__ = (
        "_body",
        "_expects_continue",
        "_flow",
        "_has_news",
        "_news",
        "_on_response",
        "_state",
        "_transport",
        "announced",
        "disconnected",
        "more_body",
        "response",
        "scope",
        "unread",
    )

    def __init__(
        self,
        scope: Scope,
        transport: asyncio.Transport,
        flow: Flow,
        state: ServerState,
        *,
        announced: int,
        expects_continue: bool,
        keep_alive: bool,
        on_response: Callable[[], None],
    ) -> None:
        self.scope = scope
        self._transport = transport
        self._flow = flow
        self._state = state
        self.announced = announced
        """Bytes of the request's body, as its head says; 0 where it does not."""
        self._expects_continue = expects_continue
        self._on_response = on_response
        self.response = Response(scope["http_version"], is_head=scope["method"] == "HEAD", keep_alive=keep_alive)
        self.disconnected = False
        """Whether the client has gone before its response was complete."""
        self.more_body = True
        self._body: list[bytes] = []
        self.unread = 0
        """Bytes of the body that came and were not taken yet."""
        self._has_news = False
        """Whether something has happened since `receive` returned last."""
        self._news: asyncio.Event | None = None
        """What `receive` waits for; most requests are whole before anybody asks."""

    # What the connection tells the cycle of.

    def receive_body(self, data: bytes) -> None:
        """Another piece of the request's body is there."""
        self._body.append(data)
        self.unread += len(data)
        # A client that sends without waiting for a 100 needs none.
        self._expects_continue = False
        self._has_news = True
        if self._news is not None:
            self._news.set()

    def end_body(self) -> None:
        """The request's body is complete."""
        self.more_body = False
        self._has_news = True
        if self._news is not None:
            self._news.set()

    def disconnect(self) -> None:
        """The client has gone, or is not to be served any more."""
        if not self.response.is_complete:
            self.disconnected = True
        self._has_news = True
        if self._news is not None:
            self._news.set()

    # What the application asks for.

    async def run(self, app: ASGI3Application) -> None:
        """Have the application answer, and the client told of it where it does not."""
        try:
            await app(self.scope, self.receive, self.send)  # type: ignore[arg-type]  # Starlette's.
        except BaseException as error:
            _log.error("Exception in ASGI application\n", exc_info=error)
            self._break_off()
        else:
            if not self.response.is_complete and not self.disconnected:
                _log.error("ASGI callable returned without completing response.")
                self._break_off()

    def received(self) -> tuple[bytes, bool] | None:
        """What came of the body since it was asked for last, and whether there is more to come; None if nothing has
        happened since, or if the client has gone."""
        if not self._has_news or self.disconnected:
            return None
        self._has_news = False
        if self.more_body:
            self._flow.resume_reading()
        return self._taken(), self.more_body

    async def receive(self) -> ASGIReceiveEvent:
        """ASGI's `receive`."""
        if self._expects_continue and not self._transport.is_closing():
            self._transport.write(_CONTINUE)
            self._expects_continue = False
        if not self.disconnected and not self.response.is_complete:
            self._flow.resume_reading()
            while not self._has_news:
                self._news = news = self._news or asyncio.Event()
                news.clear()
                await news.wait()
            self._has_news = False
        if self.disconnected or self.response.is_complete:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": self._taken(), "more_body": self.more_body}

    async def send(self, message: ASGISendEvent) -> None:
        """ASGI's `send`, which waits while the client is behind with reading."""
        if message["type"] == "http.response.start":
            if self.more_body:
                # The rest of the body is not going to be read, so no request behind it can be made out.
                self.response.keep_alive = False
            self.response.begin(message["status"], [*self._state.default_headers, *message.get("headers", ())])
            return
        if message["type"] != "http.response.body":
            raise RuntimeError(f"there is no place for {message['type']} in a response")
        if self._flow.write_paused and not self.disconnected:
            await self._flow.drain()
        if self.disconnected:
            return
        body = message.get("body", b"")
        if message.get("more_body", False):
            self._transport.write(self.response.piece(body))
        else:
            self.end(body)

    def end(self, data: bytes = b"") -> None:
        """Send the rest of the body. Raises RuntimeError as `Response.last` does."""
        self._transport.write(self.response.last(data))
        self._has_news = True
        if self._news is not None:
            self._news.set()
        self._on_response()

    def _taken(self) -> bytes:
        pieces, self._body = self._body, []
        self.unread = 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _break_off(self) -> None:
        """Answer with an error, or where it is too late for one, close: a client sees that its response is not
        whole."""
        if self.response.is_complete:
            return
        if self.response.is_sent:
            self._transport.close()
        elif not self.disconnected:
            self.response = Response(self.scope["http_version"], is_head=False, keep_alive=False)
            self.response.begin(500, [*self._state.default_headers, *_FAILED_HEADERS])
            self.end(_FAILED)


def refusal_response(refused: Refused, request_id: str) -> bytes:
    """The whole response to a request that is not served; the connection ends with it."""
    body = refused.reason.encode() + b"\n"
    status = b"%d %b" % (refused.status, HTTPStatus(refused.status).phrase.encode())
    fields = b"connection: close\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %d" % len(body)
    ids = b"x-request-id: %b\r\nrequest-id: %b" % (request_id.encode(), request_id.encode())
    return b"HTTP/1.1 %b\r\n%b\r\n%b\r\n\r\n%b" % (status, fields, ids, body)
