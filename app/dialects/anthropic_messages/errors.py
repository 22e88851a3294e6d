"""Errors as Anthropic's API words them: `{"type": "error", "error": {type, message}, "request_id"}`."""

from typing import Any

from app.dialects.errors import RenderedError, advice
from app.errors import GatewayError

_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def render_error(error: GatewayError, request_id: str) -> RenderedError:
    status = _status(error)
    body = {**error_event(error), "request_id": request_id}
    return RenderedError(status, body, {"request-id": request_id, **advice(error, status)})


def error_event(error: GatewayError) -> dict[str, Any]:
    status = _status(error)
    kind = _TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": error.message}}


def _status(error: GatewayError) -> int:
    # Anthropic has no 503: what cannot be served for now is overloaded.
    return 529 if error.status == 503 else error.status
