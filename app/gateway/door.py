"""The first thing that every request meets: its key is checked before anything of it is read.

Who is turned away on a model route still gets a transaction: a flood of wrong keys must show.
"""

from collections.abc import Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import AuthenticationFailed
from app.gateway.auth import KeyRing
from app.gateway.exchange import Exchange, Gateway
from app.gateway.rendering import dialect_of, render
from app.gateway.routes import HEALTH_PATHS, MODEL_ROUTES
from app.gateway.transactions import header_map


class Door:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, gateway: Gateway, keys: Sequence[str]) -> None:
        self._app = app
        self._gateway = gateway
        self._ring = KeyRing(keys)
        self._model_paths = frozenset(route.path for route in MODEL_ROUTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in HEALTH_PATHS:
            try:
                self._ring.check(header_map(scope))
            except AuthenticationFailed as error:
                await self._turn_away(error, scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _turn_away(self, error: AuthenticationFailed, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in self._model_paths:
            await Exchange(self._gateway, dialect_of(scope), scope, receive, send).refuse(error)
        else:
            await render(scope, error)(scope, receive, send)
