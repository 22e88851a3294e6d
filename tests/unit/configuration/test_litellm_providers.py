"""Which providers are known: the gateway's and LiteLLM's, and nobody else."""

import importlib
import sys

import pytest

from app.configuration.litellm_providers import NAMES, is_known, provider_of
from app.providers import PROVIDERS
from tests.unit.configuration.reading import only_deployment, problems, warnings

TEXT = "model_list: [{{model_name: m, litellm_params: {{model: {0}}}}}]\n"
AT = "f.yaml:1: model_list[0].litellm_params"


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("opnai/gpt-4o", ".model: neither the gateway nor LiteLLM knows a provider opnai; did you mean openai?"),
        (
            "Anthropic/claude",
            ".model: neither the gateway nor LiteLLM knows a provider Anthropic; did you mean anthropic?",
        ),
        (
            "acme-corp/x",
            ".model: neither the gateway nor LiteLLM knows a provider acme-corp; a server that speaks OpenAI's API is "
            "written openai/MODEL with its api_base",
        ),
        (
            "gpt5/x, custom_llm_provider: opnai",
            ".custom_llm_provider: neither the gateway nor LiteLLM knows a provider opnai",
        ),
        ("llama2", ".model: names no provider, and LiteLLM knows no model of this name"),
        (
            "text-embedding-ada-03",
            ".model: names no provider, and LiteLLM knows no model of this name; did you mean text-",
        ),
        ("auto_router/x", ".model: auto_router is no provider but a router of LiteLLM's proxy"),
    ],
)
def test_a_provider_that_nobody_knows_is_refused(model: str, expected: str) -> None:
    (problem,) = problems(TEXT.format(model))
    assert problem.startswith(AT + expected)


@pytest.mark.parametrize(
    "model",
    [
        "replicate/x",
        "nano-gpt/x",
        "azure_ai/x",
        "simulated/echo",
        "text-embedding-3-large",
        "x, custom_llm_provider: oci",
    ],
)
def test_a_provider_that_litellm_knows_is_no_problem(model: str) -> None:
    assert not any("provider" in warning for warning in warnings(TEXT.format(model)))


def test_a_model_without_a_prefix_has_the_provider_that_litellm_has_for_it() -> None:
    assert only_deployment("{model_name: m, litellm_params: {model: j2-ultra}}").provider == "ai21"
    assert provider_of("no-such-model") is None


def test_the_names_are_those_of_the_installed_litellm() -> None:
    types = importlib.import_module("litellm.types.utils")
    known = {provider.value for provider in types.LlmProviders}
    registry = importlib.import_module("litellm.llms.openai_like.json_loader").JSONProviderRegistry
    known |= set(registry.list_providers())
    assert sorted(NAMES) == sorted(known - {"auto_router"})


def test_the_gateways_own_rows_are_known() -> None:
    assert all(is_known(prefix) for prefix in PROVIDERS)


def test_litellm_is_not_imported_to_know_them() -> None:
    before = "litellm" in sys.modules
    problems(TEXT.format("llama2"))
    assert ("litellm" in sys.modules) == before


@pytest.mark.parametrize("model", ["ft:gpt-3.5-turbo:acme::abc", "ft:gpt-4o-2024-08-06:acme:name:abc", "dall-e-3"])
def test_names_that_litellm_takes_for_openais_by_their_beginning_need_no_prefix(model: str) -> None:
    deployment = only_deployment(f"{{model_name: m, litellm_params: {{model: '{model}', api_key: k}}}}")
    assert (deployment.provider, deployment.backend, deployment.model) == ("openai", "openai", model)
