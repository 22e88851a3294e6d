"""List prices by provider, model and address, from the table that comes with LiteLLM."""

import math
from importlib.metadata import version
from typing import Any

import msgspec
import pytest

from app.prices import catalogue_name, cost_of, listed_cost
from app.prices.table import PINNED, read_table
from telemetry import Tokens

MILLION = 1_000_000
HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
PRICES = {
    "openai/gpt-4o": (2.5, 1.25, 2.5, 10),
    "openai/gpt-4o-mini": (0.15, 0.075, 0.15, 0.6),
    "openai/gpt-5": (1.25, 0.125, 1.25, 10),
    "openai/o3": (2, 0.5, 2, 8),
    "anthropic/claude-sonnet-4-5": (3, 0.3, 3.75, 15),
    "anthropic/claude-haiku-4-5": (1, 0.1, 1.25, 5),
    "anthropic/claude-opus-4-5": (5, 0.5, 6.25, 25),
    "gemini/gemini-2.5-pro": (1.25, 0.125, 1.25, 10),
    "gemini/gemini-2.5-flash": (0.3, 0.03, 0.3, 2.5),
    "groq/openai/gpt-oss-120b": (0.15, 0.075, 0.15, 0.6),
}
"""US dollars for a million tokens of input, read from a cache, written into one, and of output, of prompts that are not
long: as the providers' own pages have them."""


@pytest.mark.parametrize(("model", "prices"), PRICES.items())
def test_known_models_cost_what_their_providers_say(model: str, prices: tuple[float, ...]) -> None:
    cost = listed_cost(model, {})
    assert cost is not None
    kinds = (Tokens(1, 0, 0, 0, 0), Tokens(0, 1, 0, 0, 0), Tokens(0, 0, 1, 0, 0), Tokens(0, 0, 0, 1, 0))
    found = tuple(cost.dollars(one, {}) * MILLION for one in kinds)
    assert found == pytest.approx(prices)


@pytest.mark.parametrize(
    ("model", "params", "like"),
    [
        ("gpt-4o", {}, "openai/gpt-4o"),
        ("openai/responses/gpt-4o", {}, "openai/gpt-4o"),
        ("openai/gpt-4o-2099-01-01", {}, "openai/gpt-4o"),
        ("anthropic/claude-sonnet-4-5-20990101", {}, "anthropic/claude-sonnet-4-5"),
        ("openai/gpt-4o", {"api_base": "https://api.openai.com/v1"}, "openai/gpt-4o"),
        (
            "openai/openai/gpt-oss-120b",
            {"api_base": "https://api.groq.com/openai/v1"},
            "groq/openai/gpt-oss-120b",
        ),
        ("azure/gpt-4o", {"api_base": "https://x.openai.azure.com"}, "azure/gpt-4o"),
        ("azure/o_series/o3", {"api_base": "https://x.openai.azure.com"}, "azure/o3"),
        (
            "bedrock/converse/us.anthropic.claude-haiku-4-5-20251001-v1:0",
            {},
            "bedrock/us.anthropic.claude-haiku-4-5-20251001-v1:0",
        ),
        ("openai/gpt-oss-120b", {"custom_llm_provider": "groq"}, "groq/openai/gpt-oss-120b"),
    ],
)
def test_other_names_of_a_model_have_its_price(model: str, params: dict[str, Any], like: str) -> None:
    cost = listed_cost(model, params)
    assert cost is not None
    assert cost == listed_cost(like, {})


@pytest.mark.parametrize(
    ("model", "params"),
    [
        ("openai/nobody-knows-it", {}),
        ("nobody-knows-it", {}),
        ("simulated/text", {}),
        ("openai/gpt-4o", {"api_base": "http://10.0.0.7:8000/v1"}),
        ("openai/gpt-4o", {"api_base": "https://llm.example.com/v1"}),
        ("hosted_vllm/gpt-4o", {"api_base": "http://localhost:8000"}),
        ("ollama/llama3", {}),
        ("openai/claude-sonnet-4-5", {}),
        ("anthropic/*", {}),
    ],
)
def test_nobody_lists_a_price_of_a_server_of_ones_own(model: str, params: dict[str, Any]) -> None:
    assert listed_cost(model, params) is None


def test_the_model_behind_a_name_of_ones_own_can_be_said() -> None:
    params = {"api_base": "https://x.openai.azure.com"}
    assert listed_cost("azure/ours", params) is None
    for base_model in ("azure/gpt-4o", "gpt-4o"):
        assert listed_cost("azure/ours", params, base_model) == listed_cost("azure/gpt-4o", {})
    assert listed_cost("openai/ours", {"api_base": "http://10.0.0.7"}, "openai/gpt-4o") == listed_cost("gpt-4o", {})


def test_the_catalogue_says_its_version_and_date() -> None:
    # With another LiteLLM its day of release has to be looked up.
    assert version("litellm") == PINNED[0]
    assert catalogue_name() == f"litellm {PINNED[0]} of {PINNED[1]}"


def test_every_price_of_the_catalogue_is_read() -> None:
    entries = msgspec.json.decode(read_table())
    priced = {name: cost for name, entry in entries.items() if (cost := cost_of(entry)) is not None}
    dollars = [one.dollars(Tokens(1000, 0, 0, 1000, 0), {}, "priority") for one in priced.values()]
    assert all(map(math.isfinite, dollars))
    assert min(dollars) >= 0
    assert {name for name, entry in entries.items() if entry.get("input_cost_per_token")} <= priced.keys()
    assert len(priced) > 3000
