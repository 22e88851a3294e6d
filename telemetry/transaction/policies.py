"""One policy's work on one transaction: its spans, events and metrics."""

from prometheus_client import Histogram

from telemetry.guard import guarded
from telemetry.live.moments import PolicyDecided
from telemetry.metrics.flow import PolicyChildren
from telemetry.names.events import Event
from telemetry.names.spans import Attribute, Span
from telemetry.transaction.trace import SpanScope, TransactionTrace


class PolicyTelemetry:
    """Records what one policy does. Made by `ObservabilityContext.policy`, once per policy and stream."""

    def __init__(self, policy: str, trace: TransactionTrace, children: PolicyChildren) -> None:
        self.defects = trace.defects
        self._policy = policy
        self._trace = trace
        self._children = children
        self._noted: set[tuple[str, str]] = set()
        """What it decided so far, by hook: each of them is a moment once."""

    def hook(self, hook: str) -> SpanScope:
        """The span of one call of `on_request` or `on_response`; streaming hooks have none."""
        attributes = {Attribute.POLICY: self._policy, Attribute.HOOK: hook}
        span = self._trace.child(f"{Span.POLICY} {hook}", dict(attributes))
        return SpanScope(span, self._trace.timeline)

    def timer(self, hook: str) -> Histogram:
        """The histogram of a hook: `observe(seconds)` once per call of the hook."""
        return self._children.hook_seconds(hook)

    @guarded
    def decided(self, hook: str, decision: str) -> None:
        """The policy changed or refused something; `decision` is its word for it."""
        self._children.decided(hook, decision)
        if self._trace.tape is not None:
            self._trace.tape.decided(self._policy, hook, decision)
        attributes = {Attribute.POLICY: self._policy, Attribute.HOOK: hook, Attribute.DECISION: decision}
        self._trace.event(Event.POLICY_DECISION, attributes)
        if (hook, decision) not in self._noted:
            self._noted.add((hook, decision))
            at, id = self._trace.timeline.unix_seconds(), self._trace.transaction_id
            self._trace.moments.add(
                PolicyDecided(at=at, transaction_id=id, policy=self._policy, hook=hook, decision=decision)
            )

    @guarded
    def evaluated(self, kind: str, count: int = 1) -> None:
        """The policy read `count` whole blocks of a kind."""
        self._children.evaluated(kind).inc(count)

    @guarded
    def skipped(self, kind: str, count: int = 1) -> None:
        """Text went on that the policy did not read."""
        self._children.skipped(kind).inc(count)

    @guarded
    def held(self, kind: str, seconds: float) -> None:
        """The policy held text back for so long."""
        self._children.held(kind).observe(seconds, self._trace.exemplar)

    @guarded
    def timed_out(self, hook: str) -> None:
        self._children.timeouts(hook).inc()
        if self._trace.tape is not None:
            self._trace.tape.decided(self._policy, hook, "timed_out")

    @guarded
    def failed(self, hook: str) -> None:
        self._children.failures(hook).inc()
        if self._trace.tape is not None:
            self._trace.tape.decided(self._policy, hook, "failed")

    @guarded
    def blocked(self, hook: str, detail: str | None) -> None:
        """The policy refused the transaction: its end tells of that, and a recording tells which policy it was."""
        if self._trace.tape is not None:
            self._trace.tape.decided(self._policy, hook, "blocked", detail)
