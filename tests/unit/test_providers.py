"""The table of providers: whom a model's name means, and what each row has to hold."""

from dataclasses import fields
from typing import Any
from urllib.parse import urlsplit

import pytest

from app.backends.direct import CODECS
from app.backends.direct.endpoint import endpoint_of
from app.providers import DIRECT, OPERATIONS, PROVIDERS, Provider, Quirks, find, row_of, serves
from app.settings import Deployment
from tests.unit.providers_page import PAGE, page


@pytest.mark.parametrize(
    ("model", "params", "prefix", "name"),
    [
        ("groq/openai/gpt-oss-120b", {}, "groq", "openai/gpt-oss-120b"),
        ("openai/gpt-oss-120b", {"custom_llm_provider": "groq"}, "groq", "openai/gpt-oss-120b"),
        ("groq/llama", {"custom_llm_provider": "groq"}, "groq", "llama"),
        ("azure/o_series/d1", {}, "azure", "d1"),
        ("gpt-5", {}, "openai", "gpt-5"),
        ("claude-x", {}, "anthropic", "claude-x"),
        ("gemini-2.5-pro", {}, "vertex_ai", "gemini-2.5-pro"),
        ("unheard-of/x", {}, "unheard-of", "x"),
    ],
)
def test_a_models_name_means_a_provider_and_its_own_name_of_the_model(
    model: str, params: dict[str, Any], prefix: str, name: str
) -> None:
    found = find(model, params)
    assert found is not None
    assert (found.provider.prefix, found.model) == (prefix, name)


def test_a_name_that_begins_like_no_known_one_means_nobody() -> None:
    assert find("something-else", {}) is None


def test_each_provider_has_its_own_variable_for_its_key() -> None:
    assert row_of("groq").key_variable == "GROQ_API_KEY"
    assert row_of("anthropic").key_variable == "ANTHROPIC_API_KEY"
    assert row_of("bedrock").key_variable is None


def test_a_provider_that_only_litellm_knows_has_its_prefix_for_a_name() -> None:
    row = row_of("unheard-of")
    assert (row.backend, row.name, row.key_variable, row.base_url) == ("litellm", "unheard-of", None, None)


def test_no_two_rows_have_a_prefix_or_the_beginning_of_a_bare_name_in_common() -> None:
    starts = [start for row in PROVIDERS.values() for start in row.bare_models]
    assert all(key == row.prefix for key, row in PROVIDERS.items())
    assert [(one, other) for one in starts for other in starts if one != other and one.startswith(other)] == []


def test_what_only_direct_providers_need_stands_in_no_other_row() -> None:
    others = [row for row in PROVIDERS.values() if row.backend not in DIRECT]
    assert [row.prefix for row in others if row.base_url or row.key_variable or row.responses != "none"] == []


def test_what_can_be_asked_for_depends_on_the_provider_and_on_the_way_to_it() -> None:
    assert serves("anthropic", "anthropic", "chat")
    assert not serves("anthropic", "anthropic", "text_completion")
    assert serves("litellm", "anthropic", "text_completion")
    assert not serves("litellm", "anthropic", "embeddings")
    assert serves("litellm", "unheard-of", "embeddings")


def test_each_api_that_is_asked_directly_has_its_codecs() -> None:
    assert CODECS.keys() == DIRECT


def test_each_api_has_a_codec_for_what_it_can_be_asked_for() -> None:
    models = {row.backend: f"{row.prefix}/m" for row in PROVIDERS.values() if row.base_url is not None}
    for backend, make in CODECS.items():
        codecs = make(Deployment(id="d", model_name="m", model=models[backend], provider="p", backend=backend))
        found = {"chat", *(name for name in ("text_completion", "embeddings") if getattr(codecs, name) is not None)}
        assert found == OPERATIONS[backend]


def test_the_page_prints_the_table() -> None:
    assert PAGE.read_text() == page(), "python -m tests.unit.providers_page writes it"


def _quirks(row: Provider) -> list[Quirks]:
    return [row.quirks, *(more for _, more in row.model_quirks), *filter(None, (row.quirks_elsewhere, row.compatible))]


@pytest.mark.parametrize("row", PROVIDERS.values(), ids=lambda row: row.prefix)
def test_each_quirk_has_a_source_and_no_source_stands_without_its_quirk(row: Provider) -> None:
    for quirks in _quirks(row):
        assert set(quirks.sources) == set(quirks.stated())
        assert all(urlsplit(source).scheme == "https" for source in quirks.sources.values())


def test_each_quirk_says_what_the_page_prints_of_it() -> None:
    undescribed = [
        one.name for one in fields(Quirks) if one.name != "sources" and {"text", "why"} - one.metadata.keys()
    ]
    assert undescribed == []


def test_each_quirk_that_a_row_states_stands_on_the_page() -> None:
    lines = [line for line in page().splitlines() if line.count("<https://") == 1]
    assert len(lines) == sum(len(quirks.stated()) for row in PROVIDERS.values() for quirks in _quirks(row))


@pytest.mark.parametrize(
    ("model", "params", "quirks"),
    [
        ("openai/gpt-4o", {}, {"developer", "max_completion_tokens"}),
        ("openai/gpt-4o", {"api_base": "https://eu.api.openai.com/v1"}, {"developer", "max_completion_tokens"}),
        ("openai/gpt-4o", {"api_base": "https://r.openai.azure.com/openai/v1"}, {"developer", "max_completion_tokens"}),
        ("openai/gpt-4o", {"api_base": "https://notapi.openai.com.example/v1"}, set()),
        ("openai/qwen", {"api_base": "http://127.0.0.1:8080/v1"}, set()),
        ("custom_openai/qwen", {"api_base": "http://h/v1"}, set()),
        ("openai/gpt-5", {}, {"developer", "max_completion_tokens", "dropped"}),
        ("openai/gpt-5", {"api_base": "http://h/v1"}, {"max_completion_tokens", "dropped"}),
        ("openai/gpt-5-chat-latest", {"api_base": "http://h/v1"}, set()),
        ("openai/gpt-5.2-mini", {"api_base": "http://h/v1"}, {"max_completion_tokens", "dropped_in_reasoning"}),
        ("azure/o_series/d", {"api_base": "https://h"}, {"developer", "max_completion_tokens", "dropped"}),
        (
            "azure/d",
            {"api_base": "https://h", "base_model": "azure/o3"},
            {"developer", "max_completion_tokens", "dropped"},
        ),
        (
            "azure/d",
            {"api_base": "https://h", "api_version": "2024-10-21"},
            {"max_completion_tokens"},
        ),
        ("azure/d", {"api_base": "https://h", "api_version": "2024-06-01"}, {"stream_options"}),
        ("openai/llama", {"api_base": "https://api.groq.com/openai/v1"}, {"max_completion_tokens", "dropped"}),
        ("openai/gemini-3", {"api_base": "https://generativelanguage.googleapis.com/v1beta/openai/"}, {"dropped"}),
        ("groq/llama", {"api_base": "http://proxy/v1"}, {"max_completion_tokens", "dropped"}),
        ("moonshot/kimi-k2.6", {}, {"text_parts", "temperature", "dropped"}),
    ],
)
def test_what_is_taken_follows_from_address_model_and_version(
    model: str, params: dict[str, Any], quirks: set[str]
) -> None:
    deployment = Deployment(id="d", model_name="m", model=model, provider="p", backend="openai", params=params)
    of_everybody = {"thinking", "metadata_needs_store", "longest_call_id", "custom_tools"}
    assert set(endpoint_of(deployment).quirks.stated()) - of_everybody == quirks


@pytest.mark.parametrize(
    ("model", "params", "has_them"),
    [
        ("openai/gpt-5", {}, True),
        ("azure/d", {"api_base": "https://h"}, True),
        ("openai/gpt-5", {"api_base": "http://h/v1"}, False),
        ("groq/llama", {}, False),
    ],
)
def test_only_openai_and_azure_have_custom_tools(model: str, params: dict[str, Any], has_them: bool) -> None:
    deployment = Deployment(id="d", model_name="m", model=model, provider="p", backend="openai", params=params)
    assert endpoint_of(deployment).quirks.custom_tools is has_them
