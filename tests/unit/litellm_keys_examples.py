"""LiteLLM's most used keys, each in a file of its own, and what `flowspan check` makes of it."""

import re
from typing import Any, NamedTuple

import yaml

from app.configuration import ConfigurationRefused, Problem, parse

_SECRET = "sk-0123456789abcdef"
_ENVIRONMENT = {
    "OPENAI_API_KEY": _SECRET,
    "LITELLM_MASTER_KEY": _SECRET,
    "DATABASE_URL": "postgresql://db/litellm",
    "SLACK_URL": "https://slack.test",
}
_POSITION = re.compile(r"\[\d+\]")
_PARAMS = "model_list.litellm_params"


class Example(NamedTuple):
    """A key by its path without positions, a value as YAML, and what is done where `flowspan check` says nothing."""

    key: str
    value: str
    does: str = ""


EXAMPLES = (
    Example("model_list.model_name", "gpt"),
    Example("model_list.model_name", "openai/*"),
    Example("model_list.rpm", "100", "attempts within any minute; others wait"),
    Example("model_list.access_groups", "[beta]"),
    Example(f"{_PARAMS}.model", "openai/gpt-5"),
    Example(f"{_PARAMS}.model", "opnai/gpt-5"),
    Example(f"{_PARAMS}.api_key", "os.environ/OPENAI_API_KEY", "the provider's key, or `file:///path` with it"),
    Example(f"{_PARAMS}.api_base", "https://host.test/v1", "the provider's address"),
    Example(f"{_PARAMS}.api_version", "2025-03-01-preview", "the version of Azure's API"),
    Example(f"{_PARAMS}.custom_llm_provider", "openai", "the provider, where the model's name has no prefix"),
    Example(f"{_PARAMS}.litellm_credential_name", "mine"),
    Example(f"{_PARAMS}.temperature", "0.2", "the default of requests without one"),
    Example(f"{_PARAMS}.max_tokens", "4096", "the default of requests without one"),
    Example(f"{_PARAMS}.drop_params", "true", "whether fields that the provider does not take are left out"),
    Example(f"{_PARAMS}.additional_drop_params", "[user]", "fields that are left out of requests"),
    Example(f"{_PARAMS}.extra_headers", "{x-team: a}", "headers of every request to the provider"),
    Example(f"{_PARAMS}.weight", "3"),
    Example(f"{_PARAMS}.order", "2"),
    Example(f"{_PARAMS}.timeout", "30"),
    Example(f"{_PARAMS}.stream_timeout", "30"),
    Example(f"{_PARAMS}.max_retries", "2"),
    Example(f"{_PARAMS}.rpm", "100", "attempts within any minute; others wait"),
    Example(f"{_PARAMS}.tpm", "100000", "tokens within any minute; others wait"),
    Example(f"{_PARAMS}.max_parallel_requests", "10", "attempts at a time; others wait"),
    Example(f"{_PARAMS}.max_budget", "50"),
    Example(f"{_PARAMS}.guardrails", "[pii]"),
    Example(f"{_PARAMS}.tags", "[paid]"),
    Example(f"{_PARAMS}.input_cost_per_token", "0.000001"),
    Example("model_list.model_info.id", "gpt-east"),
    Example("model_list.model_info.mode", "responses"),
    Example("model_list.model_info.mode", "image_generation"),
    Example("model_list.model_info.supported_environments", "[production]"),
    Example("model_list.model_info.supports_vision", "true", "nothing: what a provider cannot do it refuses itself"),
    Example("credential_list", "[{credential_name: mine, credential_values: {api_key: k}}]", "keys by name"),
    Example("environment_variables", "{REGION: eu}", "variables, which win over the process's own"),
    Example("include", "[]", "files whose sections are merged into this one"),
    Example("guardrails", "[{guardrail_name: pii, litellm_params: {guardrail: presidio, mode: pre_call}}]"),
    Example("mcp_servers", "{github: {url: https://host.test}}"),
    Example("general_settings.master_key", "os.environ/LITELLM_MASTER_KEY"),
    Example("general_settings.master_key", "${LITELLM_MASTER_KEY}"),
    Example("general_settings.database_url", "os.environ/DATABASE_URL"),
    Example("general_settings.store_model_in_db", "true"),
    Example("general_settings.max_request_size_mb", "10"),
    Example("general_settings.max_parallel_requests", "100"),
    Example("general_settings.global_max_parallel_requests", "100"),
    Example("general_settings.custom_auth", "my_auth.check"),
    Example("general_settings.enable_jwt_auth", "true"),
    Example("general_settings.allowed_ips", "[10.0.0.1]"),
    Example("general_settings.user_header_name", "x-user"),
    Example("general_settings.enforce_user_param", "true"),
    Example("general_settings.pass_through_endpoints", "[{path: /rerank, target: https://host.test}]"),
    Example("general_settings.pass_through_endpoints", "[{path: /rerank, target: https://host.test, auth: true}]"),
    Example("general_settings.alerting", "[slack]"),
    Example("general_settings.background_health_checks", "true"),
    Example("general_settings.disable_spend_logs", "true", "so it is anyway"),
    Example("general_settings.key_management_system", "aws_secret_manager"),
    Example("general_settings.port", "4000"),
    Example("litellm_settings.drop_params", "true"),
    Example("litellm_settings.num_retries", "3"),
    Example("litellm_settings.request_timeout", "600"),
    Example("litellm_settings.fallbacks", "[{gpt: [small]}]"),
    Example("litellm_settings.default_fallbacks", "[small]"),
    Example("litellm_settings.context_window_fallbacks", "[{gpt: [small]}]"),
    Example("litellm_settings.callbacks", "[otel]"),
    Example("litellm_settings.callbacks", "[presidio]"),
    Example("litellm_settings.callbacks", "[my_callbacks.handler]"),
    Example("litellm_settings.success_callback", "[langfuse]"),
    Example("litellm_settings.failure_callback", "[sentry]"),
    Example("litellm_settings.set_verbose", "false", "nothing is said of what changes nothing"),
    Example("litellm_settings.set_verbose", "true"),
    Example("litellm_settings.json_logs", "true", "so it is anyway"),
    Example("litellm_settings.cache", "true"),
    Example("litellm_settings.cache_params", "{type: redis}"),
    Example("litellm_settings.max_budget", "100"),
    Example("litellm_settings.max_end_user_budget", "1"),
    Example("litellm_settings.default_internal_user_params", "{max_budget: 5}"),
    Example("litellm_settings.default_team_settings", "[{team_id: a}]"),
    Example(
        "litellm_settings.turn_off_message_logging",
        "true",
        "so it is, and `capture_content` is an error",
    ),
    Example("litellm_settings.modify_params", "true"),
    Example("litellm_settings.drop_parms", "true"),
    Example("router_settings.routing_strategy", "simple-shuffle"),
    Example("router_settings.routing_strategy", "latency-based-routing"),
    Example("router_settings.routing_strategy", "usage-based-routing-v2"),
    Example("router_settings.stream_timeout", "30"),
    Example("router_settings.model_group_alias", "{gpt-4: gpt}"),
    Example("router_settings.num_retries", "3"),
    Example("router_settings.timeout", "30"),
    Example("router_settings.fallbacks", "[{gpt: [small]}]"),
    Example("router_settings.allowed_fails", "3"),
    Example("router_settings.cooldown_time", "30"),
    Example("router_settings.retry_policy", "{TimeoutErrorRetries: 3}"),
    Example("router_settings.enable_pre_call_checks", "true"),
    Example("router_settings.optional_pre_call_checks", "[enforce_model_rate_limits]"),
    Example("router_settings.provider_budget_config", "{openai: {budget_limit: 100, time_period: 1d}}"),
    Example("router_settings.redis_host", "localhost"),
)


def configuration_of(example: Example) -> str:
    """A file that is good but for what the example's key does to it."""
    params: dict[str, Any] = {"model": "openai/gpt-5", "api_key": "os.environ/OPENAI_API_KEY"}
    entry: dict[str, Any] = {"model_name": "gpt", "litellm_params": params}
    small: dict[str, Any] = {"model_name": "small", "litellm_params": dict(params)}
    root: dict[str, Any] = {"model_list": [entry, small]}
    value = yaml.safe_load(example.value)
    section, _, key = example.key.rpartition(".")
    if section.startswith("model_list"):
        inner = section.removeprefix("model_list").removeprefix(".")
        (entry.setdefault(inner, {}) if inner else entry)[key] = value
        if value == "openai/*":
            params["model"] = value
    else:
        (root.setdefault(section, {}) if section else root)[key] = value
    if key == "litellm_credential_name":
        root["credential_list"] = [{"credential_name": value, "credential_values": {}}]
    return str(yaml.safe_dump(root, sort_keys=False))


def outcome(example: Example) -> tuple[str, str]:
    """Whether the key is read, a warning or an error, and what is said of it."""
    try:
        configuration = parse(configuration_of(example), "f.yaml", _ENVIRONMENT)
    except ConfigurationRefused as refused:
        return "**error**", _of_key(example, refused.problems)
    warning = _of_key(example, configuration.warnings)
    return ("warning", warning) if warning else ("read", "")


def _of_key(example: Example, problems: tuple[Problem, ...]) -> str:
    return "; ".join(one.message for one in problems if _POSITION.sub("", one.key).startswith(example.key))
