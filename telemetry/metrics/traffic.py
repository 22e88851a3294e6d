"""The metrics of requests and attempts, by API, model, provider and outcome.

What a transaction or an attempt moves is looked up by name the first time, kept, and moved in place at its end.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from itertools import product

from prometheus_client import CollectorRegistry

from telemetry.metrics.conventions import AttemptInstruments, families
from telemetry.metrics.instruments import (
    Bounded,
    ByKey,
    LeanCounter,
    LoopHistogram,
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
from telemetry.names.semconv import FETCH_RESPONSE, Semconv, operation_name

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
        self.operation = Bounded(OPERATIONS, room=16)
        self.operation[FETCH_RESPONSE] = operation_name(FETCH_RESPONSE, semconv)
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


def eager_models(labels: Labels) -> tuple[str, ...]:
    """The models whose counters stand at zero from the start."""
    return labels.models if len(labels.models) <= EAGER_MODELS else ()


class ServerChildren:
    """The histograms of requests for one (operation, provider, model), all of them labels."""

    def __init__(self, metrics: "ServerMetrics", labels: tuple[str, str, str]) -> None:
        self.duration: Mapping[str, LoopHistogram] = ByKey(lambda error: metrics.duration.labels(*labels, error))
        """By the label of the error's type, which is empty where there was none."""
        self.duration[""]
        self.ttft: LoopHistogram = metrics.ttft.labels(*labels)
        self.per_token: LoopHistogram = metrics.per_token.labels(*labels)


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
        self.overhead: dict[tuple[str, str], LoopHistogram] = {
            pair: overhead.labels(*pair) for pair in product(apis, OVERHEAD_PHASES)
        }
        self.disconnects = {pair: disconnects.labels(*pair) for pair in product(apis, DISCONNECT_PHASES)}
        self.outcomes: Mapping[tuple[str, str, bool], dict[Outcome, LeanCounter]] = ByKey(self._of_outcomes)
        """The counters of every outcome by API, model and whether it is a stream, all of them there from the first look
        on. Keys are labels, here and below."""
        self.children: Mapping[tuple[str, str, str], ServerChildren] = ByKey(partial(ServerChildren, self))
        """The histograms by operation, provider and model."""
        self.register((*eager_models(labels), OTHER))

    def register(self, models: Iterable[str]) -> None:
        """Have the counters of these models stand at zero."""
        for api, model, stream in product((*APIS, OTHER), models, (False, True)):
            self.outcomes[api, model, stream]

    def _of_outcomes(self, key: tuple[str, str, bool]) -> dict[Outcome, LeanCounter]:
        api, model, stream = key
        text = "true" if stream else "false"
        return {outcome: self._requests.labels(api, model, text, outcome) for outcome in OUTCOMES}


class ClientChildren:
    """The histograms of attempts for one (operation, provider, model, deployment)."""

    def __init__(self, metrics: "ClientMetrics", labels: tuple[str, str, str, str]) -> None:
        self.duration: Mapping[str, LoopHistogram] = ByKey(lambda error: metrics.duration.labels(*labels, error))
        """By the label of the error's type, which is empty where there was none."""
        self.duration[""]
        self.first_chunk: LoopHistogram = metrics.first_chunk.labels(*labels)
        self.per_chunk: LoopHistogram = metrics.per_chunk.labels(*labels)
        self.prompt: LoopHistogram = metrics.tokens.labels(*labels, "input")
        self.completion: LoopHistogram = metrics.tokens.labels(*labels, "output")


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
        bounded = (labels.operation[operation], labels.provider[provider], labels.model[model], deployment)
        return ClientChildren(self, bounded)

    def retry_denied(self, model: str) -> None:
        self._retries_denied.labels(self._labels.model[model]).inc()
