"""The ASGI application. A request's key is checked before anything of its body is read.

The model routes are served here, without the machinery of a framework: it would cost more than the rest of a small
request (routing and middlewares 90 us, their instrumentation more). All other routes are Starlette's. Who is
turned away on a model route still gets a transaction: a flood of wrong keys must show.
"""

from collections.abc import Awaitable, Mapping

from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from app.errors import AuthenticationFailed, ClientError, PermissionDenied
from app.gateway.authentication import Caller, callers_of, check_head, header_map
from app.gateway.call import Gateway
from app.gateway.client_connection import connection_of
from app.gateway.cross_origin import CrossOrigin, is_preflight
from app.gateway.exchange import Exchange
from app.gateway.framework_routes import render
from app.gateway.other_requests import HEALTH_PATHS, PREFLIGHT, ObservedRequest, route_of
from app.gateway.request_head import KnownHead
from app.gateway.routes import UNVERSIONED, VERSION, find_route
from telemetry import ObservabilityContext


class GatewayApp:
    """An ASGI application. `gateway` holds the services of requests that begin now; `others` serves all paths that are
    no model routes."""

    def __init__(self, gateway: Gateway, others: Starlette) -> None:
        self.others = others
        self._entrance = _Entrance(gateway, others)

    @property
    def gateway(self) -> Gateway:
        return self._entrance.gateway

    def go_on_with(self, gateway: Gateway) -> None:
        """Serve requests from now on by another configuration. Those that have begun keep the one they began with."""
        self._entrance = _Entrance(gateway, self.others)

    def show_console(self, url: str) -> None:
        """Name the console's address at the root of the API."""
        self.others.state.console = url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                entrance = self._entrance
                users = entrance.gateway.users
                users.came()
                try:
                    await entrance.http(scope, receive, send)
                finally:
                    users.went()
            case "websocket":
                await send({"type": "websocket.close"})
            case _:
                await self.others(scope, receive, send)


class _Entrance:
    """Finds out who asks for what, by one configuration."""

    def __init__(self, gateway: Gateway, others: Starlette) -> None:
        self.gateway = gateway
        self._others = others
        settings = gateway.settings
        self._hands_on = any(deployment.credentials == "client" for deployment in settings.deployments)
        self._callers = callers_of(
            settings.keys,
            settings.server.allowed_hosts,
            settings.server.cors_origins,
            teams=settings.teams,
            beside_credentials=self._hands_on,
            revoked=gateway.revoked,
        )
        origins = settings.server.cors_origins
        self._cross_origin = CrossOrigin(self._serve, origins) if origins else None
        self._mark = object()
        """Stands for the configuration in what connections keep, so that they do not keep all of it."""

    def http(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve a request to its end."""
        if self._cross_origin is not None and self._cross_origin.lists(scope):
            return self._from_a_page(self._cross_origin, scope, receive, send)
        return self._serve(scope, receive, send)

    def admit(self, head: KnownHead, scope: Scope, obs: ObservabilityContext) -> Caller:
        """Who asks on a model route, noted in telemetry whether or not they may. Raises ClientError for a malformed
        head, for a caller who is not allowed, and for a wrong method."""
        caller = self._caller(scope, head.headers, head.caller, obs)
        if head.caller is None:
            head.route.check_method(scope["method"])
            head.credential = self._callers.credential(head.headers) if self._hands_on else None
            head.caller = caller
        return caller

    def _serve(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        connection, kept = connection_of(scope, receive)
        head = kept.get("head")
        if head is None or head.made_by is not self._mark:
            if scope["path"].startswith(UNVERSIONED):
                scope = {**scope, "path": VERSION + scope["path"]}
            if (found := find_route(scope["path"])) is None:
                return self._other(scope, receive, send)
            head = kept["head"] = KnownHead(*found, scope, self.gateway.proxies, self._mark)
        return Exchange(self.gateway, head, scope, connection, send).run(self)

    async def _from_a_page(self, cross_origin: CrossOrigin, scope: Scope, receive: Receive, send: Send) -> None:
        headers = header_map(scope)
        if not is_preflight(scope, headers):
            await cross_origin.app(scope, receive, send)
            return
        with ObservedRequest(self.gateway, scope, headers, send, PREFLIGHT) as observed:
            await cross_origin.app(observed.scope, receive, observed.send)

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = header_map(scope)
        with ObservedRequest(self.gateway, scope, headers, send, route_of(scope["path"])) as observed:
            try:
                if scope["path"] in HEALTH_PATHS:
                    check_head(scope, headers)
                    self._callers.check_probe(headers)
                else:
                    observed.identify(self._caller(scope, headers))
            except ClientError as error:
                observed.refused(error.error_type)
                await render(observed.scope, error)(observed.scope, receive, observed.send)
                return
            await self._others(observed.scope, receive, observed.send)

    def _caller(
        self,
        scope: Scope,
        headers: Mapping[str, str],
        known: Caller | None = None,
        obs: ObservabilityContext | None = None,
    ) -> Caller:
        """Who asks, by their head, unless that is `known`, and if they still may; `obs` is told even where they may
        not. Raises ClientError."""
        if known is None:
            check_head(scope, headers)
        try:
            caller = self._callers.find(headers) if known is None else known
            if obs is not None:
                obs.identify(caller.name)
            self._callers.check_validity(caller)
        except (AuthenticationFailed, PermissionDenied) as error:
            self.gateway.telemetry.metrics.keys.auth_failures[error.reason].inc()
            raise
        return caller
