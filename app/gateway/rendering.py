"""Errors of the routes that are no exchange, in the dialect that the caller probably reads."""

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import Scope

from app.dialects import DIALECTS, ClientDialect
from app.errors import ClientError, GatewayError, InternalError, InvalidRequest, MethodNotAllowed, UnknownRoute


def dialect_of(scope: Scope) -> ClientDialect:
    """Anthropic's SDK sends its version with every request, and only Anthropic's API has /v1/messages."""
    speaks_anthropic = any(name == b"anthropic-version" for name, _ in scope["headers"])
    if speaks_anthropic or scope["path"].startswith("/v1/messages"):
        return DIALECTS["anthropic_messages"]
    if scope["path"].startswith("/v1/responses"):
        return DIALECTS["openai_responses"]
    return DIALECTS["openai_chat"]


def render(scope: Scope, error: GatewayError) -> JSONResponse:
    rendered = dialect_of(scope).render_error(error, request_id="")
    # There is no transaction here whose id could stand in one of them.
    headers = {name: value for name, value in rendered.headers.items() if value}
    return JSONResponse(rendered.body, rendered.status, headers)


def add_error_handlers(app: FastAPI) -> None:
    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> JSONResponse:
        return render(request.scope, _as_client_error(request, error))

    @app.exception_handler(GatewayError)
    async def gateway_error(request: Request, error: GatewayError) -> JSONResponse:
        return render(request.scope, error)

    @app.exception_handler(Exception)
    async def defect(request: Request, error: Exception) -> JSONResponse:
        return render(request.scope, InternalError(detail=repr(error)))


def _as_client_error(request: Request, error: HTTPException) -> ClientError:
    match error.status_code:
        case 404:
            return UnknownRoute(f"Unknown request URL: {request.method} {request.url.path}.")
        case 405:
            allowed = (error.headers or {}).get("Allow", "")
            return MethodNotAllowed(f"Not allowed here: {request.method} {request.url.path}.", allowed=allowed)
        case _:
            return InvalidRequest(str(error.detail))
