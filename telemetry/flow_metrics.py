"""Queues, policies and breakers as metrics: what happens between a request's coming and its answer's going."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram

from telemetry import names
from telemetry.instruments import Bounded, counter, gauge, histogram
from telemetry.names import (
    BREAKER_STATES,
    BREAKER_TRANSITIONS,
    HOOKS,
    KINDS,
    OTHER,
    QUEUES,
    REJECTION_REASONS,
    TRIP_REASONS,
)


class QueueChildren:
    """Everything about the queues of one name."""

    def __init__(self, metrics: "QueueMetrics", queue: str) -> None:
        self.depth = metrics.depth.labels(queue)
        self.bytes = metrics.bytes.labels(queue)
        self.peak = metrics.peak.labels(queue)
        self.capacity = metrics.capacity.labels(queue)
        self.enqueued = metrics.enqueued.labels(queue)
        self.dequeued = metrics.dequeued.labels(queue)
        self.discarded = metrics.discarded.labels(queue)
        self.overflows = metrics.overflows.labels(queue)
        self.put_blocked = metrics.put_blocked.labels(queue)
        self.residence = metrics.residence.labels(queue)
        self.high_water = metrics.high_water.labels(queue)


class QueueMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.depth = gauge(names.QUEUE_DEPTH, registry)
        self.bytes = gauge(names.QUEUE_BYTES, registry)
        self.peak = gauge(names.QUEUE_DEPTH_PEAK, registry)
        self.capacity = gauge(names.QUEUE_CAPACITY, registry)
        self.enqueued = counter(names.QUEUE_ENQUEUED, registry)
        self.dequeued = counter(names.QUEUE_DEQUEUED, registry)
        self.discarded = counter(names.QUEUE_DISCARDED, registry)
        self.overflows = counter(names.QUEUE_OVERFLOWS, registry)
        self.put_blocked = counter(names.QUEUE_PUT_BLOCKED, registry)
        self.residence = histogram(names.QUEUE_RESIDENCE, registry)
        self.high_water = histogram(names.QUEUE_HIGH_WATER, registry)
        self.children = {queue: QueueChildren(self, queue) for queue in QUEUES}

    def of(self, queue: str) -> QueueChildren:
        found = self.children.get(queue)
        if found is None:
            found = self.children[queue] = QueueChildren(self, queue)
        return found


class PolicyMetrics:
    """`known` policies have their counters from the start."""

    def __init__(self, registry: CollectorRegistry, known: Iterable[str]) -> None:
        self._hook_seconds = histogram(names.POLICY_HOOK_SECONDS, registry)
        self._decisions = counter(names.POLICY_DECISIONS, registry)
        self._evaluated = counter(names.POLICY_EVALUATED, registry)
        self._skipped = counter(names.POLICY_SKIPPED, registry)
        self._hold = histogram(names.POLICY_HOLD, registry)
        self._timeouts = counter(names.POLICY_TIMEOUTS, registry)
        self._failures = counter(names.POLICY_FAILURES, registry)
        self._loaded = gauge(names.POLICY_LOADED, registry)
        policies = tuple(dict.fromkeys(known))
        self._policy = Bounded(policies, room=64)
        self._hook = Bounded(HOOKS)
        self._kind = Bounded(KINDS)
        self._decision = Bounded(room=32)
        self._decided: dict[tuple[str, str, str], Counter] = {}
        for policy in policies:
            self.register(policy)

    def register(self, policy: str) -> None:
        """Called where a policy is loaded, or loaded anew."""
        policy = self._policy(policy)
        self._loaded.labels(policy).set_to_current_time()
        for kind in KINDS:
            self._evaluated.labels(policy, kind)
            self._skipped.labels(policy, kind)
        for hook in HOOKS:
            self._timeouts.labels(policy, hook)
            self._failures.labels(policy, hook)

    def hook_seconds(self, policy: str, hook: str) -> Histogram:
        return self._hook_seconds.labels(self._policy(policy), self._hook(hook))

    def decided(self, policy: str, hook: str, decision: str) -> None:
        key = (self._policy(policy), self._hook(hook), self._decision(decision))
        found = self._decided.get(key)
        if found is None:
            found = self._decided[key] = self._decisions.labels(*key)
        found.inc()

    def evaluated(self, policy: str, kind: str, count: int) -> None:
        self._evaluated.labels(self._policy(policy), self._kind(kind)).inc(count)

    def skipped(self, policy: str, kind: str, count: int) -> None:
        self._skipped.labels(self._policy(policy), self._kind(kind)).inc(count)

    def held(self, policy: str, kind: str, seconds: float, exemplar: dict[str, str] | None) -> None:
        self._hold.labels(self._policy(policy), self._kind(kind)).observe(seconds, exemplar)

    def timed_out(self, policy: str, hook: str) -> None:
        self._timeouts.labels(self._policy(policy), self._hook(hook)).inc()

    def failed(self, policy: str, hook: str) -> None:
        self._failures.labels(self._policy(policy), self._hook(hook)).inc()


class BreakerMetrics:
    """A breaker's children are all there once it is registered, which its first transition or rejection does too."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._state = gauge(names.BREAKER_STATE, registry)
        self._transitions = counter(names.BREAKER_TRANSITIONS_TOTAL, registry)
        self._trips = counter(names.BREAKER_TRIPS, registry)
        self._rejections = counter(names.BREAKER_REJECTIONS, registry)
        self._trip_reason = Bounded(TRIP_REASONS)
        self._rejection_reason = Bounded(REJECTION_REASONS)
        self.states: dict[str, str] = {}

    def register(self, breaker: str) -> None:
        if breaker in self.states:
            return
        self._enter(breaker, BREAKER_STATES[0])
        for from_state, to_state in BREAKER_TRANSITIONS:
            self._transitions.labels(breaker, from_state, to_state)
        for reason in (*TRIP_REASONS, OTHER):
            self._trips.labels(breaker, reason)
        for reason in REJECTION_REASONS:
            self._rejections.labels(breaker, reason)

    def transition(self, breaker: str, from_state: str, to_state: str, reason: str) -> None:
        self.register(breaker)
        self._transitions.labels(breaker, from_state, to_state).inc()
        if to_state == "open":
            self._trips.labels(breaker, self._trip_reason(reason)).inc()
        self._enter(breaker, to_state)

    def rejected(self, breaker: str, reason: str) -> None:
        self.register(breaker)
        self._rejections.labels(breaker, self._rejection_reason(reason)).inc()

    def _enter(self, breaker: str, state: str) -> None:
        self.states[breaker] = state
        for each in BREAKER_STATES:
            self._state.labels(breaker, each).set(each == state)
