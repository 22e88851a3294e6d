"""One HTTP exchange on a model route, from its head to its last byte.

The exchange owns every lifetime: the transaction's span, the tasks, the upstream, the reply. Whatever happens, the
client gets an answer in its dialect or a connection that is visibly broken, and the transaction ends once, with one
outcome.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from starlette.types import Receive, Scope, Send

from app.backends.router import Router
from app.dialects import ClientDialect
from app.dialects.body import parse_body
from app.dialects.formatter import Formatter
from app.errors import ClientDisconnected, Draining, GatewayError, InternalError, cause_of
from app.gateway.body import read_body
from app.gateway.in_flight import InFlight
from app.gateway.reply import CUT, Reply
from app.gateway.transactions import header_map, open_transaction
from app.pipeline.orchestrator import PolicyOrchestrator
from app.settings import Settings
from telemetry.context import Telemetry
from telemetry.names import Event


@dataclass(frozen=True)
class Gateway:
    """What lives as long as the process and every exchange needs."""

    settings: Settings
    router: Router
    orchestrator: PolicyOrchestrator
    telemetry: Telemetry
    in_flight: InFlight
    policy_names: tuple[str, ...]


class Exchange:
    def __init__(self, gateway: Gateway, dialect: ClientDialect, scope: Scope, receive: Receive, send: Send) -> None:
        self.gateway = gateway
        self.dialect = dialect
        self.headers = header_map(scope)
        self.obs = open_transaction(gateway.telemetry, dialect.name, scope, self.headers)
        self.reply = Reply(send, self.obs, scope.get("extensions", {}).get(CUT, {}).get("connection"))
        self._receive = receive
        self._formatter: Formatter | None = None
        self._tasks = asyncio.TaskGroup()
        self._background: list[asyncio.Task[None]] = []

    async def run(self, work: "Work") -> None:
        """Receive the request and let `work` answer it."""
        error: GatewayError | None = None
        try:
            await self._work_until_gone(work)
        except Exception as failure:
            error = cause_of(failure)
            await self._answer(error)
        except asyncio.CancelledError:
            # Only the server cancels an exchange from outside, when a shutdown has run out of patience.
            error = Draining("The server was stopped.")
            raise
        finally:
            self._finish(error)

    async def refuse(self, error: GatewayError) -> None:
        """Answer with an error and read nothing."""
        try:
            await self._answer(error)
        finally:
            self._finish(error)

    def stop(self, error: GatewayError) -> None:
        """End the exchange from outside; one that is coming to its own end already is left to it."""
        failing = _fail(error)
        try:
            self._tasks.create_task(failing)
        except RuntimeError:
            failing.close()

    def stream_with(self, formatter: Formatter) -> None:
        """The reply is a stream from now on: comments keep it alive, and only its formatter may end it."""
        self._formatter = formatter
        interval = self.gateway.settings.pipeline.keepalive_interval
        if interval:
            self._in_background(self._keep_alive(formatter.keepalive(), interval))

    async def _work_until_gone(self, work: "Work") -> None:
        async with self._tasks:
            with self.gateway.in_flight.track(self):
                await self._receive_and_work(work)
            for task in self._background:
                task.cancel()

    async def _receive_and_work(self, work: "Work") -> None:
        server = self.gateway.settings.server
        with self.obs.ledger.charge("client"):
            raw = await read_body(self._receive, self.headers, server.body_limit, server.body_timeout)
        self._in_background(self._watch_client())
        await work(self, parse_body(raw, server.json_depth_limit))

    def _in_background(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._background.append(self._tasks.create_task(coroutine))

    async def _watch_client(self) -> None:
        """The server says `http.disconnect` when the client goes, and also once the reply is complete."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if self.reply.complete:
            return
        if self.gateway.settings.pipeline.on_disconnect == "cancel":
            raise ClientDisconnected("The client left.")
        self.reply.client_is_gone = True
        self.obs.emit_boundary(Event.CLIENT_DISCONNECTED, {})

    async def _keep_alive(self, comment: bytes, interval: float) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self.reply.idle_since + interval - loop.time())
            if loop.time() >= self.reply.idle_since + interval:
                await self.reply.keepalive(comment)

    async def _answer(self, error: GatewayError) -> None:
        if isinstance(error, InternalError):
            self.obs.log("error", "the gateway failed", detail=error.detail, exc_info=error)
        if isinstance(error, ClientDisconnected) or self.reply.complete or self.reply.client_is_gone:
            return
        if not self.reply.started:
            await self.reply.error(self.dialect.render_error(error, self.obs.transaction_id))
        elif self._formatter is not None:
            await self.reply.last_word(self._formatter.fail(error))

    def _finish(self, error: GatewayError | None) -> None:
        if error is None:
            self.obs.finish("ok", status=self.reply.status)
        else:
            status = self.reply.status or error.status
            self.obs.finish(error.outcome, status=status, error_type=error.error_type, detail=error.detail)


Work = Callable[[Exchange, dict[str, Any]], Awaitable[None]]


async def _fail(error: GatewayError) -> None:
    raise error
