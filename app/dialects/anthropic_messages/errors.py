"""Errors as Anthropic's API words them: `{"type": "error", "error": {type, message}, "request_id"}`."""

from collections.abc import Mapping
from typing import Any

from app.dialects.anthropic_messages.block_writer import event
from app.dialects.blank_lines import with_blank_line
from app.dialects.errors import RenderedError, advice, reworded, sent_by_provider
from app.errors import ContextOverflow, ErrorBody, GatewayError, RequestTokensExceeded

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


_TOO_LONG = ("prompt is too long", "exceed context limit", "prompt_too_long")
"""The words by which Claude Code knows that it has to shorten the conversation, or to ask for a shorter answer; the
last are the token of its protocol for gateways that translate."""


def render_error(error: GatewayError, request_id: str) -> RenderedError:
    status = _status(error)
    sent = _sent(error)
    if sent is not None:
        status = sent.status or error.status
        return RenderedError(status, sent.data, {"request-id": request_id, **advice(error, status)})
    body = {**_fields(error), "request_id": request_id}
    return RenderedError(status, body, {"request-id": request_id, **advice(error, status)})


def error_event(error: GatewayError) -> bytes:
    """The event of an error: the provider's own bytes, where it sent one of this dialect."""
    sent = _sent(error)
    if sent is None:
        return event("error", _fields(error))
    return with_blank_line(sent.event) if sent.event else event("error", dict(sent.payload))


def _fields(error: GatewayError) -> dict[str, Any]:
    status = _status(error)
    kind = _TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": _message(error)}}


def _message(error: GatewayError) -> str:
    """The error's words; of one that a shorter request would mend, those that agents know from Anthropic."""
    match error:
        case ContextOverflow():
            return _too_long(error.message)
        case RequestTokensExceeded() if error.prompt > error.most:
            return f"prompt is too long: {error.prompt} tokens > {error.most} maximum. {error.message}"
        case RequestTokensExceeded():
            sum_of = f"{error.prompt} + {error.most_answer} > {error.most}"
            return f"input length and `max_tokens` exceed context limit: {sum_of}. {error.message}"
        case _:
            return error.message


def _sent(error: GatewayError) -> ErrorBody | None:
    sent = sent_by_provider(error, _is_error)
    if sent is None or not isinstance(error, ContextOverflow):
        return sent
    message = sent.payload["error"]["message"]
    return sent if _too_long(message) == message else reworded(sent, {"message": _too_long(message)})


def _is_error(payload: Mapping[str, Any]) -> bool:
    error = payload.get("error")
    if payload.get("type") != "error" or not isinstance(error, dict):
        return False
    return isinstance(error.get("type"), str) and isinstance(error.get("message"), str)


def _too_long(message: str) -> str:
    if any(words in message.lower() for words in _TOO_LONG):
        return message
    return f"prompt is too long: {message} (capability_rejected: prompt_too_long)"


def _status(error: GatewayError) -> int:
    # Anthropic has no 503: what cannot be served for now is overloaded.
    return 529 if error.status == 503 else error.status
