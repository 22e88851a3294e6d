"""What a provider itself says that an answer cost, in its usage. Pure.

It is what the provider bills, with discounts, searches and other tools of its own, so it comes before any list price.

- xAI: ticks, of which a dollar has ten thousand million (https://docs.x.ai/developers/cost-tracking).
- OpenRouter: credits, which are US dollars. With a key of the operator's own at the model's provider, these are
  OpenRouter's fee, and what that provider bills comes on top (https://openrouter.ai/docs/use-cases/usage-accounting).
"""

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

_Usage = Mapping[str, Any]
_TICKS = 10**10


def billed_dollars(provider: str, usage: _Usage) -> float | None:
    """US dollars, by what the provider of this name (`gen_ai.provider.name`) says in its usage; None where it says
    nothing of them."""
    read = _READERS.get(provider)
    return None if read is None else read(usage)


def _xai(usage: _Usage) -> float | None:
    ticks = _amount(usage.get("cost_in_usd_ticks"))
    return None if ticks is None else ticks / _TICKS


def _openrouter(usage: _Usage) -> float | None:
    credits, details = _amount(usage.get("cost")), usage.get("cost_details")
    if credits is None or not usage.get("is_byok"):
        return credits
    upstream = _amount(details.get("upstream_inference_cost")) if isinstance(details, dict) else None
    return None if upstream is None else credits + upstream


def _amount(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if isfinite(value) and value >= 0 else None


_READERS: Mapping[str, Callable[[_Usage], float | None]] = {"openrouter": _openrouter, "x_ai": _xai}
