"""The routes that FastAPI serves: health and models. Their errors are in the dialect that the caller probably reads."""

import json
from collections.abc import Iterable
from functools import partial
from time import time
from typing import Any, TypeVar

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import Scope

from app.dialects import DIALECTS, RequestDialect, client_dialects
from app.errors import (
    ClientError,
    GatewayError,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    UnknownRoute,
    legible,
)
from app.gateway.authentication import Caller
from app.gateway.call import Gateway
from app.gateway.front_page import PAGE_HEADERS, advice, asks_for_a_page, description, is_for, page
from app.gateway.other_requests import CALLER, GATEWAY, HEALTH, HELLO, LIVE_PATHS, READY_PATH, USAGE
from app.gateway.quotas import check_model, may_ask, uncounted
from app.gateway.usage import described_usage
from app.quotas import StateUnreachable
from telemetry.exceptions import summary_of
from telemetry.traces.http import REQUEST_ID

_Dialect = TypeVar("_Dialect", bound=RequestDialect)

_SAFE_METHODS = ["GET", "HEAD"]


def add_health_routes(app: FastAPI) -> None:
    """Add the probes: whether the process runs, and whether requests should be sent to it; and the page that says what
    this is."""

    @app.api_route("/", methods=_SAFE_METHODS)
    async def front(request: Request) -> Response:
        console = getattr(app.state, "console", None)
        visible = console if is_for(console, request.headers.get("host", "")) else None
        if asks_for_a_page(request.headers.get("accept", "")):
            return HTMLResponse(page(visible), headers=PAGE_HEADERS)
        # For somebody with curl as well as for a program.
        text = json.dumps(description(visible, _gateway(request).generation), indent=2) + "\n"
        return Response(text, media_type="application/json", headers={"vary": "accept"})

    @app.api_route("/livez", methods=_SAFE_METHODS)
    @app.api_route(HELLO, methods=_SAFE_METHODS)
    async def alive() -> Response:
        return Response()

    @app.api_route("/readyz", methods=_SAFE_METHODS)
    async def ready(request: Request) -> JSONResponse:
        if _gateway(request).in_flight.leaving:
            return JSONResponse({"status": "draining"}, 503)
        return JSONResponse({"status": "ready"})


def add_litellm_health_routes(app: FastAPI) -> None:
    """Add LiteLLM's probes, and its list of what can be asked, which here asks no provider: breakers know."""

    @app.api_route(LIVE_PATHS[0], methods=_SAFE_METHODS)
    @app.api_route(LIVE_PATHS[1], methods=_SAFE_METHODS)
    async def alive_as_litellm() -> str:
        return "I'm alive!"

    @app.api_route(READY_PATH, methods=_SAFE_METHODS)
    async def ready_as_litellm(request: Request) -> JSONResponse:
        if _gateway(request).in_flight.leaving:
            return JSONResponse({"status": "shutting_down"}, 503)
        return JSONResponse({"status": "healthy"})

    @app.api_route(HEALTH, methods=_SAFE_METHODS)
    async def health(request: Request) -> dict[str, Any]:
        gateway = _gateway(request)
        open_now = gateway.router.turned_away()
        lists: dict[bool, list[dict[str, str]]] = {True: [], False: []}
        caller = _caller(request)
        deployments = [one for one in gateway.settings.deployments if may_ask(gateway, caller, one.model_name)]
        for one in deployments:
            lists[one.id not in open_now].append({"model_name": one.model_name, "model": one.model})
        return {
            "healthy_endpoints": lists[True],
            "unhealthy_endpoints": lists[False],
            "healthy_count": len(lists[True]),
            "unhealthy_count": len(lists[False]),
        }


def add_model_routes(app: FastAPI) -> None:
    """Add `GET /v1/models` and `GET /v1/models/{id}`, in the shape that the caller's SDK reads."""
    # Providers' own dates are not known here.
    created = int(time())

    @app.api_route("/v1/models", methods=_SAFE_METHODS)
    async def models(request: Request) -> dict[str, Any]:
        gateway, caller = _gateway(request), _caller(request)
        names = [name for name in gateway.router.model_names() if may_ask(gateway, caller, name)]
        return asked_dialect(request.scope, client_dialects().values()).render_models(
            names, created, request.query_params
        )

    @app.api_route("/v1/models/{name:path}", methods=_SAFE_METHODS)
    async def model(name: str, request: Request) -> dict[str, Any]:
        gateway, caller = _gateway(request), _caller(request)
        if gateway.router.configured_name(name) is None:
            raise gateway.router.unknown_model(name, partial(may_ask, gateway, caller))
        check_model(gateway, caller, name)
        return asked_dialect(request.scope, client_dialects().values()).render_model(name, created)


def add_usage_route(app: FastAPI) -> None:
    """Add `GET /v1/usage`, which tells a caller of its own limits and budgets."""

    @app.api_route(USAGE, methods=_SAFE_METHODS)
    async def usage(request: Request) -> dict[str, Any]:
        quotas, caller = _gateway(request).quotas, _caller(request)
        try:
            used = await quotas.usage(caller.id)
        except StateUnreachable as error:
            raise uncounted(error) from error
        return described_usage(caller, used, quotas.state)


def add_error_handlers(app: FastAPI) -> None:
    """Render every error of these routes in the shape that the caller's SDK reads."""

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> JSONResponse:
        return render(request.scope, _as_client_error(request, error))

    @app.exception_handler(GatewayError)
    async def gateway_error(request: Request, error: GatewayError) -> JSONResponse:
        return render(request.scope, error)

    @app.exception_handler(Exception)
    async def defect(request: Request, error: Exception) -> JSONResponse:
        return render(request.scope, InternalError(detail=summary_of(error)))


def _gateway(request: Request) -> Gateway:
    """The services of the configuration by which the request was let in."""
    gateway = request.scope[GATEWAY]
    assert isinstance(gateway, Gateway)
    return gateway


def _caller(request: Request) -> Caller:
    """Who asks; every route but those of probes knows it."""
    caller = request.scope[CALLER]
    assert isinstance(caller, Caller)
    return caller


def asked_dialect(scope: Scope, dialects: Iterable[_Dialect]) -> _Dialect:
    """The dialect whose client sent this request, by its path and headers; the first of all if none claims it."""
    candidates = tuple(dialects)
    header_names = {name.decode("latin-1") for name, _ in scope["headers"]}
    asked = (dialect for dialect in candidates if dialect.is_asked(scope["path"], header_names))
    return next(asked, candidates[0])


def render(scope: Scope, error: GatewayError) -> JSONResponse:
    """The response for an error on a route that is no model route."""
    rendered = asked_dialect(scope, DIALECTS.values()).render_error(error, request_id=scope[REQUEST_ID])
    return JSONResponse(rendered.body, rendered.status, dict(rendered.headers))


def _as_client_error(request: Request, error: HTTPException) -> ClientError:
    asked = f"{legible(request.method)} {legible(request.url.path)}"
    match error.status_code:
        case 404:
            return UnknownRoute(f"Unknown request URL: {asked}. {advice(request.url.path)}")
        case 405:
            allowed = (error.headers or {}).get("Allow", "")
            return MethodNotAllowed(f"Not allowed here: {asked}.", allowed=allowed)
        case _:
            return InvalidRequest(str(error.detail))
