"""What can go wrong, by whose fault: client, policy, backend or gateway.

Each error knows the HTTP `status` it becomes before the first byte, a bounded `error_type` for telemetry, the
`outcome` it gives its request, and whether it is `retryable` (by the router on another attempt, and by the caller).
`message` is written for the caller; `detail` goes to spans and logs only. The dialects render errors, nobody else.
"""

from typing import ClassVar

from telemetry.names import Outcome


class GatewayError(Exception):
    """The base; only its leaves are raised. `retry_after` is in seconds."""

    status: int = 500
    error_type: ClassVar[str] = "internal_error"
    outcome: Outcome = "internal_error"
    retryable: bool = False

    def __init__(
        self, message: str, *, detail: str | None = None, param: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.param = param
        self.retry_after = retry_after


class ClientError(GatewayError):
    """The caller sent something that cannot be served."""

    status = 400
    error_type = "invalid_request"
    outcome: Outcome = "client_error"


class InvalidRequest(ClientError):
    """Not JSON, too deep, a wrong type, a field that cannot be translated; `param` names the field."""


class AuthenticationFailed(ClientError):
    status = 401
    error_type = "authentication"


class UnknownModel(ClientError):
    status = 404
    error_type = "unknown_model"


class UnknownResponse(ClientError):
    """Nobody here is known to have made it."""

    status = 404
    error_type = "unknown_response"


class UnknownRoute(ClientError):
    status = 404
    error_type = "unknown_route"


class MethodNotAllowed(ClientError):
    """`allowed` names the methods that are."""

    status = 405
    error_type = "method_not_allowed"

    def __init__(self, message: str, *, allowed: str) -> None:
        super().__init__(message)
        self.allowed = allowed


class RequestTooLarge(ClientError):
    status = 413
    error_type = "request_too_large"


class RequestTimeout(ClientError):
    """The body did not arrive in time."""

    status = 408
    error_type = "request_timeout"
    outcome: Outcome = "timeout"


class ClientDisconnected(ClientError):
    """The caller went away; nobody reads what this renders to (499 is nginx's number for it)."""

    status = 499
    error_type = "client_disconnect"
    outcome: Outcome = "client_disconnect"


class PolicyError(GatewayError):
    """A policy said no, or failed."""


class PolicyBlocked(PolicyError):
    """Raised by a policy on purpose; `message` is what the caller reads."""

    status = 400
    error_type = "policy_blocked"
    outcome: Outcome = "policy_blocked"


class PolicyFailed(PolicyError):
    """A policy with `on_error: fail_closed` raised something else."""

    error_type = "policy_failed"


class PolicyFlooded(PolicyError):
    """A hook emitted more than it may in one call."""

    error_type = "policy_flooded"


class PolicyTimeout(PolicyError):
    status = 504
    error_type = "policy_timeout"
    outcome: Outcome = "timeout"


class BackendError(GatewayError):
    """The provider, or the way to it, failed."""

    status = 502
    error_type = "upstream_error"
    outcome: Outcome = "upstream_error"
    retryable = True


class UpstreamFailed(BackendError):
    """The provider answered with an error, by status or in its stream; `upstream_status` is its HTTP status, if any,
    `code` its own word for what is wrong: clients decide by it what to do (shorten the conversation, give up)."""

    def __init__(
        self,
        message: str,
        *,
        upstream_status: int | None = None,
        detail: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message, detail=detail, param=param, retry_after=retry_after)
        self.upstream_status = upstream_status
        self.code = code
        self.no_route = False
        """The provider has nothing at the address that was asked."""
        if upstream_status in _PASSED_ON:
            self.status = upstream_status
        self.retryable = upstream_status is None or upstream_status in _TRANSIENT or upstream_status >= 500


class UpstreamRejected(UpstreamFailed):
    """The provider found fault with what the caller sent (400, 404, 413, 422): no other attempt would do better."""

    error_type = "upstream_rejected"
    outcome: Outcome = "client_error"


class UpstreamTimeout(BackendError):
    status = 504
    error_type = "upstream_timeout"
    outcome: Outcome = "timeout"


class UpstreamTruncated(BackendError):
    """The stream stopped without its terminal event."""

    error_type = "upstream_truncated"


class UpstreamUnreachable(BackendError):
    """No connection: refused, reset before a byte, name not resolved."""

    error_type = "upstream_unreachable"


_TRANSIENT = frozenset({408, 409, 425, 429})
_PASSED_ON = frozenset({400, 404, 408, 409, 413, 422, 429, 500, 503, 504, 529})
"""Statuses that mean the same to our caller as to us. 401, 402 and 403 do not: they speak of the gateway's key."""


class GatewayFault(GatewayError):
    """The gateway itself cannot serve."""


class QueueOverflow(GatewayFault):
    """A stage could not hand on an item within the put timeout."""

    status = 503
    error_type = "queue_overflow"
    outcome: Outcome = "overflow"
    retryable = True


class BreakerOpen(GatewayFault):
    status = 503
    error_type = "breaker_open"
    outcome: Outcome = "breaker_open"
    retryable = True


class Draining(GatewayFault):
    """The gateway shuts down and this stream did not end in time."""

    status = 503
    error_type = "draining"
    outcome: Outcome = "drained"
    retryable = True


class InternalError(GatewayFault):
    """A defect of the gateway. The caller reads no more than that."""

    def __init__(self, *, detail: str | None = None) -> None:
        super().__init__("The gateway failed to serve this request.", detail=detail)


def cause_of(failure: Exception) -> GatewayError:
    """The one error behind what a task group raised; one that is not ours is a defect of the gateway."""
    if isinstance(failure, GatewayError):
        return failure
    if isinstance(failure, ExceptionGroup):
        causes = [cause_of(error) for error in failure.exceptions]
        return next((cause for cause in causes if isinstance(cause, InternalError)), causes[0])
    error = InternalError(detail=repr(failure))
    error.__cause__ = failure
    return error
