"""The router's way to admission: which deployments are busy, and a slot for the attempt that it wants to make.

Where a deployment is full, others of the same model and order that have room are asked first; where all are, the
request waits for whichever has room first.
"""

from collections.abc import Container, Sequence

from app.admission import Admission, Demand, Slot
from app.backends.deployments import Try
from app.dialects.estimate import estimate_input_tokens
from app.messages import Request
from app.settings import Deployment
from telemetry import ObservabilityContext


def busy(pool: Sequence[Deployment], admission: Admission) -> Container[str]:
    """The ids of those that have as much to do as they may."""
    return [one.id for one in pool if admission.is_busy(one)]


async def slot_of(move: Try, request: Request, until: float, admission: Admission, obs: ObservabilityContext) -> Slot:
    """A slot of the deployment that is to be asked, or of one that would do as well. `until` is when the request may
    wait no more, by the clock of admission. Raises AdmissionRefused."""
    deployments = move.equals or (move.deployment,)
    demand = _demand(deployments, request, until, admission)
    return admission.enter(move.deployment, demand) or await admission.wait(deployments, demand, obs)


def slot_at_once(deployment: Deployment, request: Request, admission: Admission) -> Slot | None:
    """A slot of the deployment, if it has room now and nobody waits for it; None otherwise."""
    return admission.enter(deployment, _demand((deployment,), request, 0.0, admission))


def _demand(deployments: Sequence[Deployment], request: Request, until: float, admission: Admission) -> Demand:
    counts_tokens = any(admission.counts_tokens(one) for one in deployments)
    tokens = estimate_input_tokens(request) if counts_tokens else 0
    return Demand(request.caller, until, request.priority, tokens, request.max_tokens)
