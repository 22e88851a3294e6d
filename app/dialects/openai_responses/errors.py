"""Errors as OpenAI's API words them, and the two events with which a stream of its Responses API fails.

The `error` event holds what went wrong twice: flat as it is documented, and under `error` as the API itself sends it,
which is what makes the official SDK raise. `response.failed` after it is for clients that look at nothing else.
"""

from collections.abc import Mapping
from typing import Any

from app.dialects.errors import sent_by_provider
from app.dialects.openai_chat.errors import CONTEXT_OVERFLOW, error_body, provider_code, render_error
from app.errors import ContextOverflow, ErrorBody, GatewayError

__all__ = ["error_event", "failed_event", "provider_event", "render_error"]


def error_event(error: GatewayError) -> dict[str, Any]:
    fields = error_body(error)["error"]
    flat = {name: fields[name] for name in ("code", "message", "param")}
    return {"type": "error", **flat, "error": fields}


def failed_event(error: GatewayError, response: dict[str, Any]) -> dict[str, Any]:
    """The last event of a stream that failed; `response` as far as it had come."""
    code = error_body(error)["error"]["code"]
    known = provider_code(error) or (code if code == "rate_limit_exceeded" else "server_error")
    failure = {"code": known, "message": error.message}
    return {"type": "response.failed", "response": {**response, "status": "failed", "error": failure}}


def provider_event(error: GatewayError) -> ErrorBody | None:
    """The event `error` or `response.failed` as the provider sent it; None if it sent neither, or one that does not say
    of a conversation that is too long what clients look for."""
    sent = sent_by_provider(error, _is_event)
    if sent is None or not isinstance(error, ContextOverflow):
        return sent
    return sent if CONTEXT_OVERFLOW in _codes(sent.payload) else None


def _is_event(payload: Mapping[str, Any]) -> bool:
    match payload:
        case {"type": "error", "message": str()} | {"type": "error", "error": {"message": str(), "code": _}}:
            return True
        case {"type": "response.failed", "response": {"error": {"message": str()}}}:
            return True
        case _:
            return False


def _codes(payload: Mapping[str, Any]) -> list[object]:
    nested = (payload, payload.get("response"))
    errors = [one["error"] for one in nested if isinstance(one, dict) and isinstance(one.get("error"), dict)]
    return [payload.get("code"), *(one.get("code") for one in errors)]
