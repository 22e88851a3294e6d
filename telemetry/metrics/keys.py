"""The metrics of callers by the names of their keys, which an operator gave; a key itself is never shown."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter

from telemetry.metrics.instruments import LeanCounter, counter, gauge
from telemetry.metrics.tokens import PartCounters
from telemetry.names import (
    AUTH_FAILURE_REASONS,
    NO_KEY,
    OTHER,
    OUTCOMES,
    STREAM_RESULTS,
    AuthFailureReason,
    Outcome,
    StreamResult,
)
from telemetry.names import metrics as names
from telemetry.names.spans import Attribute, Value

EAGER_KEYS = 256
"""Keys up to which counters exist from the start; with more, each gets its own at its first request. A key has
22 series: a thousand keys would take a scrape almost half a second."""


@dataclass(frozen=True)
class KeyIdentity:
    """What telemetry shows of a key. `expires_at` is when its caller has no valid key any more, in Unix time; None for
    never."""

    name: str
    team: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    expires_at: float | None = None

    @cached_property
    def log_fields(self) -> Mapping[str, object]:
        """What a log line has of the key; nothing for a request without one."""
        if self.name == NO_KEY:
            return {}
        fields: dict[str, object] = {"key": self.name}
        if self.team is not None:
            fields["team"] = self.team
        if self.labels:
            fields["key_labels"] = self.labels
        return fields

    @cached_property
    def attributes(self) -> Mapping[str, Value | None]:
        """What a span has of the key; nothing for a request without one."""
        if self.name == NO_KEY:
            return {}
        labels = {Attribute.KEY_LABEL.format(name=name): text for name, text in self.labels.items()}
        return {Attribute.KEY_NAME: self.name, Attribute.KEY_TEAM: self.team, **labels}


class KeyTotals(NamedTuple):
    """What the requests of one key came to. `cost_usd` is that of attempts at models with a known price."""

    requests: float
    tokens: float
    cost_usd: float


class KeyChildren:
    """All counters of one key, looked up once."""

    def __init__(self, metrics: "KeyMetrics", identity: KeyIdentity) -> None:
        labels = (identity.name, identity.team or "")
        self.identity = identity
        self.requests: dict[Outcome, LeanCounter] = {
            outcome: metrics.requests.labels(*labels, outcome) for outcome in OUTCOMES
        }
        self.streams: dict[StreamResult, LeanCounter] = {
            result: metrics.streams.labels(*labels, result) for result in STREAM_RESULTS
        }
        self.tokens = PartCounters(metrics.tokens, *labels)
        self.cost: LeanCounter = metrics.cost.labels(*labels)

    def totals(self) -> KeyTotals:
        """What its requests came to since the start of the process."""
        return KeyTotals(sum(one.value for one in self.requests.values()), self.tokens.total, self.cost.value)


class KeyMetrics:
    """The counters of all keys. For requests without one they stand at zero from the start, for others from `register`
    on."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = counter(names.KEY_REQUESTS, registry)
        self.streams = counter(names.KEY_STREAMS, registry)
        self.tokens = counter(names.KEY_TOKENS, registry)
        self.cost = counter(names.KEY_COST, registry)
        self._expiry = gauge(names.KEY_EXPIRY, registry)
        failures = counter(names.AUTH_FAILURES, registry)
        self.auth_failures: dict[AuthFailureReason, Counter] = {
            reason: failures.labels(reason) for reason in AUTH_FAILURE_REASONS
        }
        self._identities: dict[str, KeyIdentity] = {}
        self._children: dict[str, KeyChildren] = {}
        self.without_key = self._children[NO_KEY] = KeyChildren(self, KeyIdentity(NO_KEY))

    def register(self, identities: Iterable[KeyIdentity]) -> None:
        """Show when keys expire, and have their counters stand at zero, unless they are too many to be scraped. Those
        that are not among them any more are forgotten; what was counted of them stays."""
        before, self._identities = self._identities, {identity.name: identity for identity in identities}
        for identity in before.values():
            if self._identities.get(identity.name) != identity:
                self._children.pop(identity.name, None)
                with suppress(KeyError):
                    self._expiry.remove(identity.name, identity.team or "")
        for identity in self._identities.values():
            if identity.expires_at is not None:
                self._expiry.labels(identity.name, identity.team or "").set(identity.expires_at)
        if len(self._identities) <= EAGER_KEYS:
            for name in self._identities:
                self.of(name)

    def of(self, name: str) -> KeyChildren:
        """The counters of a registered key; of any other they are those of `other`."""
        found = self._children.get(name)
        if found is None:
            identity = self._identities.get(name)
            if identity is None:
                return self._other()
            found = self._children[name] = KeyChildren(self, identity)
        return found

    def totals(self, name: str) -> KeyTotals:
        """What the requests of a key came to since the start of the process."""
        found = self._children.get(name)
        return KeyTotals(0.0, 0.0, 0.0) if found is None else found.totals()

    def _other(self) -> KeyChildren:
        found = self._children.get(OTHER)
        if found is None:
            found = self._children[OTHER] = KeyChildren(self, KeyIdentity(OTHER))
        return found
