"""`model_list`: which entries are taken, as what, and which are refused, with their line and key."""

import time
from typing import Any

import pytest

from app.backends.choice import choose_backend
from app.prices import cost_of
from app.providers import ResponsesApi
from app.settings import Deployment, Seconds
from tests.unit.configuration.reading import MODEL, SECRET, only_deployment, problems, read, warnings


def test_a_deployment_has_what_litellms_entry_says() -> None:
    deployment = only_deployment(
        """
  model_name: gpt
  litellm_params: {model: azure/x, api_key: os.environ/K, api_base: https://a.test, weight: 3, order: 2, timeout: 5m,
    input_cost_per_token: 1e-6, extra_headers: {X-Key: os.environ/K}, temperature: 0.5}
  model_info: {id: 17, output_cost_per_token: 0.000002, cache_read_input_token_cost: 0, team: x}""",
        K=SECRET,
    )
    assert deployment == Deployment(
        id="17",
        model_name="gpt",
        model="azure/x",
        provider="azure.ai.openai",
        backend="openai",
        responses="offered",
        params={
            "api_key": SECRET,
            "api_base": "https://a.test",
            "extra_headers": {"X-Key": SECRET},
            "temperature": 0.5,
        },
        weight=3,
        order=2,
        timeout=Seconds(300),
        cost=cost_of({"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, "cache_read_input_token_cost": 0}),
        cost_source="configuration",
    )


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("openai/gpt-5", "openai"),
        ("anthropic/claude", "anthropic"),
        ("azure/x", "azure.ai.openai"),
        ("bedrock/converse/x", "aws.bedrock"),
        ("vertex_ai/gemini", "gcp.vertex_ai"),
        ("gemini/x", "gcp.gemini"),
        ("mistral/x", "mistral_ai"),
        ("xai/grok", "x_ai"),
        ("groq/x", "groq"),
        ("watsonx/x", "ibm.watsonx.ai"),
        ("hosted_vllm/x", "hosted_vllm"),
        ("gpt-5", "openai"),
        ("claude-sonnet-4-5", "anthropic"),
        ("gemini-2.5-pro", "gcp.vertex_ai"),
        ("text-embedding-ada-002", "openai"),
    ],
)
def test_the_provider_has_its_conventional_name(model: str, provider: str) -> None:
    assert only_deployment(f"{{model_name: m, litellm_params: {{model: {model}, api_key: k}}}}").provider == provider


def test_a_model_for_some_environments_alone_is_told_of() -> None:
    entry = "{model_name: m, litellm_params: {model: simulated/echo}, model_info: {supported_environments: [staging]}}"
    (warning,) = warnings(f"model_list: [{entry}]\n")
    assert "model_list[0].model_info.supported_environments: LiteLLM serves it only where" in warning


def test_custom_llm_provider_names_the_provider() -> None:
    entry = "{model_name: m, litellm_params: {model: a/b, custom_llm_provider: bedrock}}"
    assert only_deployment(entry).provider == "aws.bedrock"


def test_a_model_can_be_sent_through_litellm_by_force() -> None:
    entry = "{model_name: m, backend: litellm, litellm_params: {model: openai/x, api_key: k}}"
    assert only_deployment(entry).backend == "litellm"
    assert problems(MODEL.replace("litellm_params", "backend: direct, litellm_params")) == [
        "f.yaml:1: model_list[0].backend: expected litellm, or nothing: the model's prefix decides"
    ]


@pytest.mark.parametrize(
    ("model", "params", "backend"),
    [
        ("openai/gpt-5", {}, "openai"),
        ("claude-sonnet-4-5", {}, "anthropic"),
        ("azure/d", {"api_base": "https://a"}, "openai"),
        ("azure/d", {}, "litellm"),
        ("azure/d", {"api_base": "https://a", "tenant_id": "t"}, "litellm"),
        ("hosted_vllm/m", {"api_base": "http://h"}, "openai"),
        ("hosted_vllm/m", {}, "litellm"),
        ("ollama/m", {"api_base": "http://h"}, "litellm"),
        ("bedrock/anthropic.claude", {}, "litellm"),
        ("openai/gpt-3.5-turbo-instruct", {}, "litellm"),
        ("openai/gpt-5", {"mock_response": "hi"}, "litellm"),
        ("gemini-2.5-pro", {}, "litellm"),
    ],
)
def test_what_only_litellm_can_reach_is_left_to_it(model: str, params: dict[str, Any], backend: str) -> None:
    assert choose_backend(model, params, {})[0] == backend


def test_a_mode_that_the_gateway_does_not_know_is_left_to_litellm() -> None:
    modes = ("completion", "chat", "embedding")
    found = [choose_backend("openai/gpt-5", {}, {"mode": mode}) for mode in modes]
    assert found == [("litellm", "none"), ("openai", "offered"), ("openai", "offered")]


@pytest.mark.parametrize(
    ("model", "params", "info", "known"),
    [
        ("openai/gpt-5", {}, {}, "offered"),
        ("gpt-5", {}, {}, "offered"),
        ("openai/gpt-5-pro", {}, {}, "only"),
        ("openai/gpt-5.1-codex", {"api_base": "https://h"}, {}, "unknown"),
        ("openai/x", {"api_base": "https://h"}, {}, "unknown"),
        ("openai/responses/x", {"api_base": "https://h"}, {}, "only"),
        ("openai/x", {"api_base": "https://h"}, {"mode": "responses"}, "only"),
        ("openai/gpt-5", {"use_chat_completions_api": True}, {}, "none"),
        ("openai/gpt-5", {}, {"supported_endpoints": ["/v1/chat/completions"]}, "none"),
        ("cerebras/x", {}, {"supported_endpoints": ["/v1/chat/completions", "/v1/responses"]}, "offered"),
        ("cerebras/x", {}, {"supported_endpoints": ["/v1/responses"]}, "only"),
        ("azure/d", {"api_base": "https://a"}, {}, "offered"),
        ("groq/x", {}, {}, "offered"),
        ("cerebras/x", {}, {}, "none"),
    ],
)
def test_who_has_the_api_is_the_deployments_own_word_or_what_is_known_of_its_address(
    model: str, params: dict[str, Any], info: dict[str, Any], known: ResponsesApi
) -> None:
    assert choose_backend(model, params, info) == ("openai", known)


@pytest.mark.parametrize(
    ("params", "info", "expected"),
    [
        ("model: openai/gpt-5", "", "offered"),
        ("model: openai/gpt-5-pro", "", "only"),
        ("model: openai/responses/gpt-5", "", "only"),
        ("model: openai/x, api_base: https://a.test/v1", "", "unknown"),
        ("model: openai/x, api_base: https://a.test/v1", "mode: responses", "only"),
        ("model: openai/x, api_base: https://a.test/v1, use_chat_completions_api: true", "", "none"),
        ("model: openai/gpt-5", "supported_endpoints: [/v1/chat/completions]", "none"),
        ("model: mistral/x", "supported_endpoints: [/v1/chat/completions, /v1/responses]", "offered"),
        ("model: mistral/x", "supported_endpoints: [/v1/responses]", "only"),
        ("model: mistral/x", "", "none"),
        ("model: anthropic/claude", "", "none"),
    ],
)
def test_an_entrys_own_word_on_the_responses_api_wins_over_what_is_known(params: str, info: str, expected: str) -> None:
    entry = f"{{model_name: m, litellm_params: {{{params}, api_key: k}}, model_info: {{{info}}}}}"
    assert only_deployment(entry).responses == expected


def test_what_an_entry_says_of_its_apis_in_vain_is_pointed_out() -> None:
    claude = "{model_name: m, litellm_params: {model: anthropic/claude, api_key: k}, model_info: {mode: responses}}"
    assert warnings(f"model_list: [{claude}]") == [
        "f.yaml:1: model_list[0].model_info.mode: only OpenAI-compatible providers are asked by this API; "
        "it changes nothing"
    ]


def test_deployments_of_one_name_are_numbered_and_ids_stay_unique() -> None:
    entry = "{model_name: a, litellm_params: {model: simulated/echo}, model_info: {id: %s}}"
    entries = ", ".join(entry % name for name in ("null", "'a#2'", "null", "b"))
    text = f"model_list: [{entries}, {{model_name: b, litellm_params: {{model: simulated/echo}}}}]"
    assert [deployment.id for deployment in read(text).settings.deployments] == ["a#1", "a#2", "a#3", "b", "b#1"]


def test_two_deployments_cannot_have_the_same_id() -> None:
    entry = "- {model_name: a, litellm_params: {model: simulated/echo}, model_info: {id: x}}\n"
    assert problems("model_list:\n" + entry + entry) == [
        "f.yaml:3: model_list[1].model_info.id: another deployment has this id"
    ]


def test_drop_params_is_handed_to_litellms_deployments_only() -> None:
    entries = (
        "[{model_name: a, litellm_params: {model: groq/x}}, {model_name: b, litellm_params: {model: simulated/echo}}]"
    )
    settings = read(f"model_list: {entries}\nlitellm_settings: {{drop_params: true}}\n").settings
    assert [deployment.params for deployment in settings.deployments] == [{"drop_params": True}, {}]


def test_a_provider_key_comes_from_the_environment_for_the_providers_own_address_only() -> None:
    default_address = "{model_name: m, litellm_params: {model: openai/gpt-5}}"
    other = "{model_name: m, litellm_params: {model: openai/gpt-5, api_base: http://localhost:1}}"
    assert only_deployment(default_address, OPENAI_API_KEY=SECRET).params == {"api_key": SECRET}
    assert only_deployment(other, OPENAI_API_KEY=SECRET).params == {"api_base": "http://localhost:1"}
    assert warnings(f"model_list: [{default_address}]") == [
        "f.yaml:1: model_list[0].litellm_params: no api_key, and OPENAI_API_KEY is not set"
    ]


def test_azures_address_and_version_come_from_the_environment_too() -> None:
    environ = {"AZURE_API_BASE": "https://a.test", "AZURE_API_VERSION": "2024-06-01", "AZURE_API_KEY": SECRET}
    deployment = only_deployment("{model_name: m, litellm_params: {model: azure/d}}", **environ)
    given = {"api_base": "https://a.test", "api_version": "2024-06-01", "api_key": SECRET}
    assert (deployment.params, deployment.backend) == (given, "openai")
    other = only_deployment("{model_name: m, litellm_params: {model: azure/d, api_base: https://b.test}}", **environ)
    assert other.params == {"api_base": "https://b.test"}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("{model_name: m}", "model_list[0].litellm_params: missing, or not a mapping"),
        ("{litellm_params: {model: simulated/echo}}", "model_list[0].model_name: missing, or not text"),
        ("{model_name: m, litellm_params: {}}", "model_list[0].litellm_params.model: missing, or not text"),
        ("5", "model_list[0]: expected a mapping with model_name and litellm_params"),
        (
            "{model_name: m, litellm_parms: {model: simulated/echo}}",
            "model_list[0].litellm_params: missing, or not a mapping",
        ),
        (
            "{model_name: m, litellm_params: {model: groq/x, weight: -1}}",
            "model_list[0].litellm_params.weight: must not be negative",
        ),
        (
            "{model_name: m, litellm_params: {model: groq/x, order: first}}",
            "model_list[0].litellm_params.order: expected a whole number, not text",
        ),
        (
            "{model_name: m, litellm_params: {model: groq/x}, model_info: {input_cost_per_token: .inf}}",
            "model_list[0].model_info.input_cost_per_token: must not be negative or infinite",
        ),
        (
            "{model_name: m, litellm_params: {model: openai/responses/x, use_chat_completions_api: true}}",
            "model_list[0].litellm_params.use_chat_completions_api: the model is said to have no chat completions",
        ),
        (
            "{model_name: m, litellm_params: {model: groq/x}, model_info: {supported_endpoints: /v1/responses}}",
            "model_list[0].model_info.supported_endpoints: expected a list of paths",
        ),
        (
            "{model_name: m, litellm_params: {model: groq/x}, model_info: 3}",
            "model_list[0].model_info: expected a mapping",
        ),
        (
            "{model_name: m, litellm_params: {model: os.environ/NOPE}}",
            "model_list[0].litellm_params.model: the environment variable NOPE is not set",
        ),
    ],
)
def test_a_faulty_entry_is_refused_by_line_and_key(entry: str, expected: str) -> None:
    assert problems(f"model_list:\n  - {entry}\n") == [f"f.yaml:2: {expected}"]


def test_a_simulated_model_that_says_nonsense_is_refused() -> None:
    (problem,) = problems(MODEL.replace("simulated/echo", "simulated/eccho"))
    assert problem.startswith("f.yaml:1: model_list[0].litellm_params.model: ")
    assert "eccho" in problem


@pytest.mark.parametrize("text", ["", "model_list:", "model_list: {}", "gateway: {}"])
def test_a_file_without_models_is_refused(text: str) -> None:
    (problem,) = problems(text)
    assert "`model_list: []` starts without any" in problem or "expected a mapping with model_list" in problem


def test_a_file_that_says_it_has_no_models_is_read() -> None:
    configuration = read("model_list: []\n")
    assert configuration.settings.deployments == ()
    assert [str(one) for one in configuration.warnings] == [
        "f.yaml:1: model_list: no models: every request for one will be answered with 404"
    ]


def test_a_slip_of_the_pen_in_a_provider_parameter_is_pointed_out() -> None:
    assert warnings("model_list: [{model_name: m, litellm_params: {model: groq/x, api_bsae: y, quirk: z}}]") == [
        "f.yaml:1: model_list[0].litellm_params.api_bsae: handed to the provider as it is; did you mean api_base?"
    ]


def test_the_time_to_load_grows_with_the_number_of_models_and_no_faster() -> None:
    """Five thousand take about a second, and several where coverage is measured: so they are compared with fewer."""
    entry = """\
  - model_name: model-{0}
    litellm_params: {{model: openai/gpt-{0}, api_key: os.environ/K, tags: [a]}}
    model_info: {{id: dep-{0}, input_cost_per_token: 0.000001}}
"""

    def seconds(count: int) -> float:
        text = "model_list:\n" + "".join(entry.format(number) for number in range(count))
        started = time.process_time()
        configuration = read(text, K="k")
        taken = time.process_time() - started
        assert len(configuration.settings.deployments) == count
        return taken

    read(MODEL)
    assert seconds(5000) < 12 * seconds(1000)
