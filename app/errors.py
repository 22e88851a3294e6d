"""What can go wrong, by whose fault: client, policy, backend or gateway.

Each error knows the HTTP `status` it becomes before the first byte, a bounded `error_type` for telemetry, the
`outcome` it gives its request, and whether it is `retryable` (by the router on another attempt, and by the caller).
`message` is written for the caller; `detail` goes to spans and logs only. The dialects render errors, nobody else.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from app.upstream_statuses import RATE_LIMITED, Fault, meaning_of
from telemetry.exceptions import summary_of
from telemetry.names import AttemptOutcome, AuthFailureReason, LocalFailureKind, Outcome
from telemetry.redact import bounded

_PARAM_LIMIT = 200
_MESSAGE_LIMIT = 1000


def legible(text: str, limit: int = _PARAM_LIMIT) -> str:
    """What a caller sent, to be shown in a message: at most `limit` characters, with no control characters and no lone
    surrogates among them."""
    text = bounded(text, limit)
    if text.isprintable():
        return text
    return bounded("".join(one if one.isprintable() else repr(one)[1:-1] for one in text), limit)


class GatewayError(Exception):
    """The base of all errors here; only its leaves are raised. `retry_after` is in seconds."""

    status: int = 500
    error_type: ClassVar[str] = "internal_error"
    outcome: Outcome = "internal_error"
    retryable: bool = False
    may_quote: ClassVar[bool] = True
    """Whether `message` may repeat words of a caller, a policy or a provider."""
    plain: ClassVar[str] = ""
    """What it means, in words that quote nobody."""

    def __init__(
        self, message: str, *, detail: str | None = None, param: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.param = None if param is None else legible(param)
        self.retry_after = retry_after

    @property
    def recorded(self) -> str | None:
        """What went wrong, in words for spans and logs; None where there are none that quote nobody."""
        return self.detail or self.plain or (None if self.may_quote else self.message)


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


class PolicyError(GatewayError):
    """A policy blocked the transaction, or failed."""


class PolicyBlocked(PolicyError):
    """Raised by a policy on purpose; `message` is what the caller reads."""

    plain = "a policy refused it"
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
    """A hook took longer than it may."""

    status = 504
    error_type = "policy_timeout"
    outcome: Outcome = "timeout"


class BackendError(GatewayError):
    """The provider, or the way to it, failed."""

    may_quote = False
    status = 502
    error_type = "upstream_error"
    outcome: Outcome = "upstream_error"
    retryable = True
    counts_against_deployment = True
    """Whether it says that the deployment is unwell: the deployment's breaker counts it as a failure."""
    attempt_outcome: AttemptOutcome = "error"
    """How the attempt ended that raised it, in the metrics of its deployment."""


class ErrorBody(NamedTuple):
    """An error as the provider itself sent it, with keys blotted out: clients that know its form get it as it is."""

    payload: Mapping[str, Any]
    data: bytes
    """The payload as JSON: the provider's bytes, where nothing had to be blotted out."""
    event: bytes = b""
    """The bytes of the event that carried it in a stream, framing included; empty where `data` is not as it came."""
    status: int | None = None
    """The HTTP status that it came with, unless that is to be kept from clients."""


class UpstreamFailed(BackendError):
    """The provider answered with an error, by status or in its stream; `upstream_status` is its HTTP status, if any,
    `code` its own word for what is wrong: clients decide by it what to do (shorten the conversation, give up)."""

    may_quote = True
    plain = "the provider answered with an error"
    passes_on: frozenset[Fault] = frozenset({"caller", "credentials", "provider"})
    """For whose faults it takes over the provider's status, where its meaning is the same to callers."""

    def __init__(
        self,
        message: str,
        *,
        upstream_status: int | None = None,
        detail: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
        code: str | None = None,
        meant_status: int | None = None,
    ) -> None:
        """`meant_status` is the status that the error's own words stand for, where it came with another one."""
        super().__init__(message, detail=detail, param=param, retry_after=retry_after)
        self.upstream_status = upstream_status
        self.meant_status = meant_status = upstream_status if meant_status is None else meant_status
        self.code = code
        self.body: ErrorBody | None = None
        """Nothing where it is not for clients: an error about the gateway's own key, a page of a proxy."""
        self.limit_headers: Mapping[str, str] = {}
        """What the provider says of its rate limits, under lower-case names."""
        self.no_route = False
        """The provider has nothing at the address that was asked."""
        meaning = meaning_of(meant_status)
        if meant_status is not None and meaning.passed_on and meaning.fault in self.passes_on:
            self.status = meant_status
        self.retryable = meaning.retried and "provider" in self.passes_on
        self.counts_against_deployment = self.counts_against_deployment and meaning.counted
        if self.attempt_outcome == "error" and meant_status == RATE_LIMITED:
            self.attempt_outcome = "rate_limited"
        elif self.attempt_outcome == "error" and meaning.fault == "credentials":
            self.attempt_outcome = "unauthorized"


class UpstreamRejected(UpstreamFailed):
    """The provider found fault with what the caller sent: no other attempt would do better."""

    status = 400
    error_type = "upstream_rejected"
    outcome: Outcome = "client_error"
    attempt_outcome: AttemptOutcome = "refused"
    counts_against_deployment = False
    # By another status clients would try it again, or take their own key for wrong.
    passes_on = frozenset({"caller"})


class ContextOverflow(UpstreamRejected):
    """The conversation is longer than the model takes. Each dialect has its own words for it, by which agents know that
    they have to shorten it."""

    error_type = "context_overflow"


class ContentRefused(UpstreamRejected):
    """The provider will not serve this input: a content filter, moderation."""

    error_type = "content_refused"


class ModelMissing(UpstreamFailed):
    """The provider has no such model for this deployment. Another one may have it."""

    status = 404
    error_type = "model_not_found"
    outcome: Outcome = "client_error"
    attempt_outcome: AttemptOutcome = "refused"
    counts_against_deployment = False
    passes_on = frozenset()


class AccountRejected(UpstreamFailed):
    """The provider refused the organization or project that the request's own headers name. Another deployment, whose
    provider knows no such headers, may still answer."""

    status = 400
    error_type = "upstream_rejected"
    outcome: Outcome = "client_error"
    attempt_outcome: AttemptOutcome = "refused"
    counts_against_deployment = False


class CredentialRejected(UpstreamRejected):
    """The provider refused the credential that the caller sent along for it. That says nothing of the deployment."""

    def __init__(self, message: str, *, upstream_status: int, detail: str | None = None) -> None:
        super().__init__(message, upstream_status=upstream_status, detail=detail)
        self.status = upstream_status
        self.retryable = False


class UpstreamTimeout(BackendError):
    """The provider did not answer, or did not go on, in time."""

    status = 504
    error_type = "upstream_timeout"
    outcome: Outcome = "timeout"
    attempt_outcome: AttemptOutcome = "timeout"


class UpstreamTruncated(BackendError):
    """The stream stopped without its terminal event."""

    error_type = "upstream_truncated"


class UpstreamUnreachable(BackendError):
    """No connection: refused, reset before a byte, name not resolved."""

    error_type = "upstream_unreachable"


class LocalFailure(BackendError):
    """The gateway's own machine was in the way, not the provider: no descriptor, no memory, no answer from the name
    server, no network, or an event loop too late to see an answer in time. No provider is blamed for it."""

    status = 503
    error_type = "local_failure"
    outcome: Outcome = "internal_error"
    attempt_outcome: AttemptOutcome = "local"
    counts_against_deployment = False

    def __init__(self, kind: LocalFailureKind, *, detail: str | None = None) -> None:
        super().__init__("The gateway is short of resources; try again later.", detail=detail, retry_after=1.0)
        self.kind = kind


class GatewayFault(GatewayError):
    """The gateway itself cannot serve."""

    may_quote = False


class QueueOverflow(GatewayFault):
    """A stage could not hand on an item within the put timeout."""

    status = 503
    error_type = "queue_overflow"
    outcome: Outcome = "overflow"
    retryable = True


class Overloaded(GatewayFault):
    """The gateway holds as many bytes of requests, or of work, as it may."""

    status = 503
    error_type = "overloaded"
    outcome: Outcome = "overloaded"
    retryable = True


class BreakerOpen(GatewayFault):
    """A breaker is open, and nothing else could serve the request."""

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


def cause_of(failure: BaseException) -> GatewayError:
    """The one error behind what a task group raised; any that is no GatewayError is a defect of the gateway."""
    if isinstance(failure, GatewayError):
        return failure
    if isinstance(failure, BaseExceptionGroup):
        causes = [cause_of(error) for error in failure.exceptions]
        return next((cause for cause in causes if isinstance(cause, InternalError)), causes[0])
    error = InternalError(detail=summary_of(failure))
    error.__cause__ = failure
    return error
