"""A model's price, with every rate resolved beforehand, so that an attempt's cost is a few multiplications. Pure."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from telemetry import Tokens

_SERVICES = {
    "flex": "flex",
    "on_demand_flex": "flex",
    "priority": "priority",
    "on_demand_priority": "priority",
    "fast": "priority",
    "ultrafast": "ultrafast",
    "balanced": "balanced",
    "batch": "batches",
    "batches": "batches",
}
"""Providers' words for the tier of service that a request was given, and the name of its prices. Any other word is the
standard tier: `default`, `standard`, `auto`."""
_INPUT_DETAILS = ("prompt_tokens_details", "input_tokens_details")
_OUTPUT_DETAILS = ("completion_tokens_details", "output_tokens_details")


class Rates(Struct, frozen=True):
    """US dollars per token. What a provider has no price of its own for costs what the kind it belongs to does."""

    input: float
    output: float
    cache_read: float
    cache_write: float
    cache_write_1h: float
    """For what is to stay in the cache for an hour; Anthropic alone."""
    reasoning: float
    audio_input: float
    audio_output: float


class Bracket(Struct, frozen=True):
    """The rates of requests with more than `above` tokens in their prompt: all tokens of such a request, those of its
    answer too."""

    above: int
    rates: Rates


class Cost(Struct, frozen=True):
    """The price of one model."""

    brackets: tuple[Bracket, ...]
    """By ascending `above`, the first one above nothing."""
    services: dict[str, tuple[Bracket, ...]] = {}
    """The brackets of other tiers of service, by LiteLLM's names: `flex`, `priority`."""
    per_request: float = 0.0
    """US dollars for each request, whatever its size."""

    def dollars(self, tokens: Tokens, extra: Mapping[str, Any], service_tier: str | None = None) -> float:
        """What an attempt costs. `extra` is what its provider says in its usage beside the common counts, where audio
        and hours in a cache stand; `service_tier` is its word for the tier that served it."""
        brackets = self.brackets
        if service_tier and self.services:
            brackets = self.services.get(_SERVICES.get(service_tier.lower(), ""), brackets)
        rates = brackets[0].rates
        if len(brackets) > 1:
            prompt = tokens.prompt
            for bracket in brackets[1:]:
                if prompt > bracket.above:
                    rates = bracket.rates
        dollars = (
            tokens.input * rates.input
            + tokens.cache_read * rates.cache_read
            + tokens.cache_write * rates.cache_write
            + tokens.output * rates.output
            + tokens.reasoning * rates.reasoning
            + self.per_request
        )
        return dollars + _surcharge(tokens, rates, extra) if extra else dollars


def _surcharge(tokens: Tokens, rates: Rates, extra: Mapping[str, Any]) -> float:
    """What tokens that have a price of their own cost beyond the kind that they were counted with."""
    dollars = 0.0
    if tokens.cache_write and rates.cache_write_1h != rates.cache_write:
        hour = min(tokens.cache_write, _detail(extra, ("cache_creation",), "ephemeral_1h_input_tokens"))
        dollars += hour * (rates.cache_write_1h - rates.cache_write)
    if rates.audio_input != rates.input:
        audio = min(tokens.input, _detail(extra, _INPUT_DETAILS, "audio_tokens"))
        dollars += audio * (rates.audio_input - rates.input)
    if rates.audio_output != rates.output:
        audio = min(tokens.output, _detail(extra, _OUTPUT_DETAILS, "audio_tokens"))
        dollars += audio * (rates.audio_output - rates.output)
    return dollars


def _detail(extra: Mapping[str, Any], names: tuple[str, ...], count: str) -> int:
    for name in names:
        details = extra.get(name)
        if isinstance(details, dict) and isinstance(found := details.get(count), int):
            return max(0, found)
    return 0
