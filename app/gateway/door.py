"""The application: the first thing that every request meets. Its key is checked before anything of it is read.

The model routes are served here, without the machinery of a framework: it would cost more than the rest of a small
request (routing and middlewares of FastAPI 90 us, its instrumentation more). All other routes are FastAPI's. Who is
turned away on a model route still gets a transaction: a flood of wrong keys must show.
"""

from collections.abc import Sequence

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from app.dialects import DIALECTS
from app.errors import AuthenticationFailed, ClientError, MethodNotAllowed
from app.gateway.auth import KeyRing
from app.gateway.exchange import Exchange, Gateway
from app.gateway.rendering import render
from app.gateway.routes import HEALTH_PATHS, MODEL_ROUTES, UNVERSIONED, VERSION
from app.gateway.stored_responses import StoredRoute, stored_route
from app.gateway.transactions import header_map


class Door:
    """An ASGI application; `gateway` is its inside, `others` serves what is no model route."""

    def __init__(self, gateway: Gateway, keys: Sequence[str], others: FastAPI) -> None:
        self.gateway = gateway
        self._ring = KeyRing(keys)
        self.others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.others(scope, receive, send)
            return
        if scope["path"].startswith(UNVERSIONED):
            scope = {**scope, "path": VERSION + scope["path"]}
        if scope["path"] in MODEL_ROUTES:
            await self._exchange(scope, receive, send)
        elif scope["path"] in HEALTH_PATHS:
            await self.others(scope, receive, send)
        elif (stored := stored_route(scope)) is not None:
            await self._stored(stored, scope, receive, send)
        else:
            await self._checked(scope, receive, send)

    async def _exchange(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = MODEL_ROUTES[scope["path"]]
        headers = header_map(scope)
        exchange = Exchange(self.gateway, route.dialect, scope, headers, receive, send)
        try:
            self._ring.check(headers)
        except AuthenticationFailed as error:
            await exchange.refuse(error)
            return
        if scope["method"] == "POST":
            await exchange.run(route.work)
        else:
            wrong = f"Not allowed here: {scope['method']} {scope['path']}."
            await exchange.refuse(MethodNotAllowed(wrong, allowed="POST"))

    async def _stored(self, stored: StoredRoute, scope: Scope, receive: Receive, send: Send) -> None:
        headers = header_map(scope)
        exchange = Exchange(self.gateway, DIALECTS["openai_responses"], scope, headers, receive, send, stored.path)
        try:
            self._ring.check(headers)
            work = stored.work(headers)
        except ClientError as error:
            await exchange.refuse(error)
        else:
            await exchange.run(work, has_body=False)

    async def _checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._ring.check(header_map(scope))
        except AuthenticationFailed as error:
            await render(scope, error)(scope, receive, send)
            return
        await self.others(scope, receive, send)
