"""Errors as OpenAI's API words them, and the two events with which a stream of its Responses API fails.

The `error` event holds what went wrong twice: flat as it is documented, and under `error` as the API itself sends it,
which is what makes the official SDK raise. `response.failed` after it is for clients that look at nothing else.
"""

from typing import Any

from app.dialects.openai_chat.errors import error_body, provider_code, render_error
from app.errors import GatewayError

__all__ = ["error_event", "failed_event", "render_error"]


def error_event(error: GatewayError) -> dict[str, Any]:
    said = error_body(error)["error"]
    flat = {name: said[name] for name in ("code", "message", "param")}
    return {"type": "error", **flat, "error": said}


def failed_event(error: GatewayError, response: dict[str, Any]) -> dict[str, Any]:
    """`response` is what had become of it."""
    code = error_body(error)["error"]["code"]
    known = provider_code(error) or (code if code == "rate_limit_exceeded" else "server_error")
    failure = {"code": known, "message": error.message}
    return {"type": "response.failed", "response": {**response, "status": "failed", "error": failure}}
