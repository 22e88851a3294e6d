"""Which path does what. An exchange serves the model routes, as it owns receive and send; the rest is FastAPI's."""

from dataclasses import dataclass
from time import time

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse

from app.dialects import DIALECTS, RequestDialect, openai_completions, openai_embeddings
from app.gateway.completion import complete
from app.gateway.count_tokens import count_tokens
from app.gateway.exchange import Gateway, Work
from app.gateway.models import models_router


@dataclass(frozen=True)
class ModelRoute:
    dialect: RequestDialect
    work: Work


MODEL_ROUTES = {
    "/v1/chat/completions": ModelRoute(DIALECTS["openai_chat"], complete),
    "/v1/responses": ModelRoute(DIALECTS["openai_responses"], complete),
    "/v1/completions": ModelRoute(openai_completions, complete),
    "/v1/embeddings": ModelRoute(openai_embeddings, complete),
    "/v1/messages": ModelRoute(DIALECTS["anthropic_messages"], complete),
    "/v1/messages/count_tokens": ModelRoute(DIALECTS["anthropic_messages"], count_tokens),
}
"""By path; each is asked by POST."""
VERSION = "/v1"
UNVERSIONED = ("/chat/completions", "/completions", "/embeddings", "/models", "/responses")
"""OpenAI's routes as its SDKs ask for them where the base URL has no version; LiteLLM's proxy answers there, too."""
HEALTH_PATHS = frozenset({"/", "/livez", "/readyz"})
"""The routes that need no key."""


def add_routes(app: FastAPI, gateway: Gateway) -> None:
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
