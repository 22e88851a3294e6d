"""LiteLLM's names for prices, read into a `Cost`. Pure.

A name says what is priced, and may add from which length of the prompt on, and for which tier of service:
`input_cost_per_token`, `input_cost_per_token_above_200k_tokens`, `output_cost_per_token_flex`,
`cache_read_input_token_cost_above_272k_tokens_priority`. A rate that a tier does not name is that of the tier below it.
"""

import re
from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

from app.prices.cost import Bracket, Cost, Rates

_INPUT, _OUTPUT = "input_cost_per_token", "output_cost_per_token"
_READ, _WRITE = "cache_read_input_token_cost", "cache_creation_input_token_cost"
_WRITE_1H = "cache_creation_input_token_cost_above_1hr"
_REASONING = "output_cost_per_reasoning_token"
_AUDIO_IN, _AUDIO_OUT = "input_cost_per_audio_token", "output_cost_per_audio_token"
_PER_REQUEST = "input_cost_per_request"
_KINDS = (_INPUT, _OUTPUT, _READ, _WRITE, _WRITE_1H, _REASONING, _AUDIO_IN, _AUDIO_OUT)
_SERVICES = ("flex", "priority", "batches", "balanced", "ultrafast")
_NAME = re.compile(
    rf"(?P<kind>{'|'.join(sorted(_KINDS, key=len, reverse=True))})"
    rf"(?:_above_(?P<above>\d+)(?P<thousands>k?)_tokens)?(?:_(?P<service>{'|'.join(_SERVICES)}))?"
)
_TIERS = "tiered_pricing"

_Found = dict[tuple[str, int, str], float]
"""Prices by kind, threshold and tier of service; the standard tier is empty."""


def is_price(name: str) -> bool:
    """Whether a field of LiteLLM's is a price that is read here."""
    return name == _PER_REQUEST or _NAME.fullmatch(name) is not None


def cost_of(fields: Mapping[str, Any]) -> Cost | None:
    """The price that an entry of LiteLLM's table, or of the configuration, gives. None where it has none for tokens;
    fields of other names do not matter, and a price that is no number is none."""
    found = dict(_prices(fields))
    tiers = tuple(_tiers(fields, found)) or tuple(_brackets(found, ""))
    if not tiers:
        return None
    services = {service: tuple(_brackets(found, service)) for service in _SERVICES}
    known = {service: brackets for service, brackets in services.items() if any(key[2] == service for key in found)}
    return Cost(tiers, known, _number(fields.get(_PER_REQUEST)) or 0.0)


def _prices(fields: Mapping[str, Any]) -> Iterator[tuple[tuple[str, int, str], float]]:
    for name, value in fields.items():
        if (match := _NAME.fullmatch(name)) is not None and (price := _number(value)) is not None:
            above = int(match["above"] or 0) * (1000 if match["thousands"] else 1)
            yield (match["kind"], above, match["service"] or ""), price


def _brackets(found: _Found, service: str) -> Iterator[Bracket]:
    """The brackets of a tier of service, none where nothing of it is known."""
    rates: dict[str, float] = {}
    for above in sorted({0, *(key[1] for key in found if key[2] in ("", service))}):
        for kind in _KINDS:
            price = found.get((kind, above, service), found.get((kind, above, "")))
            if price is not None:
                rates[kind] = price
        if _INPUT in rates or _OUTPUT in rates:
            yield Bracket(above, _rates(rates))


def _tiers(fields: Mapping[str, Any], found: _Found) -> Iterator[Bracket]:
    """The brackets of a list of tiers, as Alibaba's models have one."""
    tiers = fields.get(_TIERS)
    output = found.get((_OUTPUT, 0, ""))
    for tier in tiers if isinstance(tiers, list) else ():
        prices = {kind: price for (kind, above, service), price in _prices(tier) if not (above or service)}
        start = tier.get("range", (0,))[0]
        if _INPUT in prices:
            yield Bracket(int(start), _rates({_OUTPUT: output or 0.0, **prices}))


def _rates(prices: Mapping[str, float]) -> Rates:
    given, made = prices.get(_INPUT, 0.0), prices.get(_OUTPUT, 0.0)
    write = prices.get(_WRITE, given)
    return Rates(
        input=given,
        output=made,
        cache_read=prices.get(_READ, given),
        cache_write=write,
        cache_write_1h=prices.get(_WRITE_1H, write),
        reasoning=prices.get(_REASONING, made),
        audio_input=prices.get(_AUDIO_IN, given),
        audio_output=prices.get(_AUDIO_OUT, made),
    )


def _number(value: object) -> float | None:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or value < 0:
        return None
    return float(value)
