import pytest

from app.dialects import anthropic_messages, openai_chat
from app.errors import (
    AuthenticationFailed,
    BreakerOpen,
    Draining,
    GatewayError,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    PolicyBlocked,
    PolicyTimeout,
    QueueOverflow,
    RequestTimeout,
    RequestTooLarge,
    UnknownModel,
    UnknownRoute,
    UpstreamFailed,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamTruncated,
)


@pytest.mark.parametrize(
    ("error", "status", "kind", "code"),
    [
        (InvalidRequest("m"), 400, "invalid_request_error", "invalid_request"),
        (AuthenticationFailed("m"), 401, "authentication_error", "invalid_api_key"),
        (UnknownModel("m"), 404, "not_found_error", "model_not_found"),
        (UnknownRoute("m"), 404, "not_found_error", "unknown_url"),
        (MethodNotAllowed("m", allowed="POST"), 405, "invalid_request_error", "method_not_allowed"),
        (RequestTimeout("m"), 408, "timeout_error", "request_timeout"),
        (RequestTooLarge("m"), 413, "invalid_request_error", "request_too_large"),
        (PolicyBlocked("m"), 400, "invalid_request_error", "policy_blocked"),
        (PolicyTimeout("m"), 504, "timeout_error", "policy_timeout"),
        (UpstreamFailed("m", upstream_status=429), 429, "rate_limit_error", "rate_limit_exceeded"),
        (UpstreamFailed("m", upstream_status=529), 503, "server_error", "upstream_error"),
        (UpstreamFailed("m", upstream_status=401), 502, "server_error", "upstream_error"),
        (UpstreamRejected("m", upstream_status=422), 422, "invalid_request_error", "upstream_rejected"),
        (UpstreamRejected("m", upstream_status=400, code="too_long"), 400, "invalid_request_error", "too_long"),
        (UpstreamFailed("m", upstream_status=429, code="no_quota"), 429, "rate_limit_error", "no_quota"),
        (UpstreamTimeout("m"), 504, "timeout_error", "upstream_timeout"),
        (UpstreamTruncated("m"), 502, "server_error", "upstream_truncated"),
        (BreakerOpen("m"), 503, "server_error", "breaker_open"),
        (QueueOverflow("m"), 503, "server_error", "queue_overflow"),
        (Draining("m"), 503, "server_error", "draining"),
        (InternalError(), 500, "server_error", "internal_error"),
    ],
)
def test_openai_errors(error: GatewayError, status: int, kind: str, code: str) -> None:
    rendered = openai_chat.DIALECT.render_error(error, "txn_1")
    assert rendered.status == status
    assert rendered.body == {"error": {"message": error.message, "type": kind, "param": error.param, "code": code}}
    assert rendered.headers["x-request-id"] == "txn_1"


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (InvalidRequest("m"), 400, "invalid_request_error"),
        (AuthenticationFailed("m"), 401, "authentication_error"),
        (UnknownModel("m"), 404, "not_found_error"),
        (MethodNotAllowed("m", allowed="POST"), 405, "invalid_request_error"),
        (RequestTimeout("m"), 408, "timeout_error"),
        (UpstreamFailed("m", upstream_status=409), 409, "conflict_error"),
        (RequestTooLarge("m"), 413, "request_too_large"),
        (UpstreamFailed("m", upstream_status=429), 429, "rate_limit_error"),
        (InternalError(), 500, "api_error"),
        (UpstreamTruncated("m"), 502, "api_error"),
        (UpstreamTimeout("m"), 504, "timeout_error"),
        (BreakerOpen("m"), 529, "overloaded_error"),
        (QueueOverflow("m"), 529, "overloaded_error"),
        (Draining("m"), 529, "overloaded_error"),
        (UpstreamFailed("m", upstream_status=529), 529, "overloaded_error"),
    ],
)
def test_anthropic_errors(error: GatewayError, status: int, kind: str) -> None:
    rendered = anthropic_messages.DIALECT.render_error(error, "txn_1")
    assert rendered.status == status
    assert rendered.body == {
        "type": "error",
        "error": {"type": kind, "message": error.message},
        "request_id": "txn_1",
    }
    assert rendered.headers["request-id"] == "txn_1"


def test_the_field_at_fault_is_named_to_openai_clients() -> None:
    error = InvalidRequest("m", param="messages[0].content")
    body = openai_chat.DIALECT.render_error(error, "r").body
    assert isinstance(body, dict)
    assert body["error"]["param"] == "messages[0].content"


@pytest.mark.parametrize("render", [openai_chat.DIALECT.render_error, anthropic_messages.DIALECT.render_error])
def test_headers_say_when_to_come_back_and_when_not_to(render: object) -> None:
    assert callable(render)
    assert render(BreakerOpen("m", retry_after=2.1), "r").headers["retry-after"] == "3"
    assert render(BreakerOpen("m", retry_after=-1), "r").headers["retry-after"] == "0"
    assert "retry-after" not in render(BreakerOpen("m", retry_after=float("inf")), "r").headers
    assert "x-should-retry" not in render(BreakerOpen("m"), "r").headers
    assert "x-should-retry" not in render(InvalidRequest("m"), "r").headers
    assert render(InternalError(), "r").headers["x-should-retry"] == "false"
    assert render(RequestTimeout("m"), "r").headers["x-should-retry"] == "false"


def test_what_is_meant_for_logs_is_not_rendered() -> None:
    error = InternalError(detail="secret")
    assert "secret" not in str(openai_chat.DIALECT.render_error(error, "r"))
    assert "secret" not in str(anthropic_messages.DIALECT.render_error(error, "r"))
