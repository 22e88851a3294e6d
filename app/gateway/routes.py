"""Which path does what. The model routes are plain ASGI, as an exchange owns receive and send; the rest is FastAPI."""

from dataclasses import dataclass
from time import time

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.dialects import DIALECTS, ClientDialect
from app.gateway.completion import complete
from app.gateway.count_tokens import count_tokens
from app.gateway.exchange import Exchange, Gateway, Work
from app.gateway.models import models_router


@dataclass(frozen=True)
class ModelRoute:
    path: str
    dialect: ClientDialect
    work: Work


MODEL_ROUTES = (
    ModelRoute("/v1/chat/completions", DIALECTS["openai_chat"], complete),
    ModelRoute("/v1/messages", DIALECTS["anthropic_messages"], complete),
    ModelRoute("/v1/messages/count_tokens", DIALECTS["anthropic_messages"], count_tokens),
)
HEALTH_PATHS = frozenset({"/", "/livez", "/readyz"})
"""The routes that need no key."""


class ModelEndpoint:
    """The ASGI application behind one model route."""

    def __init__(self, gateway: Gateway, route: ModelRoute) -> None:
        self._gateway = gateway
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await Exchange(self._gateway, self._route.dialect, scope, receive, send).run(self._route.work)


def add_routes(app: FastAPI, gateway: Gateway) -> None:
    for route in MODEL_ROUTES:
        app.router.routes.append(Route(route.path, ModelEndpoint(gateway, route), methods=["POST"]))
    app.include_router(models_router(gateway.router.model_names(), int(time())))

    @app.head("/")
    @app.get("/livez")
    async def alive() -> Response:
        return Response()

    @app.get("/readyz")
    async def ready() -> JSONResponse:
        if gateway.in_flight.draining:
            return JSONResponse({"status": "draining"}, 503)
        return JSONResponse({"status": "ready"})
