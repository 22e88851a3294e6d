"""Every metric that the gateway feeds, in a registry of its own, gathered by subject.

Children of fixed sets exist from the start, so that `increase()` sees their first event. The exception is
what is counted by model where more than 32 models are configured: there the children of an (api, model, stream), all
outcomes at zero, are made when the first such transaction is described, before any of them moves. Histograms by model
are made at first use. Labels hold configured names or `other`. All calls are thread-safe; none waits.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from platform import python_version
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, ProcessCollector

from telemetry.metrics.admission import AdmissionMetrics
from telemetry.metrics.configuration import ConfigurationMetrics
from telemetry.metrics.delivery import DeliveryMetrics
from telemetry.metrics.deployments import DeploymentChildren, DeploymentMetrics
from telemetry.metrics.flow import BreakerMetrics, PolicyMetrics, QueueMetrics
from telemetry.metrics.instruments import ByKey, LeanCounter, counter, gauge, histogram
from telemetry.metrics.keys import KeyMetrics
from telemetry.metrics.operations import OperationMetrics
from telemetry.metrics.other_requests import OtherRequestMetrics
from telemetry.metrics.pools import PoolMetrics
from telemetry.metrics.prompt_cache import PromptCacheMetrics
from telemetry.metrics.quotas import QuotaMetrics
from telemetry.metrics.recordings import RecordingMetrics
from telemetry.metrics.tokens import TokenChildren, TokenMetrics
from telemetry.metrics.traffic import ClientChildren, ClientMetrics, Labels, ServerMetrics, eager_models
from telemetry.metrics.workers import WorkerMetrics
from telemetry.names import (
    CONNECTION_REFUSALS,
    DROP_REASONS,
    EXPORT_RESULTS,
    EXPORTED,
    OTHER,
    SIGNALS,
    WHERE,
    ConnectionRefusal,
    DropReason,
    ExportResult,
    Signal,
    Where,
)
from telemetry.names import metrics as names
from telemetry.names.resource import VERSION
from telemetry.names.semconv import Semconv


class ExportMetrics:
    """The metrics of telemetry itself: what is queued, sent and lost."""

    def __init__(self, registry: CollectorRegistry) -> None:
        waiting = gauge(names.TELEMETRY_QUEUE, registry)
        capacity = gauge(names.TELEMETRY_CAPACITY, registry)
        dropped = counter(names.TELEMETRY_DROPPED, registry)
        exports = counter(names.TELEMETRY_EXPORTS, registry)
        self.waiting = {signal: waiting.labels(signal) for signal in EXPORTED}
        self.capacity = {signal: capacity.labels(signal) for signal in EXPORTED}
        self._dropped: dict[tuple[Signal, DropReason], Counter] = {
            (signal, reason): dropped.labels(signal, reason) for signal in SIGNALS for reason in DROP_REASONS
        }
        self._exports: dict[tuple[Signal, ExportResult], Counter] = {
            (signal, result): exports.labels(signal, result) for signal in EXPORTED for result in EXPORT_RESULTS
        }

    def dropped(self, signal: Signal, reason: DropReason, count: int = 1) -> None:
        self._dropped[signal, reason].inc(count)

    def exported(self, signal: Signal, result: ExportResult) -> None:
        self._exports[signal, result].inc()


class ConnectionMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        refused = counter(names.CONNECTIONS_REFUSED, registry)
        self.open = gauge(names.CONNECTIONS, registry)
        self.refused: dict[ConnectionRefusal, Counter] = {
            reason: refused.labels(reason) for reason in CONNECTION_REFUSALS
        }
        self._certificate_expiry = gauge(names.CERTIFICATE_EXPIRY, registry)
        self._subject: str | None = None

    def certificate(self, subject: str, expiry: float) -> None:
        """The gateway's port is served with this certificate from now on, which expires then, in Unix time."""
        if self._subject is not None and self._subject != subject:
            with suppress(KeyError):
                self._certificate_expiry.remove(self._subject)
        self._subject = subject
        self._certificate_expiry.labels(subject).set(expiry)


class AttemptChildren(NamedTuple):
    """All metrics that attempts at one deployment move. `operation` is the conventions' name of what they ask for."""

    operation: str
    client: ClientChildren
    tokens: TokenChildren
    deployment: DeploymentChildren


class Metrics:
    """All metrics of a process. `models` are pairs of a configured name and its provider, `semconv` whose names the
    metrics of attempts have."""

    def __init__(
        self,
        registry: CollectorRegistry | None = None,
        *,
        models: Iterable[tuple[str, str]] = (),
        policies: Iterable[str] = (),
        semconv: Semconv = "1.41",
    ) -> None:
        self.registry = registry or CollectorRegistry()
        self.labels = Labels(models, semconv)
        self.server = ServerMetrics(self.registry, self.labels)
        self.client = ClientMetrics(self.registry, self.labels)
        self.tokens = TokenMetrics(self.registry, self.labels)
        self.keys = KeyMetrics(self.registry)
        self.quotas = QuotaMetrics(self.registry)
        self.deployments = DeploymentMetrics(self.registry)
        self.pools = PoolMetrics(self.registry)
        self.delivery = DeliveryMetrics(self.registry, (*eager_models(self.labels), OTHER))
        self.prompt_cache = PromptCacheMetrics(self.registry, self.labels)
        self.admission = AdmissionMetrics(self.registry)
        self.queues = QueueMetrics(self.registry)
        self.policies = PolicyMetrics(self.registry, policies)
        self.breakers = BreakerMetrics(self.registry)
        self.exports = ExportMetrics(self.registry)
        self.connections = ConnectionMetrics(self.registry)
        self.recordings = RecordingMetrics(self.registry)
        self.configuration = ConfigurationMetrics(self.registry)
        self.operations = OperationMetrics(self.registry)
        self.other_requests = OtherRequestMetrics(self.registry)
        self.workers = WorkerMetrics(self.registry)
        stream_seconds = counter(names.STREAM_SECONDS, self.registry)
        self.stream_seconds: dict[Where, LeanCounter] = {where: stream_seconds.labels(where) for where in WHERE}
        self.upstream_chunks = counter(names.UPSTREAM_CHUNKS, self.registry)
        self.client_bytes = counter(names.CLIENT_BYTES, self.registry)
        self.body_bytes = gauge(names.BODY_BYTES, self.registry)
        self.body_limit = gauge(names.BODY_LIMIT, self.registry)
        gauge(names.BUILD_INFO, self.registry).labels(VERSION, python_version()).set(1)
        self.loop_lag = histogram(names.LOOP_LAG, self.registry)
        ProcessCollector(registry=self.registry)
        self.attempts: Mapping[tuple[str, str, str, str], AttemptChildren] = ByKey(self._of_attempts)
        """The metrics of attempts by what they ask for, provider, model and deployment: all but the first are names of
        the configuration, which bounds what is kept."""

    def register(self, models: Iterable[tuple[str, str]], policies: Iterable[str]) -> None:
        """Have the metrics of further models stand at zero, unless they are too many to be scraped, and those of
        policies, which were loaded now."""
        self.labels.learn(models)
        eager = eager_models(self.labels)
        self.server.register(eager)
        self.client.register(eager)
        self.delivery.register(eager)
        if eager:
            for pair in self.labels.providers_of_models:
                self.prompt_cache.register(*pair)
        for policy in policies:
            self.policies.register(policy)

    def forget_deployments(self, others_than: Iterable[str]) -> None:
        """Show no state of breakers and no allowance of deployments that are not configured any more. What was counted
        of them stays: no counter falls."""
        gone = self.deployments.known() - set(others_than)
        for deployment in gone:
            self.breakers.forget(deployment)
            self.deployments.forget_allowances(deployment)

    def deployment(self, deployment: str) -> DeploymentChildren:
        """The metrics of a deployment. From the first call on its counters stand at zero, and so do those of its
        breaker, which bears its id."""
        self.breakers.register(deployment)
        return self.deployments.of(deployment)

    def _of_attempts(self, key: tuple[str, str, str, str]) -> AttemptChildren:
        operation, provider, model, deployment = key
        return AttemptChildren(
            self.labels.operation[operation],
            self.client.children(operation, provider, model, deployment),
            self.tokens.children(provider, model, deployment),
            self.deployment(deployment),
        )
