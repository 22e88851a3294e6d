"""`GET /v1/models` and `GET /v1/models/{id}`: what can be asked for, in the shape that the caller's SDK reads."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request

from app.errors import UnknownModel
from app.gateway.rendering import dialect_of


def models_router(names: Sequence[str], created: int) -> APIRouter:
    """`created` (Unix seconds) stands for the date of every model: providers' own dates are not known here."""
    router = APIRouter()
    known = frozenset(names)

    @router.get("/v1/models")
    async def models(request: Request) -> dict[str, Any]:
        return dialect_of(request.scope).render_models(names, created, request.query_params)

    @router.get("/v1/models/{name:path}")
    async def model(name: str, request: Request) -> dict[str, Any]:
        if name not in known:
            raise UnknownModel(f"The model `{name[:200]}` does not exist here.", param="model")
        return dialect_of(request.scope).render_model(name, created)

    return router
