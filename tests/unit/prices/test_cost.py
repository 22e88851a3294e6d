"""What an attempt's tokens cost, by prices in LiteLLM's words."""

from typing import Any

import pytest

from app.prices import cost_of, is_price
from telemetry import Tokens

PLAIN = {"input_cost_per_token": 1, "output_cost_per_token": 2}
CACHED = PLAIN | {"cache_read_input_token_cost": 0.5, "cache_creation_input_token_cost": 1.5}
HOUR = CACHED | {"cache_creation_input_token_cost_above_1hr": 3}
LONG = PLAIN | {
    "input_cost_per_token_above_128k_tokens": 10,
    "output_cost_per_token_above_200k_tokens": 20,
    "cache_read_input_token_cost": 0.5,
    "cache_read_input_token_cost_above_200k_tokens": 5,
}
TIERS = LONG | {
    "input_cost_per_token_flex": 0.25,
    "input_cost_per_token_priority": 4,
    "output_cost_per_token_priority": 8,
    "input_cost_per_token_above_200k_tokens_priority": 40,
}
AUDIO = PLAIN | {"input_cost_per_audio_token": 7, "output_cost_per_audio_token": 9}
ALIBABA = {
    "output_cost_per_token": 6,
    "tiered_pricing": [
        {"range": [0, 100], "input_cost_per_token": 1, "output_cost_per_token": 2},
        {"range": [100, 1000], "input_cost_per_token": 3, "cache_read_input_token_cost": 1},
    ],
}


@pytest.mark.parametrize(
    ("prices", "tokens", "extra", "tier", "dollars"),
    [
        (PLAIN, Tokens(10, 0, 0, 5, 0), {}, None, 20),
        (PLAIN, Tokens(3, 4, 3, 2, 3), {}, None, 20),
        (CACHED, Tokens(3, 4, 2, 0, 0), {}, None, 3 + 2 + 3),
        (HOUR, Tokens(0, 0, 10, 0, 0), {"cache_creation": {"ephemeral_1h_input_tokens": 4}}, None, 6 * 1.5 + 4 * 3),
        (HOUR, Tokens(0, 0, 10, 0, 0), {"cache_creation": {"ephemeral_1h_input_tokens": 99}}, None, 30),
        (HOUR, Tokens(0, 0, 10, 0, 0), {"cache_creation": "what?"}, None, 15),
        (PLAIN | {"output_cost_per_reasoning_token": 5}, Tokens(0, 0, 0, 2, 3), {}, None, 4 + 15),
        (PLAIN | {"input_cost_per_request": 100}, Tokens(1, 0, 0, 1, 0), {}, None, 103),
        (LONG, Tokens(128_000, 0, 0, 1, 0), {}, None, 128_002),
        (LONG, Tokens(128_001, 0, 0, 1, 0), {}, None, 1_280_012),
        (LONG, Tokens(0, 200_001, 0, 1, 0), {}, None, 1_000_005 + 20),
        (TIERS, Tokens(4, 0, 0, 1, 0), {}, "default", 6),
        (TIERS, Tokens(4, 0, 0, 1, 0), {}, "flex", 3),
        (TIERS, Tokens(4, 0, 0, 1, 0), {}, "priority", 24),
        (TIERS, Tokens(4, 0, 0, 1, 0), {}, "fast", 24),
        (TIERS, Tokens(200_001, 0, 0, 1, 0), {}, "priority", 200_001 * 40 + 20),
        (TIERS, Tokens(4, 0, 0, 1, 0), {}, "batch", 6),
        (AUDIO, Tokens(10, 0, 0, 4, 0), {"prompt_tokens_details": {"audio_tokens": 2}}, None, 8 + 14 + 8),
        (AUDIO, Tokens(10, 0, 0, 4, 0), {"output_tokens_details": {"audio_tokens": 1}}, None, 10 + 6 + 9),
        (ALIBABA, Tokens(100, 0, 0, 1, 0), {}, None, 102),
        (ALIBABA, Tokens(100, 1, 0, 1, 0), {}, None, 300 + 1 + 6),
        ({"input_cost_per_token": "1e0"}, Tokens(5, 0, 0, 5, 0), {}, None, 5),
    ],
)
def test_each_kind_of_token_has_its_price(
    prices: dict[str, Any], tokens: Tokens, extra: dict[str, Any], tier: str | None, dollars: float
) -> None:
    cost = cost_of(prices)
    assert cost is not None
    assert cost.dollars(tokens, extra, tier) == pytest.approx(dollars)


@pytest.mark.parametrize(
    "prices", [{}, {"cache_read_input_token_cost": 1}, {"input_cost_per_token": None}, {"input_cost_per_token": "x"}]
)
def test_without_a_price_for_request_or_answer_there_is_none(prices: dict[str, Any]) -> None:
    assert cost_of(prices) is None


def test_fields_that_are_no_price_of_tokens_are_not_taken_for_one() -> None:
    names = ("output_cost_per_second", "input_cost_per_token_cache_hit", "search_context_cost_per_query", "api_key")
    assert not any(map(is_price, names))
    assert is_price("cache_creation_input_token_cost_above_1hr_above_200k_tokens")
