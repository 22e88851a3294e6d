"""What a provider, the way to it, or this machine on that way did wrong."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from app.errors.base import GatewayError
from app.upstream_statuses import RATE_LIMITED, Fault, meaning_of
from telemetry.names import AttemptOutcome, LocalFailureKind, Outcome


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


class ProxyFailed(UpstreamUnreachable):
    """The proxy on the way to the provider, which was not asked: it could not be reached, refused to connect there, or
    wants a password."""

    error_type = "upstream_proxy_failed"


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
