"""The admin API as an ASGI application: a table of routes to acts, and errors as JSON."""

import logging
import math
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from app.admin import acts
from app.admin.access import Access, Denied
from app.admin.acts import Act, NotPerformed, Refused
from app.admin.audit import Actor, AuditedPerformer, AuditFailed
from app.edge.unix_sockets import PEER, PeerCredentials
from telemetry.redact import printable

_log = logging.getLogger("flowspan")
_BODY_LIMIT = 64 * 1024
ROUTES: tuple[tuple[str, str, type[Act]], ...] = (
    ("GET", "/v1/status", acts.GetStatus),
    ("GET", "/v1/keys", acts.ListKeys),
    ("GET", "/v1/keys/{key:path}/usage", acts.GetUsage),
    ("POST", "/v1/keys/{key:path}/revoke", acts.RevokeKey),
    ("POST", "/v1/keys/{key:path}/restore", acts.RestoreKey),
    ("POST", "/v1/keys/{key:path}/cancel", acts.CancelRequests),
    ("GET", "/v1/breakers", acts.ListBreakers),
    ("POST", "/v1/breakers/{breaker:path}/reset", acts.ResetBreaker),
    ("POST", "/v1/breakers/{breaker:path}/open", acts.OpenBreaker),
    ("POST", "/v1/breakers/{breaker:path}/release", acts.ReleaseBreaker),
    ("GET", "/v1/deployments", acts.ListDeployments),
    ("POST", "/v1/deployments/{deployment:path}/drain", acts.DrainDeployment),
    ("POST", "/v1/deployments/{deployment:path}/restore", acts.RestoreDeployment),
    ("POST", "/v1/deployments/{deployment:path}/weight", acts.SetWeight),
    ("GET", "/v1/log-level", acts.GetLogLevel),
    ("PUT", "/v1/log-level", acts.SetLogLevel),
    ("GET", "/v1/reload", acts.GetChanges),
    ("POST", "/v1/reload", acts.Reload),
    ("POST", "/v1/workers/restart", acts.RestartWorkers),
    ("GET", "/v1/requests", acts.ListRequests),
    ("POST", "/v1/requests/{transaction_id}/cancel", acts.CancelRequest),
    ("GET", "/v1/audit", acts.ListAudit),
)
"""Method, path and act. The fields of an act are those of the path, of the query, and of the body, a JSON object."""


class _BadRequest(Exception):
    """The request is no act; the text is for whoever sent it."""


def make_app(performer: AuditedPerformer, access: Access) -> ASGIApp:
    """The application by which acts are asked for."""
    app = Starlette(
        routes=[Route(path, _Endpoint(act, performer), methods=[method]) for method, path, act in ROUTES],
        exception_handlers={HTTPException: _not_served, Exception: _failed},
    )
    return _Guard(app, access, performer)


class _Guard:
    """The ASGI application before all routes: it refuses who may not act."""

    def __init__(self, app: ASGIApp, access: Access, performer: AuditedPerformer) -> None:
        self._app = app
        self._access = access
        self._performer = performer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        denied = self._denied(scope)
        try:
            await (denied or self._app)(scope, receive, send)
        except Exception:
            # Whoever asked has got an answer that says so.
            _log.exception("an act of the admin API failed: %s", printable(scope["path"]))

    def _denied(self, scope: Scope) -> Response | None:
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        denied = self._access.denial(headers, _address(scope), _peer(scope))
        if denied is None:
            return None
        try:
            self._performer.deny(actor_of(scope, is_known=False), denied.reason, is_logged=denied.is_logged)
        except AuditFailed as error:
            _log.error("%s", error)
        return _denial(denied)


class _Endpoint:
    """Performs one kind of act, made of a request."""

    def __init__(self, kind: type[Act], performer: AuditedPerformer) -> None:
        self._kind = kind
        self._performer = performer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (await self._response(Request(scope, receive)))(scope, receive, send)

    async def _response(self, request: Request) -> Response:
        try:
            act = await self._act(request)
            outcome = await self._performer.perform(act, actor_of(request.scope))
        except _BadRequest as error:
            return error_response(400, "bad_request", str(error))
        except Refused as error:
            return error_response(409, "refused", str(error))
        except NotPerformed as error:
            return error_response(503, "not_performed", str(error))
        except AuditFailed as error:
            return error_response(503, "audit_failed", str(error))
        return _json(200, outcome)

    async def _act(self, request: Request) -> Act:
        fields: dict[str, Any] = {**dict(request.query_params), **await _body(request), **request.path_params}
        try:
            return msgspec.convert({**fields, "act": self._kind.__struct_config__.tag}, self._kind, strict=False)
        except msgspec.ValidationError as error:
            raise _BadRequest(_by_field(str(error))) from None


def _by_field(fault: str) -> str:
    """A fault with the name of the field first."""
    what, at, field = fault.rpartition(" - at `$.")
    return f"{field.rstrip('`')}: {what[:1].lower()}{what[1:]}" if at else fault


async def _body(request: Request) -> Mapping[str, Any]:
    """The fields of the request's body; none where there is no body. Raises _BadRequest."""
    data = b""
    async for piece in request.stream():
        data += piece
        if len(data) > _BODY_LIMIT:
            raise _BadRequest(f"The body has more than {_BODY_LIMIT} bytes.")
    if not data.strip():
        return {}
    try:
        fields = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _BadRequest("The body is no JSON.") from None
    if not isinstance(fields, dict):
        raise _BadRequest("The body is no JSON object.")
    return fields


def actor_of(scope: Scope, *, is_known: bool = True) -> Actor:
    """Who sent a request, as the audit log has them; with `is_known` they have the key, or opened a socket that they
    were allowed to open."""
    if (peer := _peer(scope)) is not None:
        return Actor(f"uid {peer.uid}", f"pid {peer.pid}")
    return Actor("admin" if is_known else "unknown", _address(scope))


def error_response(status: int, kind: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return _json(status, {"error": {"message": message, "type": kind}}, headers)


def _denial(denied: Denied) -> Response:
    headers = {"www-authenticate": "Bearer"} if denied.status == 401 else {}
    if denied.retry_after is not None:
        headers["retry-after"] = str(math.ceil(denied.retry_after))
    return error_response(denied.status, "denied", denied.reason, headers)


def _json(status: int, body: object, headers: Mapping[str, str] | None = None) -> Response:
    made = Response(msgspec.json.encode(body), status, dict(headers or {}), "application/json")
    made.headers["cache-control"] = "no-store"
    made.headers["x-content-type-options"] = "nosniff"
    return made


def _not_served(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind = "not_found" if error.status_code == 404 else "bad_request"
    asked = f"{request.method} {printable(request.url.path)}"
    return error_response(error.status_code, kind, f"The admin API has no {asked}.", error.headers)


def _failed(request: Request, error: Exception) -> Response:
    return error_response(500, "defect", "The act failed by a defect of the gateway. Its log says why.")


def _peer(scope: Scope) -> PeerCredentials | None:
    found = scope.get("extensions", {}).get(PEER)
    return None if found is None else found["credentials"]


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return "" if client is None else str(client[0])
