"""What a transaction's attempts tell of the provider's prompt cache: a miss on the span, as an event, in the metrics
and in the access line.
"""

from telemetry.guard import guarded
from telemetry.metrics.prompt_cache import PromptCacheMetrics
from telemetry.names.events import Event
from telemetry.names.spans import Attribute, Value
from telemetry.prompt_cache import CacheMiss, PromptForm, WatchedPrompt
from telemetry.tokens import Tokens
from telemetry.traces.spans import RecordedSpan
from telemetry.transaction.trace import TransactionTrace


class PromptCacheTelemetry:
    """What one transaction tells of the provider's prompt cache."""

    def __init__(self, metrics: PromptCacheMetrics, trace: TransactionTrace, watched: WatchedPrompt) -> None:
        self.trace = trace
        self.metrics = metrics
        self.miss: CacheMiss | None = None
        """The last one."""
        self._watched = watched

    def attempt(self, deployment: str, provider: str, model: str, at_s: float, span: RecordedSpan) -> "AttemptCache":
        """What tells of one attempt's cache, begun at the clock's time `at_s`."""
        self.metrics.register(provider, model)
        return AttemptCache(self, self._watched, deployment, (provider, model), at_s, span)

    def access_fields(self) -> dict[str, object]:
        """The fields of the access log's line."""
        miss = self.miss
        if miss is None:
            return {}
        return {
            "cache_miss": miss.cause,
            "cache_miss_by": miss.by,
            "cache_miss_block": miss.block,
            "cache_lost_tokens": miss.lost_tokens,
        }


class AttemptCache:
    """The prompt cache as one attempt met it."""

    def __init__(
        self,
        telemetry: PromptCacheTelemetry,
        watched: WatchedPrompt,
        deployment: str,
        labels: tuple[str, str],
        at_s: float,
        span: RecordedSpan,
    ) -> None:
        self.defects = telemetry.trace.defects
        self.miss: CacheMiss | None = None
        self.wire: PromptForm | None = None
        """The prompt's form in the provider's own API, where it is known."""
        self._telemetry = telemetry
        self._watched = watched
        self._deployment = deployment
        self._labels = labels
        self._at_s = at_s
        self._span = span

    @guarded
    def answered(self, tokens: Tokens) -> None:
        """The attempt ends with these tokens; `miss` is the miss, if it was one. What the provider did not count says
        nothing of its cache."""
        if not tokens.uncounted_prompt:
            self.miss = self._watched.answered(self._deployment, self._at_s, tokens, self.wire)

    @guarded
    def missed(self, cost_usd: float | None) -> None:
        """Tell of the miss. `cost_usd` is what it cost beyond the price of reading, None where no price is known."""
        miss, telemetry = self.miss, self._telemetry
        if miss is None:
            return
        telemetry.miss = miss
        telemetry.metrics.missed(*self._labels, miss.cause, miss.lost_tokens)
        attributes: dict[str, Value] = {
            Attribute.CACHE_MISS_CAUSE: miss.cause,
            Attribute.CACHE_MISS_BY: miss.by,
            Attribute.CACHE_MISS_LOST_TOKENS: miss.lost_tokens,
            Attribute.CACHE_READ_RATIO: miss.read_ratio,
        }
        if miss.block is not None:
            attributes[Attribute.CACHE_MISS_BLOCK] = miss.block
        if cost_usd:
            attributes[Attribute.CACHE_MISS_COST] = cost_usd
        self._span.set({**attributes})
        telemetry.trace.event(Event.CACHE_MISSED, attributes)
