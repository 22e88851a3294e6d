"""One HTTP exchange on a model route, from its head to its last byte.

The exchange owns every lifetime: the transaction's span, the tasks, the upstream, the reply. Whatever happens, the
client gets an answer in its dialect or a connection that is visibly broken, and the transaction ends once, with one
outcome.
"""

import asyncio
from collections.abc import Mapping
from types import TracebackType

from starlette.types import Receive, Scope, Send

from app.bodies import Held
from app.errors import (
    ClientDisconnected,
    Draining,
    GatewayError,
    InternalError,
    LimitReached,
    Overloaded,
    UpstreamFailed,
    cause_of,
)
from app.gateway.authentication import Caller, header_map
from app.gateway.body import RequestBody
from app.gateway.call import Call, Gateway
from app.gateway.client_connection import ClientConnection, connection_of
from app.gateway.quotas import admitted, commit, refusal
from app.gateway.reply import Reply, ReplyState
from app.gateway.request_head import http_request
from app.gateway.routes import Route
from app.messages import ClientCredential
from app.quotas import Denial, Reservation
from telemetry import ObservabilityContext, TransactionView
from telemetry.names.events import Event

_RETRY_AFTER = 1.0
"""Seconds after which a request that there was no room for may be sent again."""


class Exchange:
    """One request and its reply. Begin it with `opened`, which ends it, too."""

    def __init__(
        self,
        gateway: Gateway,
        route: Route,
        scope: Scope,
        headers: dict[str, str],
        receive: Receive,
        *,
        connection: ClientConnection,
        reply: Reply,
        obs: ObservabilityContext,
    ) -> None:
        self.headers = headers
        """Under lower-case names."""
        self._gateway = gateway
        self._route = route
        self._scope = scope
        self._receive = receive
        self._connection = connection
        self._reply = reply
        self._obs = obs
        self._reservation: Reservation | None = None
        self._task: asyncio.Task[None] | None = None
        """The task that serves the request, as long as `stop` may cancel it."""
        self._stopped_by: GatewayError | None = None

    @classmethod
    def opened(cls, gateway: Gateway, route: Route, scope: Scope, receive: Receive, send: Send) -> "Exchange":
        """Open a transaction. As an `async with` block, which it has to be, the exchange answers with the error that
        the block raises, if any, and ends the transaction."""
        headers, connection = header_map(scope), connection_of(scope, receive)
        obs = gateway.telemetry.open(route.dialect.name, http_request(scope, route.path, headers, gateway.proxies))
        if obs.tape is not None:
            obs.tape.head(scope["method"], scope["path"], scope["headers"])
        reply = Reply(send, connection, route.dialect, obs, gateway.settings.pipeline)
        return cls(gateway, route, scope, headers, receive, connection=connection, reply=reply, obs=obs)

    # No generator: to throw an error into one costs as much as the rest of a request that is refused by its key.
    async def __aenter__(self) -> "Exchange":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Whether the client was told of the error and nobody else has to be: what is to end the task or the process
        goes on."""
        error: GatewayError | None = None
        is_ending = _is_cancelled(raised)
        with self._obs:
            if self._reservation is not None:
                # Before an error is told: who asks again at once finds all of the room that there is.
                commit(self._reservation, self._obs)
            try:
                if is_ending:
                    # Only the server cancels an exchange from outside, at the end of a shutdown's time.
                    error = Draining("The server was stopped.")
                elif raised is not None:
                    error = cause_of(raised)
                    if isinstance(error, LimitReached):
                        self._obs.quotas.refused(error.scope, error.holder, error.limit)
                    if self._gateway.settings.server.relay_rate_limit_headers and isinstance(error, UpstreamFailed):
                        self._reply.relay(error.limit_headers)
                    await _answer(error, self._reply, self._obs)
            finally:
                if not self._obs.has_ids:
                    # Nothing is known of its body, but its head may say whose it is.
                    self._obs.note_ids(*self._gateway.ids.find(self.headers, {}))
                _finish(error, self._reply, self._obs)
        return isinstance(raised, Exception | asyncio.CancelledError) and not is_ending

    def identify(self, caller: Caller) -> None:
        """Note whose key the request came with, whether or not they may ask."""
        self._obs.identify(caller.name)

    async def serve(
        self, caller: Caller, path_parameters: Mapping[str, str], credential: ClientCredential | None = None
    ) -> None:
        """Receive the request and let the route's handler answer it. Raises the error that ended it early: the
        handler's, or the one that was given to `stop`; and Overloaded, before anything of the body is read, where as
        many exchanges are open as may."""
        self._check_load()
        self._task = task = asyncio.current_task()
        self._gateway.in_flight.opened(self)
        held = self._gateway.bodies.hold()
        try:
            if self._gateway.quotas.is_limited(caller.id):
                await self._admit(caller)
            await self._receive_and_handle(caller, path_parameters, credential, held)
        except asyncio.CancelledError:
            if self._stopped_by is None:
                raise
            if task is not None:
                task.uncancel()
            raise self._stopped_by from None
        finally:
            self._task = None
            self._gateway.in_flight.ended(self)
            self._connection.forget()
            self._reply.close()
            held.release()

    def _check_load(self) -> None:
        is_open, most = len(self._gateway.in_flight), self._gateway.settings.admission.max_streams
        if is_open >= most:
            raise Overloaded(
                "The gateway has as many requests open as it may; try again later.",
                detail=f"{is_open} requests are open, of {most}",
                retry_after=_RETRY_AFTER,
            )

    def view(self) -> TransactionView:
        """What it does at this moment."""
        return self._obs.view()

    async def _admit(self, caller: Caller) -> None:
        with self._obs.ledger.charge("admission"):
            admission = await admitted(self._gateway.quotas, caller.id, spends=self._route.spends)
        if isinstance(admission, Denial):
            raise refusal(admission, None, self._route.dialect, self._reply)
        self._reservation = admission

    def stop(self, error: GatewayError) -> None:
        """End the exchange from outside with `error`. Without effect on one that has been stopped before, or is no
        longer served."""
        if self._task is not None and self._stopped_by is None:
            self._stopped_by = error
            self._task.cancel()

    async def _receive_and_handle(
        self, caller: Caller, path_parameters: Mapping[str, str], credential: ClientCredential | None, held: Held
    ) -> None:
        gateway, dialect = self._gateway, self._route.dialect
        body = RequestBody(dialect, self.headers, gateway.bodies, held, gateway.settings.server, caller.body_limit)
        self._obs.ledger.enter("client")
        try:
            await body.read(self._connection, self._receive, self._obs.tape)
        finally:
            self._obs.ledger.leave("client")
        self._connection.when_lost(self._client_left)
        call = Call(
            method=self._scope["method"],
            headers=self.headers,
            path_parameters=path_parameters,
            query=self._scope.get("query_string", b"").decode("latin-1"),
            caller=caller,
            chain=gateway.chains[caller.policies],
            reservation=self._reservation,
            credential=credential,
            dialect=dialect,
            body=body,
            held=held,
            obs=self._obs,
            reply=self._reply,
        )
        await self._route.handler(gateway, call)

    def _client_left(self) -> None:
        if self._reply.is_delivered:
            return
        if self._gateway.settings.pipeline.on_disconnect == "cancel":
            self.stop(ClientDisconnected("The client left."))
            return
        self._reply.client_left()
        self._obs.emit_boundary(Event.CLIENT_DISCONNECTED, {})


def _is_cancelled(raised: BaseException | None) -> bool:
    """Whether the task was cancelled, or goes with its loop: a cancellation that nobody asked of it is a defect of what
    let it out."""
    if isinstance(raised, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0
    return isinstance(raised, GeneratorExit)


async def _answer(error: GatewayError, reply: Reply, obs: ObservabilityContext) -> None:
    if isinstance(error, InternalError):
        obs.log("error", "the gateway failed", detail=error.detail, error=error)
    if not isinstance(error, ClientDisconnected):
        await reply.fail(error)


def _finish(error: GatewayError | None, reply: Reply, obs: ObservabilityContext) -> None:
    if error is None:
        obs.finish("ok", status=reply.status, delivered=reply.state is ReplyState.COMPLETE)
    else:
        status = reply.status or error.status
        obs.finish(
            error.outcome,
            status=status,
            error_type=error.error_type,
            detail=error.recorded,
            delivered=reply.state is ReplyState.COMPLETE,
        )
