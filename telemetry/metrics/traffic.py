"""The metrics of requests and attempts, by API, model, provider and outcome.

A child is looked up by name once per transaction or attempt, kept, and moved at its end.
"""

from collections.abc import Iterable
from itertools import product

from prometheus_client import CollectorRegistry, Histogram

from telemetry.metrics.conventions import AttemptInstruments, families
from telemetry.metrics.instruments import (
    Bounded,
    BulkHistogram,
    LeanCounter,
    counter,
    gauge,
    histogram,
    unregistered_histogram,
)
from telemetry.names import (
    APIS,
    DISCONNECT_PHASES,
    LOCAL_FAILURE_KINDS,
    OPERATIONS,
    OTHER,
    OUTCOMES,
    OVERHEAD_PHASES,
    Outcome,
)
from telemetry.names import metrics as names
from telemetry.names.semconv import Semconv, operation_name

EAGER_MODELS = 32
"""Models up to which request counters exist from the start; with more, each gets its own at its first transaction."""
EAGER_DEPLOYMENTS = 256
"""Deployments up to which counters exist from the start; with more, each gets its own at its first attempt."""

Exemplar = dict[str, str] | None


class Labels:
    """Bounds the labels of requests and attempts to what is configured, with the conventions' word for operations."""

    def __init__(self, models: Iterable[tuple[str, str]], semconv: Semconv = "1.41") -> None:
        self.semconv = semconv
        self.models: tuple[str, ...] = ()
        self.providers_of_models: tuple[tuple[str, str], ...] = ()
        self.model = Bounded()
        self.provider = Bounded()
        self.learn(models)
        self._operation = Bounded(OPERATIONS, room=16)
        self.error_type = Bounded(("", *OUTCOMES), room=64)
        self.api = Bounded(APIS)

    def learn(self, models: Iterable[tuple[str, str]]) -> None:
        """Let the names of further models and their providers pass; those before stay."""
        configured = tuple(models)
        self.models = tuple(dict.fromkeys((*self.models, *(model for model, _ in configured))))
        self.providers_of_models = tuple(
            dict.fromkeys((*self.providers_of_models, *((provider, model) for model, provider in configured)))
        )
        self.model.learn(model for model, _ in configured)
        self.provider.learn(provider for _, provider in configured)

    def operation(self, name: str) -> str:
        return self._operation(operation_name(name, self.semconv))


def eager_models(labels: Labels) -> tuple[str, ...]:
    """The models whose counters stand at zero from the start."""
    return labels.models if len(labels.models) <= EAGER_MODELS else ()


class ServerChildren:
    """The histograms of requests for one (operation, provider, model)."""

    def __init__(self, metrics: "ServerMetrics", labels: tuple[str, str, str]) -> None:
        self._duration = metrics.duration
        self._labels = labels
        self._ok = metrics.duration.labels(*labels, "")
        self._ttft = metrics.ttft.labels(*labels)
        self._per_token = metrics.per_token.labels(*labels)

    def ended(self, seconds: float, error_type: str, exemplar: Exemplar) -> None:
        child = self._duration.labels(*self._labels, error_type) if error_type else self._ok
        child.observe(seconds, exemplar)

    def first_token(self, seconds: float, exemplar: Exemplar) -> None:
        self._ttft.observe(seconds, exemplar)

    def per_token(self, seconds: float, exemplar: Exemplar) -> None:
        self._per_token.observe(seconds, exemplar)


class ServerMetrics:
    def __init__(self, registry: CollectorRegistry, labels: Labels) -> None:
        self._labels = labels
        self._requests = counter(names.REQUESTS, registry)
        self.duration = histogram(names.SERVER_DURATION, registry)
        self.ttft = histogram(names.SERVER_TTFT, registry)
        self.per_token = histogram(names.SERVER_PER_TOKEN, registry)
        overhead = histogram(names.OVERHEAD, registry)
        in_flight = gauge(names.IN_FLIGHT, registry)
        disconnects = counter(names.DISCONNECTS, registry)
        apis = (*APIS, OTHER)
        self.in_flight = {api: in_flight.labels(api) for api in apis}
        self.overhead: dict[tuple[str, str], Histogram] = {
            pair: overhead.labels(*pair) for pair in product(apis, OVERHEAD_PHASES)
        }
        self.disconnects = {pair: disconnects.labels(*pair) for pair in product(apis, DISCONNECT_PHASES)}
        self._outcomes: dict[tuple[str, str, bool], dict[Outcome, LeanCounter]] = {}
        self._children: dict[tuple[str, str, str], ServerChildren] = {}
        self.register((*eager_models(labels), OTHER))

    def register(self, models: Iterable[str]) -> None:
        """Have the counters of these models stand at zero."""
        for api, model, stream in product((*APIS, OTHER), models, (False, True)):
            self.outcomes(api, model, stream)

    def outcomes(self, api: str, model: str, stream: bool) -> dict[Outcome, LeanCounter]:
        """The counters of every outcome, all of them there from the first call on."""
        found = self._outcomes.get((api, model, stream))
        if found is None:
            key = (self._labels.api(api), self._labels.model(model), stream)
            found = self._outcomes.get(key)
            if found is None:
                text = "true" if stream else "false"
                found = {outcome: self._requests.labels(key[0], key[1], text, outcome) for outcome in OUTCOMES}
                self._outcomes[key] = found
        return found

    def children(self, operation: str, provider: str, model: str) -> ServerChildren:
        found = self._children.get((operation, provider, model))
        if found is None:
            labels = self._labels
            key = (labels.operation(operation), labels.provider(provider), labels.model(model))
            found = self._children[key] = self._children.get(key) or ServerChildren(self, key)
        return found


class ClientChildren:
    """The histograms of attempts for one (operation, provider, model, deployment)."""

    def __init__(self, metrics: "ClientMetrics", labels: tuple[str, str, str, str]) -> None:
        self._metrics = metrics
        self._labels = labels
        self._first_chunk = metrics.first_chunk.labels(*labels)
        self.per_chunk: BulkHistogram = metrics.per_chunk.labels(*labels)
        self._ok = metrics.duration.labels(*labels, "")
        self._prompt = metrics.tokens.labels(*labels, "input")
        self._completion = metrics.tokens.labels(*labels, "output")

    def ended(self, seconds: float, error_type: str, exemplar: Exemplar) -> None:
        child = self._metrics.duration.labels(*self._labels, error_type) if error_type else self._ok
        child.observe(seconds, exemplar)

    def first_chunk(self, seconds: float, exemplar: Exemplar) -> None:
        self._first_chunk.observe(seconds, exemplar)

    def tokens(self, prompt: int, completion: int) -> None:
        self._prompt.observe(prompt)
        self._completion.observe(completion)


class ClientMetrics:
    def __init__(self, registry: CollectorRegistry, labels: Labels) -> None:
        self._labels = labels
        self.duration = unregistered_histogram(names.CLIENT_DURATION, registry)
        self.first_chunk = unregistered_histogram(names.CLIENT_TTFC, registry)
        self.per_chunk = unregistered_histogram(names.CLIENT_PER_CHUNK, registry)
        self.tokens = unregistered_histogram(names.TOKEN_USAGE, registry)
        counted = AttemptInstruments(self.duration, self.first_chunk, self.per_chunk, self.tokens)
        for family in families(labels.semconv, counted):
            registry.register(family)
        self._retries_denied = counter(names.RETRIES_DENIED, registry)
        self.register((*eager_models(labels), OTHER))
        local_failures = counter(names.LOCAL_FAILURES, registry)
        self.local_failures = {kind: local_failures.labels(kind) for kind in LOCAL_FAILURE_KINDS}

    def register(self, models: Iterable[str]) -> None:
        """Have the counters of these models stand at zero."""
        for model in models:
            self._retries_denied.labels(model)

    def children(self, operation: str, provider: str, model: str, deployment: str) -> ClientChildren:
        """Look up the histograms. `deployment` is the id of an entry of the configuration, which bounds it."""
        labels = self._labels
        bounded = (labels.operation(operation), labels.provider(provider), labels.model(model), deployment)
        return ClientChildren(self, bounded)

    def retry_denied(self, model: str) -> None:
        self._retries_denied.labels(self._labels.model(model)).inc()
