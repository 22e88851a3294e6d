"""The metrics of queues, policies and breakers."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram

from telemetry.metrics.instruments import Bounded, ByKey, LoopHistogram, counter, gauge, histogram
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
from telemetry.names import metrics as names

Child = TypeVar("Child", Counter, Histogram)


class QueueChildren:
    """All metrics of the queues of one name, looked up once."""

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
        self.residence: LoopHistogram = metrics.residence.labels(queue)
        self.high_water: LoopHistogram = metrics.high_water.labels(queue)


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
        self.children: Mapping[str, QueueChildren] = ByKey(partial(QueueChildren, self))
        for queue in QUEUES:
            self.children[queue]


class _Labelled(Generic[Child]):
    """One policy's children of a metric by its second label, looked up at first use and kept."""

    def __init__(self, metric: Child, policy: str, bounded: Bounded) -> None:
        self._metric: Child = metric
        self._policy = policy
        self._bounded = bounded
        self._children: dict[str, Child] = {}

    def __call__(self, value: str) -> Child:
        label = self._bounded[value]
        found = self._children.get(label)
        if found is None:
            found = self._children[label] = self._metric.labels(self._policy, label)
        return found


class PolicyChildren:
    """All metrics of one policy."""

    def __init__(self, metrics: "PolicyMetrics", policy: str) -> None:
        self.hook_seconds: _Labelled[Histogram] = _Labelled(metrics.hook_seconds, policy, metrics.hook)
        self.held: _Labelled[Histogram] = _Labelled(metrics.hold, policy, metrics.kind)
        self.evaluated: _Labelled[Counter] = _Labelled(metrics.evaluated, policy, metrics.kind)
        self.skipped: _Labelled[Counter] = _Labelled(metrics.skipped, policy, metrics.kind)
        self.timeouts: _Labelled[Counter] = _Labelled(metrics.timeouts, policy, metrics.hook)
        self.failures: _Labelled[Counter] = _Labelled(metrics.failures, policy, metrics.hook)
        self._metrics = metrics
        self._policy = policy
        self._decided: dict[tuple[str, str], Counter] = {}

    def decided(self, hook: str, decision: str) -> None:
        key = (self._metrics.hook[hook], self._metrics.decision[decision])
        found = self._decided.get(key)
        if found is None:
            found = self._decided[key] = self._metrics.decisions.labels(self._policy, *key)
        found.inc()


class PolicyMetrics:
    """The metrics of policies; those of `known` policies stand at zero from the start."""

    def __init__(self, registry: CollectorRegistry, known: Iterable[str]) -> None:
        self.hook_seconds = histogram(names.POLICY_HOOK_SECONDS, registry)
        self.decisions = counter(names.POLICY_DECISIONS, registry)
        self.evaluated = counter(names.POLICY_EVALUATED, registry)
        self.skipped = counter(names.POLICY_SKIPPED, registry)
        self.hold = histogram(names.POLICY_HOLD, registry)
        self.timeouts = counter(names.POLICY_TIMEOUTS, registry)
        self.failures = counter(names.POLICY_FAILURES, registry)
        self._loaded = gauge(names.POLICY_LOADED, registry)
        policies = tuple(dict.fromkeys(known))
        self._policy = Bounded(policies, room=64)
        self.hook = Bounded(HOOKS)
        self.kind = Bounded(KINDS)
        self.decision = Bounded(room=32)
        self._children: dict[str, PolicyChildren] = {}
        for policy in policies:
            self.register(policy)

    def register(self, policy: str) -> None:
        """Note that a policy was loaded, now."""
        self._policy.learn((policy,))
        children = self.of(policy)
        self._loaded.labels(self._policy[policy]).set_to_current_time()
        for kind in KINDS:
            children.evaluated(kind)
            children.skipped(kind)
        for hook in HOOKS:
            children.timeouts(hook)
            children.failures(hook)

    def of(self, policy: str) -> PolicyChildren:
        label = self._policy[policy]
        found = self._children.get(label)
        if found is None:
            found = self._children[label] = PolicyChildren(self, label)
        return found


class BreakerMetrics:
    """The metrics of breakers. A breaker's stand at zero from `register` on, which its first transition or rejection
    calls too."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._state = gauge(names.BREAKER_STATE, registry)
        self._transitions = counter(names.BREAKER_TRANSITIONS_TOTAL, registry)
        self._trips = counter(names.BREAKER_TRIPS, registry)
        self._caller_trips = counter(names.BREAKER_CALLER_TRIPS, registry)
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
            self._caller_trips.labels(breaker, reason)
        for reason in REJECTION_REASONS:
            self._rejections.labels(breaker, reason)

    def forget(self, breaker: str) -> None:
        """Show a breaker that is gone in no state."""
        if self.states.pop(breaker, None) is not None:
            for each in BREAKER_STATES:
                self._state.labels(breaker, each).set(0)

    def transition(self, breaker: str, from_state: str, to_state: str, reason: str) -> None:
        self.register(breaker)
        self._transitions.labels(breaker, from_state, to_state).inc()
        if to_state == "open":
            self._trips.labels(breaker, self._trip_reason[reason]).inc()
        self._enter(breaker, to_state)

    def show(self, states: Mapping[str, str]) -> None:
        """Have the gauge say what state breakers are in, by their names, where time alone has changed it."""
        for breaker, state in states.items():
            if breaker in self.states and self.states[breaker] != state:
                self._enter(breaker, state)

    def caller_kept_out(self, breaker: str, reason: str) -> None:
        self.register(breaker)
        self._caller_trips.labels(breaker, self._trip_reason[reason]).inc()

    def rejected(self, breaker: str, reason: str) -> None:
        self.register(breaker)
        self._rejections.labels(breaker, self._rejection_reason[reason]).inc()

    def _enter(self, breaker: str, state: str) -> None:
        self.states[breaker] = state
        for each in BREAKER_STATES:
            self._state.labels(breaker, each).set(each == state)
