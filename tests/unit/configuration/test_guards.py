"""What guards a LiteLLM proxy is refused, not lost, unless the operator says that it may be."""

import pytest

from app.configuration import ConfigurationRefused, parse
from app.configuration.guards import ALREADY, GUARDS
from app.configuration.litellm_names import ENTRY, GENERAL, LITELLM, PARAMS, ROUTER, TOP
from tests.unit.configuration.reading import MODEL, SECRET, problems, read, warnings

ENTRY_TEXT = "model_list: [{{model_name: m, {0}litellm_params: {{model: simulated/echo{1}}}}}]\n"


@pytest.mark.parametrize(
    ("section", "key", "instead"),
    [
        ("guardrails: [{guardrail_name: a}]", "guardrails", "use gateway.policies"),
        ("policies: {a: {}}", "policies", "use gateway.policies"),
        ("litellm_settings: {guardrails: [{a: {}}]}", "litellm_settings.guardrails", "use gateway.policies"),
        ("litellm_settings: {max_budget: 100}", "litellm_settings.max_budget", "use the budget of a team"),
        ("litellm_settings: {max_budget: '100'}", "litellm_settings.max_budget", "use the budget of a team"),
        (
            "litellm_settings: {max_user_budget: 5}",
            "litellm_settings.max_user_budget",
            "use gateway.key_defaults.budget",
        ),
        ("litellm_settings: {blocked_user_list: [u]}", "litellm_settings.blocked_user_list", "use gateway.keys"),
        ("litellm_settings: {banned_keywords_list: [w]}", "litellm_settings.banned_keywords_list", "gateway.policies"),
        ("litellm_settings: {callbacks: [presidio]}", "litellm_settings.callbacks", "use gateway.policies"),
        ("litellm_settings: {callbacks: hide_secrets}", "litellm_settings.callbacks", "use gateway.policies"),
        ("litellm_settings: {callbacks: [otel, my_guard.instance]}", "litellm_settings.callbacks", "gateway.policies"),
        (
            "litellm_settings: {default_internal_user_params: {max_budget: 1}}",
            "litellm_settings.default_internal_user_params",
            "use gateway.key_defaults",
        ),
        ("general_settings: {custom_auth: my_auth.check}", "general_settings.custom_auth", "use gateway.keys"),
        ("general_settings: {allowed_ips: [10.0.0.1]}", "general_settings.allowed_ips", "use a firewall"),
        ("general_settings: {enable_jwt_auth: true}", "general_settings.enable_jwt_auth", "use gateway.keys"),
        ("general_settings: {enable_jwt_auth: 'true'}", "general_settings.enable_jwt_auth", "use gateway.keys"),
        (
            "general_settings: {max_parallel_requests: 5}",
            "general_settings.max_parallel_requests",
            "use gateway.admission",
        ),
        ("general_settings: {user_header_name: x-user}", "general_settings.user_header_name", "use gateway.keys"),
        (
            "general_settings: {pass_through_endpoints: [{path: /a, auth: true}]}",
            "general_settings.pass_through_endpoints",
            "there is no counterpart",
        ),
        ("router_settings: {provider_budget_config: {a: {}}}", "router_settings.provider_budget_config", "counterpart"),
        (
            "router_settings: {optional_pre_call_checks: [router_budget_limiting]}",
            "router_settings.optional_pre_call_checks",
            "there is no counterpart",
        ),
    ],
)
def test_a_guard_is_refused_with_its_counterpart_and_the_way_to_start_all_the_same(
    section: str, key: str, instead: str
) -> None:
    (problem,) = problems(MODEL + section)
    assert problem.startswith(f"f.yaml:2: {key}: LiteLLM ")
    assert instead in problem
    assert problem.endswith(f"; to start without it, name {key} in gateway.ignore")

    (warning,) = warnings(MODEL + section + f"\ngateway: {{ignore: [{key}]}}\n")
    assert warning.startswith(f"f.yaml:2: {key}: LiteLLM ")
    assert warning.endswith("; not done here, as gateway.ignore says")


@pytest.mark.parametrize(
    ("entry", "params", "key"),
    [
        ("", ", itpm: 5", "model_list.litellm_params.itpm"),
        ("", ", otpm: 5000", "model_list.litellm_params.otpm"),
        ("", ", max_budget: 1.5", "model_list.litellm_params.max_budget"),
        ("", ", guardrails: [pii]", "model_list.litellm_params.guardrails"),
    ],
)
def test_a_limit_of_a_deployment_is_refused_too(entry: str, params: str, key: str) -> None:
    text = ENTRY_TEXT.format(entry, params)
    indexed = key.replace("model_list", "model_list[0]")
    (problem,) = problems(text)
    assert problem.startswith(f"f.yaml:1: {indexed}: LiteLLM ")
    for name in (key, indexed):
        (warning,) = warnings(text + f"gateway: {{ignore: ['{name}']}}\n")
        assert warning.startswith(f"f.yaml:1: {indexed}: LiteLLM ")


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("guardrials: [a]", "guardrials: unknown section; did you mean guardrails?"),
        (
            "litellm_settings: {max_bugdet: 1}",
            "litellm_settings.max_bugdet: unknown key; did you mean max_budget? By that LiteLLM stops requests at this "
            "budget, and here nothing would: use the budget of a team in gateway.teams that all keys are of; to start "
            "without it, name litellm_settings.max_bugdet in gateway.ignore",
        ),
        (
            "general_settings: {max_internal_user_budget: 1}",
            "general_settings.max_internal_user_budget: LiteLLM reads this key in litellm_settings, and not here; "
            "there LiteLLM stops requests at this budget, and here nothing would: use gateway.key_defaults.budget, for "
            "each key; to start without it, name general_settings.max_internal_user_budget in gateway.ignore",
        ),
    ],
)
def test_a_guard_that_is_misspelt_or_misplaced_is_refused(section: str, expected: str) -> None:
    assert problems(MODEL + section) == [f"f.yaml:2: {expected}"]


def test_an_entry_that_ignores_nothing_is_pointed_out() -> None:
    assert warnings(MODEL + "gateway: {ignore: [guardrails]}") == [
        "f.yaml:2: gateway.ignore[0]: the file has no guard of this name"
    ]


@pytest.mark.parametrize(
    "section",
    [
        "guardrails: []",
        "guardrails:",
        "general_settings: {database_url: null, custom_auth: '', allowed_ips: [], enable_jwt_auth: 'False'}",
        "litellm_settings: {set_verbose: false, callbacks: [], max_budget: 0, json_logs: true, cache: no}",
        "litellm_settings: {turn_off_message_logging: true, redact_user_api_key_info: true}",
        "general_settings: {disable_spend_logs: true, store_model_in_db: false, pass_through_endpoints: []}",
        "router_settings: {optional_pre_call_checks: [], routing_strategy: simple-shuffle, set_verbose: 'false'}",
    ],
)
def test_nothing_is_said_of_values_that_change_nothing(section: str) -> None:
    assert warnings(MODEL + section) == []


@pytest.mark.parametrize(
    "section",
    [
        "litellm_settings: {callbacks: [otel, prometheus], success_callback: [langfuse]}",
        "litellm_settings: {default_internal_user_params: {user_role: internal_user}}",
        "general_settings: {pass_through_endpoints: [{path: /a, target: http://a.test}]}",
        "router_settings: {optional_pre_call_checks: [prompt_caching, enforce_model_rate_limits]}",
    ],
)
def test_what_guards_nothing_is_a_warning(section: str) -> None:
    assert warnings(MODEL + section)


def test_content_that_litellm_would_not_record_is_not_recorded() -> None:
    text = MODEL + "litellm_settings: {turn_off_message_logging: true}\ngateway: {telemetry: {capture_content: span}}\n"
    (problem,) = problems(text)
    assert problem.startswith("f.yaml:3: gateway.telemetry.capture_content: records the content that litellm_settings.")


def test_no_variable_records_content_that_litellm_would_not_record() -> None:
    text = MODEL + "litellm_settings: {turn_off_message_logging: true}\n"
    variable = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
    with pytest.raises(ConfigurationRefused, match=f"{variable}: records the content that litellm_settings."):
        parse(text, "f.yaml", {variable: "SPAN_ONLY"})
    assert parse(text, "f.yaml", {variable: "NO_CONTENT"}).settings.telemetry.capture_content == "none"
    assert parse(MODEL, "f.yaml", {variable: "SPAN_ONLY"})


def test_metrics_that_litellm_would_guard_need_a_token_where_others_can_reach_them() -> None:
    text = MODEL + "litellm_settings: {require_auth_for_metrics_endpoint: true}\n"
    assert warnings(text) == []
    (problem,) = problems(text + "gateway: {server: {metrics_host: 0.0.0.0}}\n")
    assert "set gateway.server.metrics_token" in problem
    assert warnings(text + f"gateway: {{server: {{metrics_host: 0.0.0.0, metrics_token: {SECRET}}}}}\n") == []


def test_litellms_limit_of_a_request_is_the_limit_of_its_body() -> None:
    text = MODEL + "general_settings: {max_request_size_mb: 2}\n"
    assert read(text).settings.server.body_limit == 2 * 1024**2
    assert read(text + "gateway: {server: {body_limit: 3MiB}}\n").settings.server.body_limit == 3 * 1024**2


def test_every_guard_is_a_name_that_litellm_has_in_its_section() -> None:
    sections = {
        "general_settings": GENERAL,
        "litellm_settings": LITELLM,
        "router_settings": ROUTER,
        "model_list": ENTRY,
        "model_list.litellm_params": PARAMS,
        "": TOP,
    }
    keys = [key.rpartition(".") for key in (*GUARDS, *ALREADY)]
    assert [key for key in keys if key[2] not in sections[key[0]]] == []
