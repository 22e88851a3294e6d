"""The routes that Starlette serves: health, models and usage. Their errors are in the dialect that the caller probably
reads."""

import json
from collections.abc import Iterable
from functools import partial
from time import time
from typing import TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
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

_STARTED = int(time())
"""The date of all models: providers' own ones are not known here."""


async def _front(request: Request) -> Response:
    """What this is, for a browser, for somebody with curl, and for a program."""
    console = getattr(request.app.state, "console", None)
    visible = console if is_for(console, request.headers.get("host", "")) else None
    if asks_for_a_page(request.headers.get("accept", "")):
        return HTMLResponse(page(visible), headers=PAGE_HEADERS)
    text = json.dumps(description(visible, _gateway(request).generation), indent=2) + "\n"
    return Response(text, media_type="application/json", headers={"vary": "accept"})


async def _alive(request: Request) -> Response:
    """The process runs."""
    return Response()


async def _ready(request: Request) -> JSONResponse:
    """Whether requests should be sent here."""
    if _gateway(request).in_flight.leaving:
        return JSONResponse({"status": "draining"}, 503)
    return JSONResponse({"status": "ready"})


async def _alive_as_litellm(request: Request) -> JSONResponse:
    return JSONResponse("I'm alive!")


async def _ready_as_litellm(request: Request) -> JSONResponse:
    if _gateway(request).in_flight.leaving:
        return JSONResponse({"status": "shutting_down"}, 503)
    return JSONResponse({"status": "healthy"})


async def _health(request: Request) -> JSONResponse:
    """LiteLLM's list of what can be asked, which here asks no provider: breakers know."""
    gateway = _gateway(request)
    open_now = gateway.router.turned_away()
    lists: dict[bool, list[dict[str, str]]] = {True: [], False: []}
    caller = _caller(request)
    deployments = [one for one in gateway.settings.deployments if may_ask(gateway, caller, one.model_name)]
    for one in deployments:
        lists[one.id not in open_now].append({"model_name": one.model_name, "model": one.model})
    return JSONResponse(
        {
            "healthy_endpoints": lists[True],
            "unhealthy_endpoints": lists[False],
            "healthy_count": len(lists[True]),
            "unhealthy_count": len(lists[False]),
        }
    )


async def _models(request: Request) -> JSONResponse:
    """The models that the caller may ask, in the shape that its SDK reads."""
    gateway, caller = _gateway(request), _caller(request)
    names = [name for name in gateway.router.model_names() if may_ask(gateway, caller, name)]
    dialect = asked_dialect(request.scope, client_dialects().values())
    return JSONResponse(dialect.render_models(names, _STARTED, request.query_params))


async def _model(request: Request) -> JSONResponse:
    gateway, caller, name = _gateway(request), _caller(request), request.path_params["name"]
    if gateway.router.configured_name(name) is None:
        raise gateway.router.unknown_model(name, partial(may_ask, gateway, caller))
    check_model(gateway, caller, name)
    return JSONResponse(asked_dialect(request.scope, client_dialects().values()).render_model(name, _STARTED))


async def _usage(request: Request) -> JSONResponse:
    """A caller's own limits and budgets."""
    quotas, caller = _gateway(request).quotas, _caller(request)
    try:
        used = await quotas.usage(caller.id)
    except StateUnreachable as error:
        raise uncounted(error) from error
    return JSONResponse(described_usage(caller, used, quotas.state))


FRAMEWORK_ROUTES = tuple(
    Route(path, endpoint, methods=["GET", "HEAD"])
    for path, endpoint in (
        ("/", _front),
        ("/livez", _alive),
        (HELLO, _alive),
        ("/readyz", _ready),
        (LIVE_PATHS[0], _alive_as_litellm),
        (LIVE_PATHS[1], _alive_as_litellm),
        (READY_PATH, _ready_as_litellm),
        (HEALTH, _health),
        ("/v1/models", _models),
        ("/v1/models/{name:path}", _model),
        (USAGE, _usage),
    )
)


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return render(request.scope, _as_client_error(request, error))


async def _gateway_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, GatewayError)
    return render(request.scope, error)


async def _defect(request: Request, error: Exception) -> JSONResponse:
    return render(request.scope, InternalError(detail=summary_of(error)))


ERROR_HANDLERS = {HTTPException: _http_error, GatewayError: _gateway_error, Exception: _defect}
"""They render every error of these routes in the shape that the caller's SDK reads."""


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
