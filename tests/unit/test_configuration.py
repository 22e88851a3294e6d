"""YAML to settings: what is taken, what is refused, and with which line and key."""

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.configuration import (
    Configuration,
    ConfigurationRefused,
    Problem,
    UnsafeBind,
    check_bind,
    grouped,
    load,
    parse,
)
from app.configuration.document import plain
from app.policies.loading import BUILTIN
from app.settings import ByteSize, Cost, Deployment, PolicySpec, Seconds, ServerSettings, Settings

EXAMPLES = Path(__file__).parents[2] / "examples"
MODEL = "model_list: [{model_name: m, litellm_params: {model: simulated/echo}}]\n"
SECRET = "sk-never-to-be-printed-0123456789"


def read(text: str, **environ: str) -> Configuration:
    return parse(text, "f.yaml", environ)


def problems(text: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigurationRefused) as refused:
        read(text, **environ)
    return [str(problem) for problem in refused.value.problems]


def warnings(text: str, **environ: str) -> list[str]:
    return [str(warning) for warning in read(text, **environ).warnings]


def only_deployment(entry: str, **environ: str) -> Deployment:
    (deployment,) = read(f"model_list:\n- {entry}\n", **environ).settings.deployments
    return deployment


def test_the_smallest_file_gives_the_defaults() -> None:
    settings = read(MODEL).settings
    assert settings == Settings(
        deployments=(
            Deployment(id="m", model_name="m", model="simulated/echo", provider="simulated", backend="simulated"),
        )
    )


def test_every_section_arrives_in_the_settings() -> None:
    settings = read(
        MODEL
        + """
general_settings: {master_key: os.environ/KEY}
litellm_settings: {request_timeout: 20, num_retries: 1, fallbacks: [{m: [m2]}]}
gateway:
  keys: [second]
  policies: [noop, {use: redact, config: {patterns: [email]}, on_error: fail_open}]
  server: {host: 0.0.0.0, port: 1, metrics_port: 0, body_limit: 1MiB}
  pipeline: {queue_items: 7, queue_bytes: 64KiB, put_timeout: 500ms, keepalive_interval: 0, on_disconnect: finish}
  breakers: {queue: {threshold: 1, window: 2m}, upstream: {failure_rate: 1}}
  router: {max_retry_after: 1s}
  telemetry: {boundary_events: both, capture_content: span, log_level: debug}
""".replace("m2", "m"),
        KEY=SECRET,
    ).settings
    assert settings.keys == (SECRET, "second")
    assert settings.policies == (PolicySpec("noop"), PolicySpec("redact", {"patterns": ["email"]}, "fail_open"))
    assert (settings.server.host, settings.server.port, settings.server.metrics_port) == ("0.0.0.0", 1, 0)
    assert settings.server.body_limit == 1024**2
    pipeline = settings.pipeline
    assert (pipeline.queue_items, pipeline.queue_bytes, pipeline.put_timeout) == (7, ByteSize(65536), Seconds(0.5))
    assert (pipeline.keepalive_interval, pipeline.on_disconnect) == (Seconds(0), "finish")
    assert (settings.breakers.queue.window, settings.breakers.upstream.failure_rate) == (Seconds(120), 1.0)
    router = settings.router
    assert (router.request_timeout, router.num_retries, router.fallbacks) == (Seconds(20), 1, {"m": ("m",)})
    assert router.max_retry_after == Seconds(1)
    assert (settings.telemetry.boundary_events, settings.telemetry.log_level) == ("both", "debug")


def test_an_empty_section_is_no_section() -> None:
    assert read(MODEL + "gateway:\n  pipeline:\nlitellm_settings:\n").settings == read(MODEL).settings


# Models


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
        cost=Cost(input=1e-6, output=2e-6, cache_read=0),
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
        ("something-else", "unknown"),
    ],
)
def test_the_provider_has_its_conventional_name(model: str, provider: str) -> None:
    assert only_deployment(f"{{model_name: m, litellm_params: {{model: {model}, api_key: k}}}}").provider == provider


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
    own = "{model_name: m, litellm_params: {model: openai/gpt-5}}"
    other = "{model_name: m, litellm_params: {model: openai/gpt-5, api_base: http://localhost:1}}"
    assert only_deployment(own, OPENAI_API_KEY=SECRET).params == {"api_key": SECRET}
    assert only_deployment(other, OPENAI_API_KEY=SECRET).params == {"api_base": "http://localhost:1"}
    assert warnings(f"model_list: [{own}]") == [
        "f.yaml:1: model_list[0].litellm_params: no api_key, and OPENAI_API_KEY is not set"
    ]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("{model_name: m}", "model_list[0].litellm_params: missing, or not a mapping"),
        ("{litellm_params: {model: simulated/echo}}", "model_list[0].model_name: missing, or not text"),
        ("{model_name: m, litellm_params: {}}", "model_list[0].litellm_params.model: missing, or not text"),
        ("5", "model_list[0]: expected a mapping with model_name and litellm_params"),
        (
            "{model_name: m, model_inf: {}, litellm_params: {model: simulated/echo}}",
            "model_list[0].model_inf: unknown key; did you mean model_info?",
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


@pytest.mark.parametrize("text", ["", "model_list:", "model_list: []", "model_list: {}", "gateway: {}"])
def test_a_file_without_models_is_refused(text: str) -> None:
    assert len(problems(text)) == 1


# LiteLLM's keys


def test_what_litellm_knows_and_flowspan_does_not_support_is_only_named() -> None:
    text = """\
model_list:
  - {model_name: m, rpm: 5, litellm_params: {model: groq/x, tpm: 7, output_cost_per_second: 1},
     model_info: {mode: image_generation}}
guardrails: [x]
general_settings: {database_url: os.environ/NOT_SET}
litellm_settings: {callbacks: [x], cache: true}
router_settings: {routing_strategy: latency-based-routing, allowed_fails: 3}
"""
    nothing = "LiteLLM's, not supported here; it changes nothing"
    assert warnings(text) == [
        "f.yaml:4: guardrails: LiteLLM's, not supported here; use gateway.policies",
        "f.yaml:7: router_settings.allowed_fails: LiteLLM's, not supported here; "
        "use gateway.breakers.upstream.threshold",
        "f.yaml:7: router_settings.routing_strategy: not supported here: deployments are chosen by order and weight "
        "(simple-shuffle)",
        f"f.yaml:5: general_settings.database_url: {nothing}",
        "f.yaml:6: litellm_settings.callbacks: LiteLLM's, not supported here; "
        "use the gateway's own traces and metrics, or gateway.policies",
        f"f.yaml:6: litellm_settings.cache: {nothing}",
        f"f.yaml:2: model_list[0].rpm: {nothing}",
        "f.yaml:3: model_list[0].model_info.mode: only chat, completion, embedding and responses are served here",
        f"f.yaml:2: model_list[0].litellm_params.tpm: {nothing}",
        f"f.yaml:2: model_list[0].litellm_params.output_cost_per_second: {nothing}",
    ]


def test_a_slip_of_the_pen_in_a_provider_parameter_is_pointed_out() -> None:
    assert warnings("model_list: [{model_name: m, litellm_params: {model: groq/x, api_bsae: y, quirk: z}}]") == [
        "f.yaml:1: model_list[0].litellm_params.api_bsae: handed to the provider as it is; did you mean api_base?"
    ]


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("gatewya: {}", "gatewya: unknown section; did you mean gateway?"),
        ("litellm_settings: {drop_parms: 1}", "litellm_settings.drop_parms: unknown key; did you mean drop_params?"),
        ("general_settings: {xyz: 1}", "general_settings.xyz: unknown key"),
        ("general_settings: []", "general_settings: expected a mapping"),
        (
            "router_settings: {cooldwon_time: 1}",
            "router_settings.cooldwon_time: unknown key; did you mean cooldown_time?",
        ),
        ("gateway: {pipelin: {}}", "gateway.pipelin: unknown option; did you mean pipeline?"),
        ("gateway: 3", "gateway: expected a mapping, not a number"),
    ],
)
def test_an_unknown_key_is_a_typing_error(section: str, expected: str) -> None:
    assert problems(MODEL + section) == [f"f.yaml:2: {expected}"]


def test_router_settings_win_over_litellm_settings() -> None:
    router = read(
        MODEL
        + "litellm_settings: {request_timeout: 9, num_retries: 4}\nrouter_settings: {timeout: 7, num_retries: 0}\n"
    ).settings.router
    assert (router.request_timeout, router.num_retries) == (Seconds(7), 0)


def test_default_fallbacks_stand_for_every_model_without_its_own() -> None:
    entries = ", ".join(f"{{model_name: {name}, litellm_params: {{model: simulated/echo}}}}" for name in "abc")
    for section in ("default_fallbacks: [c], fallbacks: [{a: [b]}]", "fallbacks: [{a: [b]}, {'*': [c]}]"):
        router = read(f"model_list: [{entries}]\nlitellm_settings: {{{section}}}\n").settings.router
        assert router.fallbacks == {"a": ("b",), "b": ("c",)}


def test_fallbacks_lead_to_known_models_only() -> None:
    text = (
        MODEL.replace("model_name: m", "model_name: model")
        + "litellm_settings:\n  fallbacks:\n  - {model: [modle, x]}\n"
    )
    assert problems(text + "  - {y: [model]}\n  - {model: []}\n") == [
        "f.yaml:4: litellm_settings.fallbacks[0].model[0]: no model modle in model_list; did you mean model?",
        "f.yaml:4: litellm_settings.fallbacks[0].model[1]: no model x in model_list",
        "f.yaml:5: litellm_settings.fallbacks[1].y: no model y in model_list",
        "f.yaml:6: litellm_settings.fallbacks[2].model: has fallbacks already",
    ]


# Values


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("put_timeout: 5 minutes", "put_timeout: expected a duration such as 30, 30s, 500ms, 2m or 1h"),
        ("put_timeout: -1", "put_timeout: expected a duration such as 30, 30s, 500ms, 2m or 1h"),
        ("put_timeout: true", "put_timeout: expected a duration such as 30, 30s, 500ms, 2m or 1h"),
        ("policy_timeout: 0", "policy_timeout: must be more than 0"),
        ("queue_bytes: 8MB!", "queue_bytes: expected a size such as 1024, 64KiB, 8MiB or 1GiB, more than 0"),
        ("queue_bytes: 0", "queue_bytes: expected a size such as 1024, 64KiB, 8MiB or 1GiB, more than 0"),
        ("queue_items: 0", "queue_items: expected a whole number >= 1"),
        ("queue_items: 1.5", "queue_items: expected a whole number, not a number"),
        ("queue_items: [1]", "queue_items: expected a whole number, not a list"),
        ("on_disconnect: stop", "on_disconnect: expected one of cancel, finish"),
    ],
)
def test_a_bad_value_is_refused_by_line_and_key(option: str, expected: str) -> None:
    text = f"{MODEL}gateway:\n  pipeline:\n    {option}\n"
    assert problems(text) == [f"f.yaml:4: gateway.pipeline.{expected}"]


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("30", 30), ("30s", 30), ("500ms", 0.5), ("2m", 120), ("1h", 3600), ("1.5s", 1.5), ("0.5", 0.5)],
)
def test_durations(written: str, seconds: float) -> None:
    settings = read(f"{MODEL}gateway: {{pipeline: {{put_timeout: {written}}}}}").settings
    assert settings.pipeline.put_timeout == seconds


@pytest.mark.parametrize(
    ("written", "size"),
    [("1024", 1024), ("64KiB", 65536), ("1 MiB", 2**20), ("1GiB", 2**30), ("5MB", 5_000_000), ("7B", 7)],
)
def test_sizes(written: str, size: int) -> None:
    assert read(f"{MODEL}gateway: {{pipeline: {{queue_bytes: {written}}}}}").settings.pipeline.queue_bytes == size


def test_all_problems_are_found_at_once_in_the_order_of_the_file() -> None:
    text = """\
model_list:
  - {model_name: m, litellm_params: {model: groq/x, api_key: os.environ/NOPE}}
  - {model_name: n}
gateway:
  telemetry: {boundary_events: spam}
  policies:
    - use: redct
    - use: redact
      config: {patterns: [email, telephone]}
  server: {port: 70000}
typo: 1
"""
    assert problems(text) == [
        "f.yaml:2: model_list[0].litellm_params.api_key: the environment variable NOPE is not set",
        "f.yaml:3: model_list[1].litellm_params: missing, or not a mapping",
        "f.yaml:5: gateway.telemetry.boundary_events: expected one of span, log, both",
        "f.yaml:7: gateway.policies[0].use: unknown policy; did you mean redact?; built in are "
        f"{', '.join(BUILTIN)}, others are written package.module:Class",
        "f.yaml:9: gateway.policies[1].config.patterns[1]: expected one of email, phone, card, secret",
        "f.yaml:10: gateway.server.port: expected a whole number <= 65535",
        "f.yaml:11: typo: unknown section",
    ]


def test_no_secret_is_ever_shown() -> None:
    text = f"""\
model_list:
  - {{model_name: m, litellm_params: {{model: openai/x, api_key: [{SECRET}], timeout: {SECRET}, weight: {SECRET}}}}}
general_settings: {{master_key: [{SECRET}], database_url: {SECRET}}}
gateway: {{keys: {SECRET}, server: {{port: {SECRET}}}, telemetry: {{log_level: {SECRET}}}}}
litellm_settings: {{request_timeout: os.environ/TOKEN}}
"""
    with pytest.raises(ConfigurationRefused) as refused:
        read(text, TOKEN=SECRET)
    shown = "".join(map(str, (*refused.value.problems, *refused.value.warnings)))
    assert len(refused.value.problems) == 7
    assert SECRET not in shown


# Environment


def test_environment_variables_of_the_file_are_used_and_win() -> None:
    text = "environment_variables: {A: from-file, N: 5, B: os.environ/C}\n" + MODEL.replace(
        "simulated/echo", "groq/x, api_key: os.environ/A, api_base: os.environ/B"
    )
    configuration = read(text, A="from-process", C="http://c.test")
    assert configuration.settings.deployments[0].params == {"api_key": "from-file", "api_base": "http://c.test"}
    assert configuration.environment == {"A": "from-file", "N": "5", "B": "http://c.test"}


def test_numbers_may_come_from_the_environment() -> None:
    assert read(MODEL + "gateway: {server: {port: os.environ/PORT}}", PORT="8081").settings.server.port == 8081


def test_flowspan_key_is_the_key_when_the_file_has_none() -> None:
    assert read(MODEL, FLOWSPAN_KEY="k").settings.keys == ("k",)
    assert read(MODEL + "gateway: {keys: [a]}", FLOWSPAN_KEY="k").settings.keys == ("a",)


# Binding


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "gateway.example", "", "::ffff:10.0.0.1"])
def test_an_address_that_others_can_reach_is_refused_without_keys(host: str) -> None:
    with pytest.raises(UnsafeBind):
        check_bind(Settings(server=ServerSettings(host=host)))
    assert check_bind(Settings(server=ServerSettings(host=host), keys=("k",))) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "::ffff:127.0.0.1"])
def test_loopback_without_keys_is_warned_of(host: str) -> None:
    assert "no key is set" in (check_bind(Settings(server=ServerSettings(host=host))) or "")


def test_a_public_bind_without_keys_is_a_problem_of_the_file() -> None:
    (problem,) = problems(MODEL + "gateway:\n  server:\n    host: 0.0.0.0\n")
    assert problem.startswith("f.yaml:4: gateway.server.host: 0.0.0.0 can be reached by others and no key is set")


# YAML


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a:\n  [", "f.yaml:3: did not find expected node content"),
        ("a: 1\nb: *x\n", "f.yaml:2: no anchor &x before this alias"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2: a second document; one file has one"),
        ("? [a]\n: b\n", "f.yaml:1: a key must be text"),
        ("a: &x [*x]\n", "f.yaml:1: no anchor &x before this alias"),
        ("<<: 3\n", "f.yaml:1: << takes a mapping"),
        ("a: \x07", "f.yaml:1: not YAML: control characters are not allowed"),
        ("[" * 100_000, "f.yaml:1: nested too deeply"),
        ("- a\n", "f.yaml:1: expected a mapping with model_list"),
    ],
)
def test_what_is_not_yaml_is_refused_by_line(text: str, expected: str) -> None:
    assert problems(text) == [expected]


def test_a_key_that_stands_twice_is_refused_at_the_second() -> None:
    text = MODEL + "gateway:\n  server: {port: 1}\n  server: {port: 2}\n"
    assert problems(text) == ["f.yaml:4: gateway.server: stands here a second time"]


def test_anchors_and_merge_keys_work_as_in_yaml() -> None:
    text = """\
shared: &shared {model: groq/x, api_key: k, temperature: 0}
model_list:
  - {model_name: a, litellm_params: *shared}
  - {model_name: b, litellm_params: {<<: *shared, temperature: 1}}
"""
    assert problems(text) == ["f.yaml:1: shared: unknown section"]
    text = text.replace("shared: &shared", "guardrails: &shared")
    assert [each.params["temperature"] for each in read(text).settings.deployments] == [0, 1]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(
            ("yes", True),
            ("Off", False),
            ("~", None),
            ("", None),
            ("NULL", None),
            ("0x1F", 31),
            ("010", 8),
            ("0b11", 3),
        ),
        *(("1_000", 1000), ("-5", -5), ("1e-6", 1e-6), ("1.5", 1.5), (".5", 0.5), ("-.inf", float("-inf"))),
        *(("2024-06-01", "2024-06-01"), ("1.2.3", "1.2.3"), ("+", "+"), ("0x", "0x"), ("12ab", "12ab"), ("y", "y")),
    ],
)
def test_plain_scalars_are_read_as_litellms_files_mean_them(text: str, value: Any) -> None:
    assert plain(text) == value
    assert type(plain(text)) is type(value)


@given(st.text(max_size=80))
def test_any_text_is_either_taken_or_refused_with_problems(text: str) -> None:
    with pytest.raises(ConfigurationRefused) as refused:
        read(text)
    assert refused.value.problems


# Size


def test_five_thousand_models_load_in_about_a_second() -> None:
    entry = """\
  - model_name: model-{0}
    litellm_params: {{model: openai/gpt-{0}, api_key: os.environ/K, rpm: 100}}
    model_info: {{id: dep-{0}, input_cost_per_token: 0.000001}}
"""
    text = "model_list:\n" + "".join(entry.format(number) for number in range(5000))
    read(MODEL)
    started = time.process_time()
    configuration = read(text, K="k")
    assert time.process_time() - started < 2.5
    assert len(configuration.settings.deployments) == 5000


def test_thousands_of_equal_warnings_are_told_once() -> None:
    same = [Problem("f", line, f"model_list[{line}].litellm_params.rpm", "not supported") for line in range(1, 4)]
    other = Problem("f", 9, "x", "not supported")
    assert grouped([*same, other]) == [
        Problem("f", 1, "model_list[1].litellm_params.rpm", "not supported (and 2 more)"),
        other,
    ]


@pytest.mark.parametrize("name", ["flowspan.yaml", "providers.yaml"])
def test_the_examples_are_good(name: str) -> None:
    environ = {"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k", "FLOWSPAN_KEY": "k"}
    assert load(EXAMPLES / name, environ).warnings == ()
