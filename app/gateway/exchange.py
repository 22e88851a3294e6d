"""One HTTP exchange on a model route, from its head to its last byte.

The exchange owns every lifetime: the transaction's span, the tasks, the upstream, the reply. Whatever happens, the
client gets an answer in its dialect or a connection that is visibly broken, and the transaction ends once, with one
outcome.
"""

import asyncio
from typing import Protocol

from starlette.types import Scope, Send

from app.bodies import Held
from app.errors import (
    ClientDisconnected,
    Draining,
    GatewayError,
    InternalError,
    LimitReached,
    UpstreamFailed,
    cause_of,
)
from app.gateway.authentication import Caller
from app.gateway.body import RequestBody
from app.gateway.call import Call, Gateway
from app.gateway.client_connection import ClientConnection
from app.gateway.quotas import admitted, commit, refusal
from app.gateway.reply import Reply, ReplyState
from app.gateway.request_head import KnownHead
from app.quotas import Denial, Reservation
from telemetry import ObservabilityContext, TransactionView
from telemetry.names.events import Event


class Entrance(Protocol):
    """Who finds out who asks."""

    def admit(self, head: KnownHead, scope: Scope, obs: ObservabilityContext) -> Caller:
        """Who asks, noted in telemetry whether or not they may. Raises ClientError for whoever may not."""


class Exchange:
    """One request and its reply. It opens a transaction, so it has to be run."""

    def __init__(
        self, gateway: Gateway, head: KnownHead, scope: Scope, connection: ClientConnection, send: Send
    ) -> None:
        """The head of the response is sent by `send`, and the rest where the connection takes it at once."""
        self._gateway = gateway
        self._head = head
        self._scope = scope
        self._connection = connection
        dialect = head.route.dialect
        self._obs = obs = gateway.telemetry.open(dialect.name, head.request)
        if obs.tape is not None:
            obs.tape.head(scope["method"], head.path, scope["headers"])
        self._reply = Reply(send, connection, dialect, obs, gateway.settings.pipeline)
        self._reservation: Reservation | None = None
        self._task: asyncio.Task[None] | None = None
        """The task that serves the request, as long as `stop` may cancel it."""
        self._stopped_by: GatewayError | None = None

    async def run(self, entrance: Entrance) -> None:
        """Serve the request, or answer with the error that it ends with, and end the transaction. What is to end the
        task or the process is raised."""
        try:
            await self._serve(entrance.admit(self._head, self._scope, self._obs))
        except BaseException as raised:
            is_ending = _is_cancelled(raised)
            await self._end_with(raised, is_ending=is_ending)
            if is_ending or not isinstance(raised, Exception | asyncio.CancelledError):
                raise
        else:
            self._end()

    def view(self) -> TransactionView:
        """What it does at this moment."""
        return self._obs.view()

    def stop(self, error: GatewayError) -> None:
        """End the exchange from outside with `error`. Without effect on one that has been stopped before, or is no
        longer served."""
        if self._task is not None and self._stopped_by is None:
            self._stopped_by = error
            self._task.cancel()

    async def _serve(self, caller: Caller) -> None:
        """Receive the request and let the route's handler answer it. Raises the error that ended it early: the
        handler's, or the one that was given to `stop`; and Overloaded, before anything of the body is read, where as
        many exchanges are open as may."""
        gateway, obs = self._gateway, self._obs
        gateway.in_flight.opened(self, gateway.settings.admission.max_streams)
        self._task = task = asyncio.current_task()
        held = Held(gateway.bodies)
        try:
            if gateway.quotas.is_limited(caller.id):
                await self._admit(caller)
            dialect, headers, limits = self._head.route.dialect, self._head.headers, gateway.settings.server
            body = RequestBody(dialect, headers, gateway.bodies, held, limits, caller.body_limit)
            obs.ledger.enter("client")
            try:
                await body.read(self._connection, obs.tape)
            finally:
                obs.ledger.leave("client")
            self._connection.when_lost(self._client_left)
            await self._head.route.handler(gateway, self._call(caller, body, held))
        except asyncio.CancelledError:
            if self._stopped_by is None:
                raise
            if task is not None:
                task.uncancel()
            raise self._stopped_by from None
        finally:
            self._task = None
            gateway.in_flight.ended(self)
            self._connection.forget()
            self._reply.close()
            held.release()

    async def _admit(self, caller: Caller) -> None:
        self._obs.ledger.enter("admission")
        try:
            admission = await admitted(self._gateway.quotas, caller.id, spends=self._head.route.spends)
        finally:
            self._obs.ledger.leave("admission")
        if isinstance(admission, Denial):
            raise refusal(admission, None, self._head.route.dialect, self._reply)
        self._reservation = admission

    def _call(self, caller: Caller, body: RequestBody, held: Held) -> Call:
        head = self._head
        return Call(
            method=self._scope["method"],
            headers=head.headers,
            path_parameters=head.path_parameters,
            query=self._scope.get("query_string", b"").decode("latin-1"),
            caller=caller,
            chain=self._gateway.chains[caller.policies],
            reservation=self._reservation,
            credential=head.credential,
            dialect=head.route.dialect,
            body=body,
            held=held,
            obs=self._obs,
            reply=self._reply,
        )

    def _client_left(self) -> None:
        if self._reply.is_delivered:
            return
        if self._gateway.settings.pipeline.on_disconnect == "cancel":
            self.stop(ClientDisconnected("The client left."))
            return
        self._reply.client_left()
        self._obs.event(Event.CLIENT_DISCONNECTED, {})

    def _end(self) -> None:
        """End the transaction of a request that was answered."""
        try:
            if self._reservation is not None:
                commit(self._reservation, self._obs)
            self._finish(None)
        finally:
            self._obs.leave()

    async def _end_with(self, raised: BaseException, *, is_ending: bool) -> None:
        """Answer with an error, and end the transaction by it."""
        # Only the server cancels an exchange from outside, at the end of a shutdown's time.
        error = Draining("The server was stopped.") if is_ending else cause_of(raised)
        with self._obs:
            if self._reservation is not None:
                # Before the error is told: who asks again at once finds all of the room that there is.
                commit(self._reservation, self._obs)
            try:
                if not is_ending:
                    await self._answer(error)
            finally:
                self._finish(error)

    async def _answer(self, error: GatewayError) -> None:
        if isinstance(error, LimitReached):
            self._obs.quotas.refused(error.scope, error.holder, error.limit)
        if self._gateway.settings.server.relay_rate_limit_headers and isinstance(error, UpstreamFailed):
            self._reply.relay(error.limit_headers)
        if isinstance(error, InternalError):
            self._obs.log("error", "the gateway failed", detail=error.detail, error=error)
        if not isinstance(error, ClientDisconnected):
            await self._reply.fail(error)

    def _finish(self, error: GatewayError | None) -> None:
        obs, reply = self._obs, self._reply
        if not obs.has_ids:
            # Nothing is known of its body, but its head may say whose it is.
            obs.note_ids(*self._gateway.ids.find(self._head.headers, {}))
        delivered = reply.state is ReplyState.COMPLETE
        if error is None:
            obs.finish("ok", status=reply.status, delivered=delivered)
        else:
            obs.finish(
                error.outcome,
                status=reply.status or error.status,
                error_type=error.error_type,
                detail=error.recorded,
                delivered=delivered,
            )


def _is_cancelled(raised: BaseException | None) -> bool:
    """Whether the task was cancelled, or goes with its loop: a cancellation that nobody asked of it is a defect of what
    let it out."""
    if isinstance(raised, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0
    return isinstance(raised, GeneratorExit)
