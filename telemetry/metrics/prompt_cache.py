"""The metrics of prompts that were in a provider's cache and were not read from there, by cause."""

from prometheus_client import CollectorRegistry, Counter

from telemetry.metrics.instruments import counter
from telemetry.metrics.traffic import EAGER_MODELS, Labels
from telemetry.names import CACHE_MISS_CAUSES, CacheMissCause
from telemetry.names import metrics as names


class PromptCacheMetrics:
    """Counters of all causes stand at zero from the start; with more models than `EAGER_MODELS`, from the first prompt
    of a model on that is large enough to be cached."""

    def __init__(self, registry: CollectorRegistry, labels: Labels) -> None:
        self._labels = labels
        self._misses = counter(names.CACHE_MISSES, registry)
        self._lost_tokens = counter(names.CACHE_LOST_TOKENS, registry)
        self._children: dict[tuple[str, str], dict[CacheMissCause, tuple[Counter, Counter]]] = {}
        if len(labels.models) <= EAGER_MODELS:
            for provider, model in labels.providers_of_models:
                self.register(provider, model)

    def register(self, provider: str, model: str) -> dict[CacheMissCause, tuple[Counter, Counter]]:
        """The counters of misses and of lost tokens, by cause, all of them there from the first call on."""
        key = (self._labels.provider[provider], self._labels.model[model])
        found = self._children.get(key)
        if found is None:
            found = self._children[key] = {
                cause: (self._misses.labels(*key, cause), self._lost_tokens.labels(*key, cause))
                for cause in CACHE_MISS_CAUSES
            }
        return found

    def missed(self, provider: str, model: str, cause: CacheMissCause, lost_tokens: int) -> None:
        misses, lost = self.register(provider, model)[cause]
        misses.inc()
        lost.inc(lost_tokens)
