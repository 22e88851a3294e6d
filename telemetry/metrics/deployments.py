"""The metrics of deployments: how often each is asked and why, what it answers, and what it may still be asked.

The children of a deployment are looked up once, when it is registered or first asked, and kept; all but those of its
provider's limits stand at zero from then on.
"""

from collections.abc import Mapping
from contextlib import suppress

from prometheus_client import CollectorRegistry

from telemetry.metrics.instruments import LeanCounter, counter, gauge
from telemetry.names import (
    ATTEMPT_OUTCOMES,
    ATTEMPT_REASONS,
    FAILOVER_PHASES,
    LIMIT_KINDS,
    STATUS_CLASSES,
    AttemptOutcome,
    AttemptReason,
    FailoverPhase,
    LimitKind,
    StatusClass,
)
from telemetry.names import metrics as names


class DeploymentChildren:
    """All metrics of one deployment."""

    def __init__(self, metrics: "DeploymentMetrics", deployment: str) -> None:
        self.attempts: dict[AttemptReason, LeanCounter] = {
            reason: metrics.attempts.labels(deployment, reason) for reason in ATTEMPT_REASONS
        }
        self.outcomes: dict[AttemptOutcome, LeanCounter] = {
            outcome: metrics.outcomes.labels(deployment, outcome) for outcome in ATTEMPT_OUTCOMES
        }
        self.failovers: dict[FailoverPhase, LeanCounter] = {
            phase: metrics.failovers.labels(deployment, phase) for phase in FAILOVER_PHASES
        }
        self.responses: dict[StatusClass, LeanCounter] = {
            status_class: metrics.responses.labels(deployment, status_class) for status_class in STATUS_CLASSES
        }
        self.in_flight = metrics.in_flight.labels(deployment)
        self._limit = metrics.limit
        self._remaining = metrics.remaining
        self._deployment = deployment

    def allowance(self, kind: LimitKind, limit: int | None, remaining: int) -> None:
        """Show what a provider says of one of its limits; `limit` is None where it tells only what is left."""
        self._remaining.labels(self._deployment, kind).set(remaining)
        if limit is not None:
            self._limit.labels(self._deployment, kind).set(limit)


class DeploymentMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.attempts = counter(names.ATTEMPTS, registry)
        self.outcomes = counter(names.ATTEMPT_OUTCOMES, registry)
        self.failovers = counter(names.FAILOVERS, registry)
        self.responses = counter(names.UPSTREAM_RESPONSES, registry)
        self.in_flight = gauge(names.ATTEMPTS_IN_FLIGHT, registry)
        self._certificate_expiry = gauge(names.UPSTREAM_CERTIFICATE_EXPIRY, registry)
        self._certified: frozenset[str] = frozenset()
        self.limit = gauge(names.UPSTREAM_LIMIT, registry)
        self.remaining = gauge(names.UPSTREAM_LIMIT_REMAINING, registry)
        self._children: dict[str, DeploymentChildren] = {}

    def known(self) -> set[str]:
        """The deployments whose children were looked up."""
        return set(self._children)

    def forget_allowances(self, deployment: str) -> None:
        """Show no more what a provider said of its limits to a deployment that is gone."""
        for instrument in (self.limit, self.remaining):
            for kind in LIMIT_KINDS:
                with suppress(KeyError):
                    instrument.remove(deployment, kind)

    def show_certificates(self, expiries: Mapping[str, float]) -> None:
        """Show when client certificates expire, in Unix time by deployment, and those of no other deployment."""
        for deployment in self._certified - expiries.keys():
            with suppress(KeyError):
                self._certificate_expiry.remove(deployment)
        for deployment, expiry in expiries.items():
            self._certificate_expiry.labels(deployment).set(expiry)
        self._certified = frozenset(expiries)

    def of(self, deployment: str) -> DeploymentChildren:
        """The children of a deployment, which is an entry of the configuration."""
        found = self._children.get(deployment)
        if found is None:
            found = self._children[deployment] = DeploymentChildren(self, deployment)
        return found


_HUNDREDS: dict[int, StatusClass] = {2: "2xx", 3: "3xx", 4: "4xx", 5: "5xx"}
CLASS_OF_STATUS: dict[int, StatusClass] = {
    **{100 * hundreds + rest: name for hundreds, name in _HUNDREDS.items() for rest in range(100)},
    429: "429",
}
"""The class of each HTTP status that has one; 429 is a class of its own."""
