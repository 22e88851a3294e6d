"""What guards a LiteLLM proxy and would be gone here: limits, budgets, checks of callers and of content.

Each is an error with the counterpart's name, unless the operator lists its key in `gateway.ignore`: to lose a guard is
a decision, and nobody takes it by moving a file from one gateway to another.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from app.configuration.litellm_names import names

_POLICIES = "gateway.policies (redact is built in; others are written in Python)"
_KEYS = "gateway.keys"
_NONE = ""


def is_set(value: object) -> bool:
    """Whether a value asks for anything: false, nothing, and what is empty do not."""
    if isinstance(value, str):
        return value.strip().lower() not in ("", "false", "null", "none")
    return not (value is None or value is False or (isinstance(value, list | dict) and not value))


@dataclass(frozen=True)
class Guard:
    """A key of LiteLLM's that keeps something away from models, callers or bills."""

    what: str
    """What LiteLLM does by it, in the third person."""
    instead: str = _NONE
    """What does the same here; empty if nothing does."""
    when: Callable[[Any], bool] = is_set
    """Whether a value of the key switches the guard on."""

    def refusal(self, key: str) -> str:
        """The error for a file that has the key."""
        return f"LiteLLM {self.what}, and here nothing would: {self._way_out(key)}"

    def set_aside(self) -> str:
        """The warning for a key that the operator lists in `gateway.ignore`."""
        return f"LiteLLM {self.what}; not done here, as gateway.ignore says"

    def _way_out(self, key: str) -> str:
        use = f"use {self.instead}" if self.instead else "there is no counterpart"
        return f"{use}; to start without it, name {key} in gateway.ignore"


_GUARD_CALLBACKS = names(
    """aporia_prompt_injection azure_content_safety banned_keywords blocked_user_check cache_control_check
    detect_prompt_injection dynamic_rate_limiter dynamic_rate_limiter_v3 google_text_moderation hide_secrets
    lakera_prompt_injection llamaguard_moderations llmguard_moderations max_budget_limiter
    max_budget_per_session_limiter max_iterations_limiter openai_moderations parallel_request_limiter presidio
    prompt_injection_detection sensitive_data_routing"""
)
"""Callbacks of LiteLLM that refuse or change requests; its others record them."""
_LIMITS = names(
    """budget_limits max_budget max_parallel_requests model_max_budget model_rpm_limit model_tpm_limit rpm rpm_limit
    tpm tpm_limit"""
)
_ENFORCING_CHECKS = frozenset({"router_budget_limiting"})


def _guarding_callback(value: Any) -> bool:
    """A name with a dot is the operator's own Python code, which may refuse and change requests, too."""
    return any(isinstance(name, str) and (name.lower() in _GUARD_CALLBACKS or "." in name) for name in _listed(value))


def _python_code(value: Any) -> bool:
    return any(isinstance(name, str) and "." in name for name in _listed(value))


def _holds_limits(value: Any) -> bool:
    return _an_entry_has(value, _LIMITS)


def _has_checks(value: Any) -> bool:
    return _an_entry_has(value, ("auth", "guardrails"))


def _an_entry_has(value: Any, keys: Iterable[str]) -> bool:
    entries = [entry for entry in _listed(value) if isinstance(entry, dict)]
    return any(is_set(entry.get(key)) for entry in entries for key in keys)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _enforces(value: Any) -> bool:
    return isinstance(value, list) and any(name in _ENFORCING_CHECKS for name in value)


def _more_than_none(value: Any) -> bool:
    return is_set(value) and value != 0


_BUDGET = Guard("stops requests at this budget", when=_more_than_none)
"""The budget of a deployment or a provider has no counterpart here."""
_KEY_BUDGET = Guard("stops requests at this budget", "gateway.key_defaults.budget, for each key", _more_than_none)
_WHOLE_BUDGET = Guard(
    "stops requests at this budget", "the budget of a team in gateway.teams that all keys are of", _more_than_none
)
_KEY_LIMITS = Guard("gives whoever is new these limits", "gateway.key_defaults", _holds_limits)
_TEAM_LIMITS = Guard("gives whoever is new these limits", "gateway.teams", _holds_limits)
_KEY_RATE = Guard("limits each key by it", "gateway.key_defaults.limits, which hold for all models together")
_SPLIT_RATE = Guard("limits prompts and answers by it", "tokens_per_minute, which limits both together")
_PARALLEL = Guard(
    "limits how many requests are under way at once", "gateway.admission.max_streams, beyond which requests are refused"
)
_CALLERS = Guard("lets in only whom it accepts", _KEYS)
_CONTENT = Guard("checks requests and answers by it", _POLICIES)

GUARDS: Mapping[str, Guard] = {
    "guardrails": _CONTENT,
    "policies": Guard("chooses the guardrails of each request by it", _POLICIES),
    "policy_attachments": Guard("chooses the guardrails of each request by it", _POLICIES),
    "pass_through_endpoints": Guard("checks whom it passes through", _NONE, _has_checks),
    "general_settings.allowed_ips": Guard("serves these addresses only", "a firewall, or gateway.server.host"),
    "general_settings.allowed_routes": Guard("serves these routes only", "a proxy in front"),
    "general_settings.custom_auth": _CALLERS,
    "general_settings.custom_key_policy": _CALLERS,
    "general_settings.enable_jwt_auth": _CALLERS,
    "general_settings.enable_oauth2_auth": _CALLERS,
    "general_settings.enable_oauth2_proxy_auth": _CALLERS,
    "general_settings.enforce_rbac": _CALLERS,
    "general_settings.enforce_user_param": Guard("refuses requests without user", "a policy with on_request"),
    "general_settings.enforced_params": Guard("refuses requests without these fields", "a policy with on_request"),
    "general_settings.global_max_parallel_requests": _PARALLEL,
    "general_settings.litellm_jwtauth": _CALLERS,
    "general_settings.max_in_flight_requests_per_worker": _PARALLEL,
    "general_settings.max_parallel_requests": _PARALLEL,
    "general_settings.max_response_size_mb": Guard(
        "refuses longer answers", "gateway.server.total_body_bytes, which bounds all bodies together"
    ),
    "general_settings.pass_through_endpoints": Guard("checks whom it passes through", _NONE, _has_checks),
    "general_settings.role_permissions": _CALLERS,
    "general_settings.service_account_settings": Guard("refuses requests without these fields"),
    "general_settings.user_header_mappings": Guard("tells users apart by headers, for their budgets and blocks", _KEYS),
    "general_settings.user_header_name": Guard("tells users apart by this header, for budgets and blocks", _KEYS),
    "litellm_settings.banned_keywords_list": Guard("refuses requests with these words", _POLICIES),
    "litellm_settings.block_requests_for_models_without_pricing": Guard(
        "refuses models without a price", "gateway.quotas.unpriced: refuse, which holds for keys with a budget"
    ),
    "litellm_settings.blocked_user_list": Guard("refuses these users", _KEYS),
    "litellm_settings.callbacks": Guard(
        "runs callbacks that can refuse and change requests", _POLICIES, _guarding_callback
    ),
    "litellm_settings.default_internal_user_params": _KEY_LIMITS,
    "litellm_settings.default_key_generate_params": _KEY_LIMITS,
    "litellm_settings.default_max_internal_user_budget": _KEY_BUDGET,
    "litellm_settings.default_team_params": _TEAM_LIMITS,
    "litellm_settings.default_team_settings": Guard("treats each team by settings of its own", "gateway.teams"),
    "litellm_settings.enable_json_schema_validation": Guard("refuses answers that break their schema", "a policy"),
    "litellm_settings.guardrails": _CONTENT,
    "litellm_settings.input_callback": Guard("runs code of yours on requests", _POLICIES, _python_code),
    "litellm_settings.max_budget": _WHOLE_BUDGET,
    "litellm_settings.max_end_user_budget": _KEY_BUDGET,
    "litellm_settings.max_end_user_budget_id": _KEY_BUDGET,
    "litellm_settings.max_internal_user_budget": _KEY_BUDGET,
    "litellm_settings.max_user_budget": _KEY_BUDGET,
    "litellm_settings.output_parse_pii": Guard("masks personal data and puts it back", _POLICIES),
    "litellm_settings.post_call_rules": _CONTENT,
    "litellm_settings.pre_call_rules": _CONTENT,
    "litellm_settings.priority_reservation": Guard(
        "keeps a share of each limit for some keys", "gateway.keys[].priority, by which waiting requests are served"
    ),
    "litellm_settings.tag_budget_config": Guard(
        "stops requests with a tag at this budget", "a key with a budget for each tag", _more_than_none
    ),
    "litellm_settings.upperbound_key_generate_params": _KEY_LIMITS,
    "litellm_settings.validate_end_user_id_in_db": _CALLERS,
    "model_list.litellm_params.default_api_key_rpm_limit": _KEY_RATE,
    "model_list.litellm_params.default_api_key_tpm_limit": _KEY_RATE,
    "model_list.litellm_params.guardrails": _CONTENT,
    "model_list.litellm_params.itpm": _SPLIT_RATE,
    "model_list.litellm_params.max_budget": _BUDGET,
    "model_list.litellm_params.otpm": _SPLIT_RATE,
    "router_settings.guardrail_list": _CONTENT,
    "router_settings.optional_pre_call_checks": Guard("holds each deployment to its budget", _NONE, _enforces),
    "router_settings.provider_budget_config": _BUDGET,
}
"""The guards, by the key's path without the positions in lists."""

PROTECTED = frozenset({"general_settings.master_key"})
"""Keys that are read here, and whose loss by a typing error would open the gateway."""

ALREADY: Mapping[str, object] = {
    "general_settings.disable_error_logs": True,
    "general_settings.disable_master_key_return": True,
    "general_settings.disable_prisma_schema_update": True,
    "general_settings.disable_spend_logs": True,
    "general_settings.disable_spend_updates": True,
    "general_settings.reject_clientside_metadata_tags": True,
    "litellm_settings.disable_streaming_logging": True,
    "litellm_settings.json_logs": True,
    "litellm_settings.max_budget": 0,
    "litellm_settings.redact_messages_in_exceptions": True,
    "litellm_settings.redact_user_api_key_info": True,
    "litellm_settings.require_auth_for_metrics_endpoint": True,
    "litellm_settings.suppress_debug_info": True,
    "litellm_settings.turn_off_message_logging": True,
    "litellm_settings.use_aiohttp_transport": True,
    "litellm_settings.user_url_validation": True,
}
"""Values that ask for what the gateway does anyway: nothing is said of them."""
