"""The keys of LiteLLM's configuration file that Flowspan knows and does not support, by section.

They are named by `flowspan check` and change nothing. Where Flowspan has something else for the purpose, the name is in
`INSTEAD`. A key that stands neither here nor among the supported ones is taken for a typing error.
"""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


TOP = _names(
    """agent_list assistant_settings callback_settings credential_list default_vertex_config files_settings
    finetune_settings guardrails include litellm_jwtauth mcp_aliases mcp_servers mcp_tools prompts search_tools
    vector_store_registry worker_registry"""
)

GENERAL = _names(
    """admin_only_routes alert_to_webhook_url alert_type_config alert_types alerting alerting_args alerting_threshold
    allow_requests_on_db_unavailable allow_user_auth allowed_ips allowed_routes always_include_stream_usage
    background_health_checks block_robots cancel_on_disconnect completion_model custom_auth custom_key_generate
    custom_sso database_args database_connection_pool_limit database_connection_timeout database_type database_url
    default_team_disabled disable_adding_master_key_hash_to_db disable_error_logs disable_master_key_return
    disable_prisma_schema_update disable_reset_budget disable_retry_on_max_parallel_request_limit_error
    disable_spend_logs disable_spend_updates enable_jwt_auth enable_oauth2_auth enable_oauth2_proxy_auth
    enforce_user_param enforced_params forward_client_headers_to_llm_api forward_openai_org_id
    global_max_parallel_requests health_check_concurrency health_check_details health_check_interval
    infer_model_from_keys key_management_settings key_management_system litellm_jwtauth litellm_key_header_name
    max_file_size_mb max_parallel_requests max_request_size_mb max_response_size_mb
    maximum_spend_logs_retention_interval maximum_spend_logs_retention_period model_list_healthy_only otel
    pass_through_endpoints pass_through_request_timeout plugins proxy_batch_polling_interval proxy_batch_write_at
    proxy_budget_rescheduler_max_time proxy_budget_rescheduler_min_time public_routes role_permissions
    service_account_settings spend_report_frequency store_model_in_db store_prompts_in_spend_logs supported_db_objects
    ui_access_mode ui_logo_path use_azure_key_vault use_client_credentials_pass_through_routes use_google_kms
    use_redis_transaction_buffer use_shared_health_check use_x_forwarded_for user_api_key_cache_ttl user_header_mappings
    user_header_name user_url_validation"""
)

LITELLM = _names(
    """add_function_to_prompt add_user_information_to_llm_headers aiohttp_trust_env allowed_fails api_base api_key
    api_version audit_log_callbacks banned_keywords_list blocked_user_list budget_duration cache cache_params
    caching callback_settings callbacks content_policy_fallbacks context_window_fallbacks cost_discount_config
    cost_margin_config custom_prometheus_metadata_labels custom_prometheus_tags custom_provider_map datadog_params
    default_internal_user_params default_key_generate_params default_max_internal_user_budget default_redis_ttl
    default_team_params default_team_settings disable_add_prefix_to_prompt disable_aiohttp_transport
    disable_copilot_system_to_assistant disable_end_user_cost_tracking disable_end_user_cost_tracking_prometheus_only
    disable_hf_tokenizer_download disable_stop_sequence_limit disable_streaming_logging disable_token_counter
    enable_caching_on_provider_specific_optional_params enable_end_user_cost_tracking_prometheus_only
    enable_json_schema_validation enable_loadbalancing_on_batch_endpoints enable_preview_features
    extra_spend_tag_headers failure_callback filter_invalid_headers force_ipv4 forward_traceparent_to_llm_provider
    global_bitbucket_config global_disable_no_log_param global_gitlab_config global_prompt_directory guardrails http2
    include_cost_in_streaming_usage input_callback internal_user_budget_duration json_logs key_alias_pattern
    key_generation_settings langfuse_default_tags llm_guard_mode log_raw_request_response max_budget
    max_end_user_budget max_fallbacks max_internal_user_budget max_ui_session_budget max_user_budget mcp_aliases
    model_alias_map model_cost_map_url model_group_settings modify_params num_retries_per_request output_parse_pii
    post_call_rules pre_call_rules priority_reservation priority_reservation_settings prometheus_exclude_labels
    prometheus_exclude_metrics prometheus_initialize_budget_metrics prometheus_latency_buckets
    prometheus_metrics_config public_model_groups public_model_groups_links reasoning_auto_summary
    redact_messages_in_exceptions redact_user_api_key_info require_auth_for_metrics_endpoint responses
    return_response_headers
    s3_callback_params safe_memory_mode secret_manager_client service_callback set_verbose
    skip_system_message_in_guardrail ssl_certificate ssl_ecdh_curve ssl_security_level ssl_verify store_audit_logs
    success_callback suppress_debug_info tag_budget_config telemetry turn_off_message_logging
    upperbound_key_generate_params use_aiohttp_transport use_client use_litellm_proxy vertex_ai_safety_settings
    vertex_location vertex_project"""
)

ROUTER = _names(
    """alerting_config allowed_fails allowed_fails_policy assistants_config cache_kwargs cache_responses caching_groups
    client_ttl content_policy_fallbacks context_window_fallbacks cooldown_time debug_level default_litellm_params
    default_max_parallel_requests default_priority deployment_affinity_ttl_seconds disable_cooldowns
    enable_health_check_routing enable_pre_call_checks enable_tag_filtering enable_weighted_failover guardrail_list
    health_check_ignore_transient_errors health_check_staleness_threshold ignore_invalid_deployments max_fallbacks
    max_retries model_group_affinity_config model_group_alias model_group_retry_policy optional_pre_call_checks plugins
    polling_interval provider_budget_config redis_db redis_host redis_password redis_port redis_url retry_after
    retry_policy router_general_settings routing_groups routing_strategy_args search_tools set_verbose stream_timeout
    tag_filtering_match_any tag_routing_prefix weights"""
)

ENTRY = _names("access_groups rpm tpm")

PARAMS = _names(
    """allowed_fails auto_router_config auto_router_config_path auto_router_default_model auto_router_embedding_model
    budget_duration complexity_router_config configurable_clientside_auth_params cooldown_time guardrails
    litellm_credential_name max_budget max_fallbacks max_parallel_requests max_retries num_retries rpm stream_timeout
    tags tpm use_in_pass_through use_litellm_proxy"""
)
"""Parameters of a deployment that LiteLLM's proxy uses itself; all others are the provider's and are handed on."""

PROVIDER_PARAMS = _names(
    """additional_drop_params api_base api_key api_type api_version aws_access_key_id aws_bedrock_runtime_endpoint
    aws_profile_name aws_region_name aws_role_name aws_secret_access_key aws_session_name aws_session_token
    aws_sts_endpoint aws_web_identity_token azure_ad_token azure_password azure_scope azure_username base_model
    base_url cache_control_injection_points client_id client_secret custom_llm_provider default_headers
    drop_params extra_body extra_headers frequency_penalty headers hf_model_name input_type logit_bias logprobs
    max_completion_tokens max_tokens merge_reasoning_content_in_choices metadata mock_response model_id n organization
    parallel_tool_calls presence_penalty project reasoning_effort region_name response_format safety_settings seed
    service_tier space_id ssl_verify stop stream temperature tenant_id thinking token tool_choice tools top_k
    top_logprobs top_p use_chat_completions_api user vertex_credentials vertex_location vertex_project
    watsonx_region_name"""
)
"""The usual ones, known only so that a slip of the pen in one of them can be pointed out."""

INSTEAD = {
    "allowed_fails": "gateway.breakers.upstream.threshold",
    "callbacks": "the gateway's own traces and metrics, or gateway.policies",
    "cancel_on_disconnect": "gateway.pipeline.on_disconnect",
    "cooldown_time": "gateway.breakers.upstream.cooldown",
    "failure_callback": "the gateway's own traces and metrics",
    "forward_traceparent_to_llm_provider": "gateway.telemetry.propagate_traceparent",
    "guardrails": "gateway.policies",
    "json_logs": "nothing: logs are JSON",
    "max_request_size_mb": "gateway.server.body_limit",
    "max_retries": "router_settings.num_retries",
    "output_parse_pii": "gateway.policies with redact",
    "set_verbose": "gateway.telemetry.log_level",
    "success_callback": "the gateway's own traces and metrics",
}


def unsupported(key: str) -> str:
    instead = INSTEAD.get(key)
    return "LiteLLM's, not supported here" + (f"; use {instead}" if instead else "; it changes nothing")
