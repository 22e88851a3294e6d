"""Errors as OpenAI's API words them: `{"error": {message, type, param, code}}`."""

from collections.abc import Mapping
from typing import Any

import msgspec

from app.dialects.blank_lines import with_blank_line
from app.dialects.errors import RenderedError, advice, reworded, sent_by_provider
from app.errors import ContextOverflow, ErrorBody, GatewayError, UpstreamFailed

CONTEXT_OVERFLOW = "context_length_exceeded"
"""The code by which clients know that they have to shorten the conversation, whatever the message."""
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
    "budget_spent": "insufficient_quota",
    "request_tokens_exceeded": CONTEXT_OVERFLOW,
}
"""Where OpenAI has a word of its own; every other `error_type` is its own code."""
_CODES_BY_STATUS = {429: "rate_limit_exceeded"}
_KINDS = {"budget_spent": "insufficient_quota"}
"""Types of errors that do not follow from the status."""


def render_error(error: GatewayError, request_id: str) -> RenderedError:
    if (sent := _sent(error)) is not None:
        status = sent.status or error.status
        return RenderedError(status, sent.data, {"x-request-id": request_id, **advice(error, status)})
    status = _status(error)
    headers = {"x-request-id": request_id, **advice(error, status)}
    return RenderedError(status, error_body(error), headers)


def error_event(error: GatewayError) -> bytes:
    """The event of an error: the provider's own bytes, where it sent one of this form."""
    if (sent := _sent(error)) is not None and sent.event:
        return with_blank_line(sent.event)
    return b"data: %b\n\n" % (sent.data if sent is not None else msgspec.json.encode(error_body(error)))


def error_body(error: GatewayError) -> dict[str, Any]:
    status = _status(error)
    known = _CODES.get(error.error_type) or _CODES_BY_STATUS.get(status)
    code = provider_code(error) or known or error.error_type
    kind = _KINDS.get(error.error_type) or _TYPES.get(
        status, "server_error" if status >= 500 else "invalid_request_error"
    )
    return {"error": {"message": error.message, "type": kind, "param": error.param, "code": code}}


def _sent(error: GatewayError) -> ErrorBody | None:
    sent = sent_by_provider(error, _is_error)
    if sent is None or not isinstance(error, ContextOverflow) or sent.payload["error"].get("code") == CONTEXT_OVERFLOW:
        return sent
    return reworded(sent, {"code": CONTEXT_OVERFLOW})


def _is_error(payload: Mapping[str, Any]) -> bool:
    """An error of this form that holds no piece of an answer: OpenRouter puts an error on a chunk."""
    error = payload.get("error")
    if payload.get("type") == "error" or not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return False
    choices = payload.get("choices") or ()
    return isinstance(choices, list | tuple) and not any(map(_has_content, choices))


def _has_content(choice: Any) -> bool:
    if not isinstance(choice, dict):
        return True
    values = [choice.get("text"), choice.get("logprobs")]
    for name in ("delta", "message"):
        if isinstance(piece := choice.get(name) or {}, dict):
            values += [value for field, value in piece.items() if field != "role"]
        else:
            values.append(piece)
    return any(values)


def provider_code(error: GatewayError) -> str | None:
    return error.code if isinstance(error, UpstreamFailed) else None


def _status(error: GatewayError) -> int:
    # 529 is Anthropic's own; others know the same thing as 503.
    return 503 if error.status == 529 else error.status
