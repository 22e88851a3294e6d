"""One HTTP exchange on a model route, from its head to its last byte.

The exchange owns every lifetime: the transaction's span, the tasks, the upstream, the reply. Whatever happens, the
client gets an answer in its dialect or a connection that is visibly broken, and the transaction ends once, with one
outcome.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.types import Receive, Scope, Send

from app.backends.router import Router
from app.dialects import RequestDialect
from app.dialects.body import parse_body
from app.dialects.formatter import Formatter
from app.errors import ClientDisconnected, Draining, GatewayError, InternalError, cause_of
from app.gateway.body import read_body
from app.gateway.connection import connection_of
from app.gateway.in_flight import InFlight
from app.gateway.keepalive import Keepalive
from app.gateway.reply import Reply
from app.gateway.transactions import open_transaction
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
    def __init__(
        self,
        gateway: Gateway,
        dialect: RequestDialect,
        scope: Scope,
        headers: dict[str, str],
        receive: Receive,
        send: Send,
        route: str | None = None,
    ) -> None:
        self.gateway = gateway
        self.dialect = dialect
        self.headers = headers
        self.body = b""
        """As it came, once it has."""
        self.obs = open_transaction(gateway.telemetry, dialect.name, scope, headers, route)
        self._connection = connection_of(scope, receive)
        self.reply = Reply(send, self._connection, self.obs, gateway.settings.pipeline.put_timeout)
        self._receive = receive
        self._has_body = True
        self._formatter: Formatter | None = None
        self._keepalive: Keepalive | None = None
        self._task: asyncio.Task[None] | None = None
        """At work, and to be cancelled where the exchange is to end."""
        self._stopped_by: GatewayError | None = None

    async def run(self, work: "Work", has_body: bool = True) -> None:
        """Receive the request and let `work` answer it. Without `has_body` what it brings is not looked at."""
        self._has_body = has_body
        error: GatewayError | None = None
        try:
            await self._work_until_stopped(work)
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
        if self._task is not None and self._stopped_by is None:
            self._stopped_by = error
            self._task.cancel()

    def stream_with(self, formatter: Formatter) -> None:
        """The reply is a stream from now on: comments keep it alive, and only its formatter may end it."""
        self._formatter = formatter
        interval = self.gateway.settings.pipeline.keepalive_interval
        if interval:
            self._keepalive = Keepalive(self.reply, formatter.keepalive, interval)

    async def _work_until_stopped(self, work: "Work") -> None:
        """What `stop` was given is raised here, and nowhere else."""
        self._task = task = asyncio.current_task()
        self.gateway.in_flight.opened(self)
        try:
            await self._receive_and_work(work)
        except asyncio.CancelledError:
            if self._stopped_by is None:
                raise
            if task is not None:
                task.uncancel()
            raise self._stopped_by from None
        finally:
            self._task = None
            self.gateway.in_flight.ended(self)
            self._connection.forget()
            if self._keepalive is not None:
                self._keepalive.close()

    async def _receive_and_work(self, work: "Work") -> None:
        server = self.gateway.settings.server
        with self.obs.ledger.charge("client"):
            self.body = await read_body(self._receive, self.headers, server.body_limit, server.body_timeout)
        self._connection.when_lost(self._client_left)
        await work(self, parse_body(self.body, server.json_depth_limit) if self._has_body else {})

    def _client_left(self) -> None:
        if self.reply.complete or self._all_is_sent():
            return
        if self.gateway.settings.pipeline.on_disconnect == "cancel":
            self.stop(ClientDisconnected("The client left."))
            return
        self.reply.client_is_gone = True
        self.obs.emit_boundary(Event.CLIENT_DISCONNECTED, {})

    def _all_is_sent(self) -> bool:
        """Clients leave with the last event in hand, before the end of HTTP's framing. A formatter that has ended its
        stream keeps nothing alive any more."""
        return self._formatter is not None and not self._formatter.keepalive() and not self.reply.is_sending

    async def _answer(self, error: GatewayError) -> None:
        if isinstance(error, InternalError):
            self.obs.log("error", "the gateway failed", detail=error.detail, error=error)
        if isinstance(error, ClientDisconnected) or self.reply.complete or self.reply.client_is_gone:
            return
        if not self.reply.started:
            await self.reply.error(self.dialect.render_error(error, self.obs.transaction_id))
        elif self._formatter is not None:
            await self.reply.last_word(self._formatter.fail(error))
        else:
            await self.reply.cut()

    def _finish(self, error: GatewayError | None) -> None:
        if error is None:
            self.obs.finish("ok", status=self.reply.status)
        else:
            status = self.reply.status or error.status
            self.obs.finish(error.outcome, status=status, error_type=error.error_type, detail=error.detail)


Work = Callable[[Exchange, dict[str, Any]], Awaitable[None]]
