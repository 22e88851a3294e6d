"""The keys of LiteLLM's configuration file that Flowspan knows and does not support, by section.

`flowspan check` names those that a file has; what becomes of each is decided in `litellm_keys`. `_INSTEAD` has what
Flowspan offers for the same purpose. Names are those of LiteLLM 1.106.
"""


def names(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


TOP = names(
    """agent_list agents assistant_settings callback_settings default_vertex_config files_settings finetune_settings
    guardrails litellm_jwtauth mcp_aliases mcp_servers mcp_tools pass_through_endpoints plugins policies
    policy_attachments prompts sandbox_tools search_tools vector_store_registry worker_registry"""
)

GENERAL = names(
    """admin_only_routes admission_queue_timeout_seconds alert_to_webhook_url alert_type_config alert_types alerting
    alerting_args alerting_threshold allow_client_side_credentials allow_public_health_readiness_details
    allow_requests_on_db_unavailable allow_unmanaged_response_ids allow_user_auth allowed_file_extensions
    allowed_ips allowed_routes always_include_stream_usage apply_user_budget_to_team_keys
    auto_redirect_ui_login_to_sso background_health_check_model_groups background_health_checks block_robots
    blocked_file_extensions cancel_on_disconnect completion_model control_plane_url coordination_redis custom_auth
    custom_auth_run_common_checks custom_key_generate custom_key_policy custom_key_update custom_sso
    custom_team_metadata_validate custom_ui_sso_sign_in_handler dangerously_permit_weak_or_unset_master_key
    database_args database_connect_timeout database_connection_pool_limit database_connection_pool_timeout
    database_connection_timeout database_disable_prepared_statements database_extra_connection_params
    database_max_idle_connection_lifetime database_socket_timeout database_type database_url default_team_disabled
    disable_adding_master_key_hash_to_db disable_budget_reservation disable_custom_api_keys
    disable_env_credential_login disable_error_logs disable_master_key_return disable_model_info_refresh
    disable_prisma_schema_update disable_reset_budget disable_responses_id_security
    disable_retry_on_max_parallel_request_limit_error disable_spend_logs disable_spend_updates drain_endpoint_token
    embedding_model enable_claude_code_gateway enable_drain_endpoint enable_health_check_routing enable_jwt_auth
    enable_mcp_registry enable_oauth2_auth enable_oauth2_proxy_auth enable_public_model_hub
    enforce_fallback_model_access enforce_rbac enforce_user_param enforced_params expose_fallback_errors_to_caller
    fail_closed_budget_enforcement fail_closed_rate_limit_enforcement forward_client_headers_to_llm_api
    forward_llm_provider_auth_headers forward_openai_org_id global_max_parallel_requests health_check_concurrency
    health_check_details health_check_ignore_transient_errors health_check_interval health_check_staleness_threshold
    image_generation_model include_call_id_in_error_body infer_model_from_keys key_management_settings
    key_management_system litellm_jwtauth litellm_key_header_name litellm_license max_batch_file_size_mb
    max_file_size_mb max_in_flight_requests_per_worker max_parallel_requests max_queued_requests_per_worker
    max_response_size_mb maximum_health_check_retention_period maximum_spend_logs_cleanup_cron
    maximum_spend_logs_retention_interval maximum_spend_logs_retention_period mcp_internal_ip_ranges
    mcp_required_fields mcp_trusted_proxy_ranges missing_session_id model_list_healthy_only moderation_model
    oauth2_config_mappings otel pass_through_endpoints pass_through_request_timeout plugins
    provider_url_destination_allowed_hosts proxy_batch_polling_interval proxy_batch_write_at
    proxy_budget_rescheduler_max_time proxy_budget_rescheduler_min_time proxy_config_reload_interval_seconds
    public_routes reject_clientside_metadata_tags role_permissions search_tools service_account_settings
    spend_logs_metadata_fields spend_report_frequency store_model_in_db store_prompts_in_spend_logs
    supported_db_objects team_metadata_schema team_metadata_validation_error_message
    team_metadata_validation_timeout token_rate_limit_type tracing trusted_proxy_ranges ui_access_mode ui_logo_path
    use_azure_key_vault use_client_credentials_pass_through_routes use_google_kms use_redis_transaction_buffer
    use_shared_health_check use_spend_logs_partitioning use_team_public_model_name use_x_forwarded_for
    user_api_key_cache_max_size user_api_key_cache_ttl user_header_mappings user_header_name
    user_mcp_management_mode user_url_allowed_hosts user_url_validation"""
)

LITELLM = names(
    """add_function_to_prompt add_user_information_to_llm_headers aiohttp_trust_env allowed_fails
    anthropic_beta_headers_url anthropic_prompt_caching_ttl anthropic_sse_ping_interval_seconds api_base api_key
    api_version audit_log_callbacks aws_sqs_callback_params banned_keywords_list
    block_requests_for_models_without_pricing blocked_user_list budget_duration budget_exceeded_status_code
    budget_exceeded_throttle_percentage budget_reset_time budget_rollover cache cache_params caching
    check_provider_endpoint
    callback_settings callbacks code_interpreter_interception_params cold_storage_custom_logger
    compression_interception_params cost_discount_config
    cost_margin_config credential_list custom_prometheus_metadata_labels custom_prometheus_tags custom_prompt_dict
    custom_provider_map datadog_llm_observability_params datadog_params default_in_memory_ttl
    default_internal_user_params default_key_generate_params default_max_internal_user_budget
    default_redis_batch_cache_expiry default_redis_ttl default_soft_budget default_team_params default_team_settings
    disable_add_prefix_to_prompt disable_add_transform_inline_image_block disable_add_user_agent_to_request_tags
    disable_aiohttp_transport disable_aiohttp_trust_env disable_anthropic_gemini_context_caching_transform
    disable_copilot_system_to_assistant disable_end_user_cost_tracking
    disable_end_user_cost_tracking_prometheus_only disable_hf_tokenizer_download disable_stop_sequence_limit
    disable_streaming_logging disable_token_counter email enable_anthropic_prompt_caching
    enable_azure_ad_token_refresh enable_caching_on_provider_specific_optional_params
    enable_end_user_cost_tracking_prometheus_only enable_json_schema_validation enable_key_alias_format_validation
    enable_loadbalancing_on_batch_endpoints enable_model_config_credential_overrides enable_preview_features
    enable_redis_auth_cache expose_router_debug_in_errors extra_spend_tag_headers failure_callback
    filter_invalid_headers force_ipv4 forward_traceparent_to_llm_provider global_bitbucket_config
    global_disable_no_log_param global_gitlab_config global_prompt_directory google_moderation_confidence_threshold
    guardrail_name_config_map guardrails headers http2 include_cost_in_streaming_usage input_callback
    internal_user_budget_duration json_logs key_alias_pattern key_generation_settings langfuse_default_tags
    llamaguard_model_name llamaguard_unsafe_content_categories llm_guard_mode log_client_error_tracebacks
    log_raw_request_response max_budget max_end_user_budget max_end_user_budget_id max_fallbacks
    max_internal_user_budget max_tokens max_ui_session_budget max_user_budget mcp_aliases mcp_semantic_tool_filter
    mcp_tool_search model_alias_map model_cost model_cost_map_url model_group_settings modify_params
    num_retries_per_request openai_moderations_model_name openai_system_messages_first organization output_parse_pii
    overwrite_user_with_key_hash post_call_rules pre_call_rules presidio_ad_hoc_recognizers priority_reservation
    priority_reservation_settings project prometheus_emit_stream_label prometheus_exclude_labels
    prometheus_exclude_metrics prometheus_initialize_budget_metrics prometheus_latency_buckets
    prometheus_metrics_config provider_url_destination_allowed_hosts public_model_groups public_model_groups_links
    reasoning_auto_summary redact_messages_in_exceptions redact_user_api_key_info request_correlation_in_logs
    require_auth_for_metrics_endpoint require_managed_files responses return_response_headers
    route_all_chat_openai_to_responses s3_audit_callback_params s3_callback_params safe_memory_mode
    secret_manager_client service_callback service_callbacks set_verbose skip_system_message_in_guardrail
    skip_tool_message_in_guardrail sse_keepalive_ping_interval_seconds ssl_ecdh_curve
    ssl_security_level standard_logging_payload_excluded_fields store_audit_logs success_callback
    suppress_debug_info tag_budget_config telemetry turn_off_message_logging upperbound_key_generate_params
    use_aiohttp_transport use_chat_completions_url_for_anthropic_messages use_client use_litellm_proxy
    user_url_allowed_hosts user_url_validation validate_end_user_id_in_db vertex_ai_safety_settings vertex_location
    vertex_project websearch_interception_params"""
)

ROUTER = names(
    """alerting_config allowed_fails allowed_fails_policy assistants_config auto_router_capability_limit
    background_health_check_model_groups cache_kwargs cache_responses caching_groups client_ttl
    cooldown_time debug_level default_litellm_params
    default_priority deployment_affinity_ttl_seconds disable_cooldowns
    enable_health_check_routing enable_pre_call_check enable_pre_call_checks enable_tag_filtering
    enable_weighted_failover fallback_access_check fallback_budget_check guardrail_list
    health_check_ignore_transient_errors health_check_staleness_threshold ignore_invalid_deployments max_fallbacks
    max_retries model_group_affinity_config model_group_retry_policy optional_pre_call_checks
    plugins polling_interval provider_budget_config redis_db redis_host redis_password redis_port redis_url
    retry_after retry_policy router_general_settings routing_groups routing_strategy_args search_tools set_verbose
    tag_filtering_match_any tag_routing_prefix weights"""
)

ENTRY = names("access_groups")

PARAMS = names(
    """adaptive_router_config adaptive_router_default_model allow_client_keepalive_override allowed_fails
    auto_router_config auto_router_config_path auto_router_default_model auto_router_embedding_model budget_duration
    complexity_router_config complexity_router_default_model configurable_clientside_auth_params cooldown_time
    default_api_key_rpm_limit default_api_key_tpm_limit guardrails itpm keepalive_seconds max_budget max_fallbacks
    max_file_size_mb max_retries num_retries otpm provider_affinity_header quality_router_config
    quality_router_default_model stream_timeout_by_service_tier tag_regex tags timeout_by_service_tier
    use_in_pass_through use_litellm_proxy"""
)
"""Parameters of a deployment that LiteLLM's proxy uses itself; all others are the provider's and are handed on."""

PROVIDER_PARAMS = names(
    """additional_drop_params api_base api_key api_type api_version aws_access_key_id aws_bedrock_runtime_endpoint
    aws_profile_name aws_region_name aws_role_name aws_secret_access_key aws_session_name aws_session_token
    aws_sts_endpoint aws_web_identity_token azure_ad_token azure_password azure_scope azure_username base_model
    base_url cache_control_injection_points client_id client_secret custom_llm_provider default_headers
    drop_params extra_body extra_headers frequency_penalty headers hf_model_name input_type logit_bias logprobs
    max_completion_tokens max_tokens merge_reasoning_content_in_choices metadata mock_response model_id n organization
    parallel_tool_calls presence_penalty project project_id reasoning_effort region_name response_format safety_settings
    seed service_tier space_id stop stream temperature tenant_id thinking thinking_history token tool_choice
    tools top_k top_logprobs top_p use_chat_completions_api user vertex_credentials vertex_location vertex_project
    watsonx_region_name"""
)
"""The usual ones, known only so that a slip of the pen in one of them can be pointed out."""

_TRACES = "the gateway's own traces and metrics (docs/telemetry.md)"
_BREAKERS = "gateway.breakers.upstream"
_IN_FILES = "file:///path, or a variable NAME_FILE"
_INSTEAD = {
    "alert_types": "the alerts in dashboards/alerts",
    "alert_to_webhook_url": "the alerts in dashboards/alerts",
    "alerting": "the alerts in dashboards/alerts",
    "alerting_threshold": "the alerts in dashboards/alerts",
    "allowed_fails": "gateway.breakers.upstream.threshold",
    "allowed_fails_policy": _BREAKERS,
    "background_health_checks": f"{_BREAKERS}, which watches real requests",
    "callbacks": f"{_TRACES}, or gateway.policies",
    "cancel_on_disconnect": "gateway.pipeline.on_disconnect",
    "cooldown_time": "gateway.breakers.upstream.cooldown",
    "database_url": "gateway.keys for callers: nothing is kept in a database",
    "failure_callback": _TRACES,
    "forward_traceparent_to_llm_provider": "gateway.telemetry.propagate_traceparent",
    "health_check_interval": f"{_BREAKERS}, which watches real requests",
    "json_logs": "nothing: logs are JSON",
    "key_management_settings": _IN_FILES,
    "key_management_system": _IN_FILES,
    "litellm_key_header_name": "Authorization or x-api-key: the key is read there",
    "max_retries": "router_settings.num_retries",
    "model_alias_map": "router_settings.model_group_alias",
    "otel": _TRACES,
    "retry_policy": "router_settings.num_retries",
    "service_callback": _TRACES,
    "set_verbose": "gateway.telemetry.log_level",
    "store_model_in_db": "model_list: models are read from this file alone",
    "success_callback": _TRACES,
    "use_azure_key_vault": _IN_FILES,
    "use_google_kms": _IN_FILES,
}


def unsupported(key: str) -> str:
    """The warning for a key, given by its path without positions."""
    instead = _INSTEAD.get(key.rpartition(".")[2])
    return "LiteLLM's, not supported here" + (f"; use {instead}" if instead else "; it changes nothing")
