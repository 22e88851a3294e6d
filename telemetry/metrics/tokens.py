"""The metrics of tokens and money: by provider, model and deployment, in parts that add up."""

from prometheus_client import CollectorRegistry

from telemetry.metrics.conventions import families_of_parts
from telemetry.metrics.instruments import LeanCounter, counter
from telemetry.metrics.traffic import Labels
from telemetry.names import TOKEN_TYPES
from telemetry.names import metrics as names
from telemetry.tokens import Tokens


class PartCounters:
    """A counter's children for the disjoint parts of tokens. `labels` are the values of those before the part's."""

    def __init__(self, counter: LeanCounter, *labels: str) -> None:
        parts = [counter.labels(*labels, kind) for kind in TOKEN_TYPES]
        self._parts = parts
        self._input, self._cache_read, self._cache_write, self._output, self._reasoning = parts

    @property
    def total(self) -> float:
        """All tokens counted so far."""
        return sum(part.value for part in self._parts)

    def count(self, tokens: Tokens) -> None:
        self._input.cells[0] += tokens.input
        self._output.cells[0] += tokens.output
        if tokens.cache_read or tokens.cache_write or tokens.reasoning:
            self._cache_read.cells[0] += tokens.cache_read
            self._cache_write.cells[0] += tokens.cache_write
            self._reasoning.cells[0] += tokens.reasoning


class TokenChildren:
    """The counters of attempts at one deployment of a model."""

    def __init__(self, metrics: "TokenMetrics", provider: str, model: str, deployment: str) -> None:
        self.parts = PartCounters(metrics.tokens, provider, model, deployment)
        self.uncounted_prompt: LeanCounter = metrics.uncounted.labels(provider, model, "input")
        """Tokens of prompts that are an estimate, and next those of answers."""
        self.uncounted_completion: LeanCounter = metrics.uncounted.labels(provider, model, "output")
        self.cost: LeanCounter = metrics.cost.labels(provider, model)
        """US dollars, of attempts at models with a known price."""
        self.unpriced: LeanCounter = metrics.unpriced.labels(provider, model)
        """Attempts at models without one."""


class TokenMetrics:
    def __init__(self, registry: CollectorRegistry, labels: Labels) -> None:
        self._labels = labels
        self.tokens = counter(names.TOKENS, registry)
        for family in families_of_parts(labels.semconv, self.tokens):
            registry.register(family)
        self.uncounted = counter(names.TOKENS_WITHOUT_USAGE, registry)
        self.cost = counter(names.COST, registry)
        self.unpriced = counter(names.UNPRICED_ATTEMPTS, registry)

    def children(self, provider: str, model: str, deployment: str) -> TokenChildren:
        """Look up the counters of a deployment, all of them there from the first call on. Deployments are known by
        their configured ids."""
        labels = self._labels
        return TokenChildren(self, labels.provider[provider], labels.model[model], deployment)
