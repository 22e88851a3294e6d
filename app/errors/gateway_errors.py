"""What policies forbid or fail to do, and what the gateway itself cannot serve."""

from app.errors.base import GatewayError
from telemetry.exceptions import summary_of
from telemetry.names import Outcome


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


class AdmissionRefused(GatewayFault):
    """The deployments that could serve the request have as much to do as they may."""

    status = 503
    outcome: Outcome = "overloaded"
    retryable = True


class AdmissionQueueFull(AdmissionRefused):
    """As many requests wait for the deployments as may."""

    error_type = "admission_queue_full"


class AdmissionTimeout(AdmissionRefused):
    """No deployment had room for the request in time, or none could have had it."""

    error_type = "admission_timeout"


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


class Cancelled(GatewayFault):
    """An operator has ended the request. It is not to be made again by itself."""

    status = 403
    error_type = "cancelled"
    outcome: Outcome = "drained"


class OutOfService(GatewayFault):
    """An operator has taken all deployments of the model out of service."""

    status = 503
    error_type = "out_of_service"
    outcome: Outcome = "breaker_open"
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
