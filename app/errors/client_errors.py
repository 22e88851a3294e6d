"""What a client asked for and cannot have, or did not wait for."""

from app.errors.base import GatewayError, legible
from telemetry.names import AuthFailureReason, Outcome

_MESSAGE_LIMIT = 1000


class ClientError(GatewayError):
    """The caller sent something that cannot be served. `message` may repeat some of it, within bounds."""

    status = 400
    error_type = "invalid_request"
    outcome: Outcome = "client_error"

    def __init__(self, message: str, *, detail: str | None = None, param: str | None = None) -> None:
        super().__init__(legible(message, _MESSAGE_LIMIT), detail=detail, param=param)


class InvalidRequest(ClientError):
    """The body is no JSON, too deep, has a wrong type or a field that cannot be translated; `param` names the field."""

    plain = "the body is no JSON, or a field of it cannot be served"


class AuthenticationFailed(ClientError):
    """The request has no key, or one that is not known or no longer valid; `reason` says which."""

    may_quote = False
    status = 401
    error_type = "authentication"

    def __init__(self, message: str, *, reason: AuthFailureReason = "unknown") -> None:
        super().__init__(message)
        self.reason: AuthFailureReason = reason


class PermissionDenied(ClientError):
    """The request comes from a place that may not ask, whatever key it has."""

    plain = "it comes from a page or a host that may not ask"
    status = 403
    error_type = "permission"
    reason: AuthFailureReason = "not_local"


class UnknownModel(ClientError):
    """No deployment serves the model that was asked for."""

    plain = "no deployment serves the model"
    status = 404
    error_type = "unknown_model"


class UnknownResponse(ClientError):
    """No deployment is known to have made the response."""

    plain = "nobody is known to have made the response"
    status = 404
    error_type = "unknown_response"


class UnknownRoute(ClientError):
    """The gateway serves nothing under this path."""

    status = 404
    error_type = "unknown_route"


class MethodNotAllowed(ClientError):
    """The path is not served by this method; `allowed` lists those by which it is."""

    status = 405
    error_type = "method_not_allowed"

    def __init__(self, message: str, *, allowed: str) -> None:
        super().__init__(message)
        self.allowed = allowed


class RequestTooLarge(ClientError):
    """The body has more bytes than the gateway accepts."""

    may_quote = False
    status = 413
    error_type = "request_too_large"


class UnsupportedEncoding(ClientError):
    """The body is compressed in a way that the gateway cannot read; `accepted` lists those that it can."""

    status = 415
    error_type = "unsupported_encoding"

    def __init__(self, encoding: str, *, accepted: str) -> None:
        super().__init__(
            f"This content-encoding is not read here: send one of {accepted}, or the body as it is.",
            detail=f"content-encoding {legible(encoding, 80)!r}",
        )
        self.accepted = accepted


class RequestTimeout(ClientError):
    """The body did not arrive in time."""

    may_quote = False
    status = 408
    error_type = "request_timeout"


class ClientDisconnected(ClientError):
    """The caller went away, so that nobody reads this error; 499 is nginx's status for it."""

    may_quote = False
    status = 499
    error_type = "client_disconnect"
    outcome: Outcome = "client_disconnect"
