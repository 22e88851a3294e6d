"""The ASGI application. A request's key is checked before anything of its body is read.

The model routes are served here, without the machinery of a framework: it would cost more than the rest of a small
request (routing and middlewares 90 us, their instrumentation more). All other routes are Starlette's. Who is
turned away on a model route still gets a transaction: a flood of wrong keys must show.
"""

from collections.abc import Mapping

from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from app.errors import AuthenticationFailed, ClientError, PermissionDenied
from app.gateway.authentication import Caller, callers_of, check_head, header_map
from app.gateway.call import Gateway
from app.gateway.cross_origin import CrossOrigin, is_preflight
from app.gateway.exchange import Exchange
from app.gateway.framework_routes import render
from app.gateway.other_requests import HEALTH_PATHS, PREFLIGHT, ObservedRequest, route_of
from app.gateway.routes import UNVERSIONED, VERSION, find_route


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
                await self._entrance.http(scope, receive, send)
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
        self._cross_origin = CrossOrigin(self._http, origins) if origins else None

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request to its end."""
        with self.gateway.users:
            if self._cross_origin is not None and self._cross_origin.lists(scope):
                await self._from_a_page(self._cross_origin, scope, receive, send)
            else:
                await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(UNVERSIONED):
            scope = {**scope, "path": VERSION + scope["path"]}
        if (found := find_route(scope["path"])) is None:
            await self._other(scope, receive, send)
            return
        route, path_parameters = found
        async with Exchange.opened(self.gateway, route, scope, receive, send) as exchange:
            caller = self._caller(scope, exchange.headers, exchange)
            route.check_method(scope["method"])
            credential = self._callers.credential(exchange.headers) if self._hands_on else None
            await exchange.serve(caller, path_parameters, credential)

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

    def _caller(self, scope: Scope, headers: Mapping[str, str], exchange: Exchange | None = None) -> Caller:
        """Who asks; the exchange of the request, if it has one, knows it even where they may not. Raises ClientError
        for a malformed head, and for a caller who is not allowed."""
        check_head(scope, headers)
        try:
            caller = self._callers.find(headers)
            if exchange is not None:
                exchange.identify(caller)
            self._callers.check_validity(caller)
        except (AuthenticationFailed, PermissionDenied) as error:
            self.gateway.telemetry.metrics.keys.auth_failures[error.reason].inc()
            raise
        return caller
