"""Errors as OpenAI's API words them: `{"error": {message, type, param, code}}`."""

from typing import Any

from app.dialects.errors import RenderedError, advice
from app.errors import GatewayError, UpstreamFailed

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    429: "rate_limit_error",
    504: "timeout_error",
}
_CODES = {
    "invalid_request": "invalid_request",
    "authentication": "invalid_api_key",
    "unknown_model": "model_not_found",
    "unknown_route": "unknown_url",
}
"""Where OpenAI has a word of its own; every other `error_type` is its own code."""
_CODES_BY_STATUS = {429: "rate_limit_exceeded"}


def render_error(error: GatewayError, request_id: str) -> RenderedError:
    status = _status(error)
    headers = {"x-request-id": request_id, **advice(error, status)}
    return RenderedError(status, error_body(error), headers)


def error_body(error: GatewayError) -> dict[str, Any]:
    status = _status(error)
    code = provider_code(error) or _CODES_BY_STATUS.get(status) or _CODES.get(error.error_type, error.error_type)
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": error.message, "type": kind, "param": error.param, "code": code}}


def provider_code(error: GatewayError) -> str | None:
    return error.code if isinstance(error, UpstreamFailed) else None


def _status(error: GatewayError) -> int:
    # 529 is Anthropic's own; others know the same thing as 503.
    return 503 if error.status == 529 else error.status
