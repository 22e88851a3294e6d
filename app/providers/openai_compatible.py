"""The providers and servers with an API like OpenAI's."""

from app.providers.common_quirks import LATER_FIELDS, NO_THINKING, OPENAI_MODELS, top_k
from app.providers.quirks import Quirks, ThinkingHistory
from app.providers.row import Provider

_REASONING_CONTENT = ThinkingHistory(fields=("reasoning_content",))
_REQUIRED = ThinkingHistory(fields=("reasoning_content",), is_required=True)
_MISTRALS_MESSAGES = frozenset(
    f"messages[*].{name}" for name in ("name", "refusal", "annotations", "audio", "function_call")
)
COMPATIBLE = (
    Provider(
        "cerebras",
        "openai",
        "https://api.cerebras.ai/v1",
        "CEREBRAS_API_KEY",
        quirks=Quirks(
            max_completion_tokens=True,
            dropped=LATER_FIELDS | {"frequency_penalty", "presence_penalty", "logit_bias"},
            thinking=NO_THINKING,
            sources={
                "thinking": "https://github.com/Kilo-Org/kilocode/issues/10375",
                "max_completion_tokens": "https://inference-docs.cerebras.ai/api-reference/chat-completions",
                "dropped": "https://inference-docs.cerebras.ai/resources/openai",
            },
        ),
    ),
    Provider("custom_openai", "openai", responses="unknown", model_quirks=OPENAI_MODELS, quirks_elsewhere=Quirks()),
    Provider(
        "dashscope",
        "openai",
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        "DASHSCOPE_API_KEY",
        hosts=("dashscope.aliyuncs.com", "dashscope-us.aliyuncs.com", "coding-intl.dashscope.aliyuncs.com"),
        quirks=Quirks(
            thinking=_REASONING_CONTENT,
            sources={"thinking": "https://help.aliyun.com/zh/model-studio/deep-thinking"},
        ),
    ),
    Provider(
        "deepinfra",
        "openai",
        "https://api.deepinfra.com/v1/openai",
        "DEEPINFRA_API_KEY",
        quirks=top_k("https://deepinfra.com/docs/openai_api"),
    ),
    Provider(
        "deepseek",
        "openai",
        "https://api.deepseek.com/v1",
        "DEEPSEEK_API_KEY",
        responses="unknown",
        quirks=Quirks(
            json_schema=False,
            text_parts=False,
            thinking=_REQUIRED,
            sources={
                "thinking": "https://api-docs.deepseek.com/guides/thinking_mode",
                "json_schema": "https://github.com/llm-exe/llm-exe/issues/662",
                "text_parts": "https://api-docs.deepseek.com/api/create-chat-completion",
            },
        ),
    ),
    Provider("featherless_ai", "openai", "https://api.featherless.ai/v1", "FEATHERLESS_AI_API_KEY"),
    Provider(
        "fireworks_ai",
        "openai",
        "https://api.fireworks.ai/inference/v1",
        "FIREWORKS_API_KEY",
        responses="offered",
        quirks=Quirks(
            top_k=True,
            dropped=frozenset({"prompt_cache_retention", "safety_identifier", "store", "verbosity"}),
            thinking=_REASONING_CONTENT,
            sources={
                "thinking": "https://docs.fireworks.ai/guides/reasoning",
                "top_k": "https://docs.fireworks.ai/api-reference/post-chatcompletions",
                "dropped": "https://docs.fireworks.ai/api-reference/post-chatcompletions",
            },
        ),
    ),
    Provider(
        "groq",
        "openai",
        "https://api.groq.com/openai/v1",
        "GROQ_API_KEY",
        responses="offered",
        quirks=Quirks(
            max_completion_tokens=True,
            dropped=LATER_FIELDS - {"service_tier"} | {"logit_bias", "messages[*].name"},
            thinking=NO_THINKING,
            sources={
                "thinking": "https://github.com/vercel/ai/pull/8057",
                "max_completion_tokens": "https://console.groq.com/docs/api-reference#chat-create",
                "dropped": "https://github.com/eigent-ai/eigent/issues/1827",
            },
        ),
    ),
    Provider(
        "hosted_vllm",
        "openai",
        None,
        "HOSTED_VLLM_API_KEY",
        responses="unknown",
        quirks=Quirks(
            top_k=True,
            thinking=ThinkingHistory(fields=("reasoning_content", "reasoning")),
            sources={
                "top_k": "https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
                # Versions differ in which of the two names they read.
                "thinking": "https://github.com/vllm-project/vllm/issues/38488",
            },
        ),
    ),
    Provider("hyperbolic", "openai", "https://api.hyperbolic.xyz/v1", "HYPERBOLIC_API_KEY"),
    Provider("lambda_ai", "openai", "https://api.lambda.ai/v1", "LAMBDA_API_KEY"),
    Provider(
        "litellm_proxy",
        "openai",
        None,
        "LITELLM_PROXY_API_KEY",
        responses="unknown",
        quirks=Quirks(
            max_completion_tokens=True,
            thinking=ThinkingHistory(signed_blocks=True),
            sources={
                "thinking": "https://docs.litellm.ai/docs/reasoning_content",
                "max_completion_tokens": "https://docs.litellm.ai/docs/completion/input",
            },
        ),
    ),
    Provider(
        "llamafile",
        "openai",
        "http://127.0.0.1:8080/v1",
        responses="unknown",
        quirks=top_k("https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md"),
    ),
    Provider(
        "lm_studio",
        "openai",
        None,
        "LM_STUDIO_API_KEY",
        responses="unknown",
        quirks=top_k("https://lmstudio.ai/docs/developer/openai-compat"),
    ),
    Provider(
        "minimax",
        "openai",
        "https://api.minimax.io/v1",
        "MINIMAX_API_KEY",
        hosts=("api.minimaxi.com", "api.minimax.chat"),
        variables={"api_base": "MINIMAX_API_BASE"},
        quirks=Quirks(
            one_system_message=True,
            temperature=(0.01, 1.0),
            thinking=ThinkingHistory(fields=("reasoning_content", "reasoning_details")),
            sources={
                "thinking": "https://platform.minimax.io/docs/api-reference/text-openai-api",
                "one_system_message": "https://github.com/can1357/oh-my-pi/pull/954",
                "temperature": "https://platform.minimax.io/docs/api-reference/text-openai-api",
            },
        ),
    ),
    Provider(
        "mistral",
        "openai",
        "https://api.mistral.ai/v1",
        "MISTRAL_API_KEY",
        "mistral_ai",
        hosts=("codestral.mistral.ai",),
        quirks=Quirks(
            stream_options=False,
            dropped=LATER_FIELDS | {"user", "logit_bias", "logprobs", "top_logprobs"} | _MISTRALS_MESSAGES,
            renamed=(("seed", "random_seed"),),
            tool_choice=(("required", "any"),),
            thinking=ThinkingHistory(fields=(), in_content=True),
            longest_call_id=9,
            alphanumeric_call_ids=True,
            sources={
                "longest_call_id": "https://github.com/anomalyco/opencode/issues/1680",
                "alphanumeric_call_ids": "https://github.com/anomalyco/opencode/issues/1680",
                "thinking": "https://docs.mistral.ai/capabilities/reasoning",
                "stream_options": "https://docs.mistral.ai/api",
                "dropped": "https://github.com/Gitlawb/openclaude/issues/739",
                "renamed": "https://docs.mistral.ai/api",
                "tool_choice": "https://docs.mistral.ai/capabilities/function_calling",
            },
        ),
    ),
    Provider(
        "moonshot",
        "openai",
        "https://api.moonshot.ai/v1",
        "MOONSHOT_API_KEY",
        hosts=("api.moonshot.cn", "api.kimi.com"),
        quirks=Quirks(
            text_parts=False,
            temperature=(0.0, 1.0),
            thinking=_REQUIRED,
            sources={
                "thinking": "https://platform.moonshot.ai/docs/guide/use-kimi-k2-thinking-model",
                "text_parts": "https://platform.moonshot.ai/docs/api/chat",
                "temperature": "https://platform.moonshot.ai/docs/api/chat",
            },
        ),
        model_quirks=(
            (
                ("kimi-k2.*",),
                Quirks(
                    dropped=frozenset({"temperature", "top_p"}),
                    sources={"dropped": "https://github.com/NousResearch/hermes-agent/pull/12668"},
                ),
            ),
        ),
    ),
    Provider("nebius", "openai", "https://api.studio.nebius.ai/v1", "NEBIUS_API_KEY"),
    Provider("novita", "openai", "https://api.novita.ai/v3/openai", "NOVITA_API_KEY"),
    Provider(
        "nvidia_nim",
        "openai",
        "https://integrate.api.nvidia.com/v1",
        "NVIDIA_NIM_API_KEY",
        quirks=Quirks(
            dropped=LATER_FIELDS | {"user"},
            sources={"dropped": "https://github.com/sipeed/picoclaw/issues/1019"},
        ),
    ),
    Provider(
        "openrouter",
        "openai",
        "https://openrouter.ai/api/v1",
        "OPENROUTER_API_KEY",
        responses="offered",
        quirks=Quirks(
            max_completion_tokens=True,
            top_k=True,
            thinking=ThinkingHistory(fields=("reasoning", "reasoning_details")),
            longest_call_id=40,
            sources={
                "longest_call_id": "https://github.com/openclaw/openclaw/pull/875",
                "thinking": "https://openrouter.ai/docs/guides/best-practices/reasoning-tokens",
                "max_completion_tokens": "https://openrouter.ai/docs/api-reference/parameters",
                "top_k": "https://openrouter.ai/docs/api-reference/parameters",
            },
        ),
    ),
    Provider("perplexity", "openai", "https://api.perplexity.ai", "PERPLEXITYAI_API_KEY"),
    Provider(
        "sambanova",
        "openai",
        "https://api.sambanova.ai/v1",
        "SAMBANOVA_API_KEY",
        quirks=top_k("https://docs.sambanova.ai/cloud/api-reference/endpoints/chat"),
    ),
    Provider(
        "together_ai",
        "openai",
        "https://api.together.ai/v1",
        "TOGETHERAI_API_KEY",
        hosts=("api.together.xyz",),
        quirks=Quirks(
            top_k=True,
            thinking=_REASONING_CONTENT,
            sources={
                "top_k": "https://docs.together.ai/reference/chat-completions-1",
                "thinking": "https://docs.together.ai/docs/reasoning-overview",
            },
        ),
    ),
    Provider(
        "vercel_ai_gateway",
        "openai",
        "https://ai-gateway.vercel.sh/v1",
        "VERCEL_AI_GATEWAY_API_KEY",
        responses="offered",
        quirks=Quirks(
            thinking=ThinkingHistory(fields=("reasoning", "reasoning_details")),
            sources={"thinking": "https://vercel.com/docs/ai-gateway/openai-compat/advanced"},
        ),
    ),
    Provider(
        "xai",
        "openai",
        "https://api.x.ai/v1",
        "XAI_API_KEY",
        "x_ai",
        responses="offered",
        quirks=Quirks(
            max_completion_tokens=True,
            dropped=frozenset({"presence_penalty", "frequency_penalty", "messages[*].name"}),
            sources={
                "max_completion_tokens": "https://docs.x.ai/docs/api-reference#chat-completions",
                "dropped": "https://github.com/miaoxworld/NativeTavern/issues/83",
            },
        ),
    ),
    Provider(
        "xiaomi_mimo",
        "openai",
        "https://api.xiaomimimo.com/v1",
        "XIAOMI_MIMO_API_KEY",
        quirks=Quirks(
            thinking=_REQUIRED,
            sources={"thinking": "https://github.com/ValueCell-ai/ClawX/discussions/1040"},
        ),
    ),
    Provider(
        "zai",
        "openai",
        "https://api.z.ai/api/paas/v4",
        "ZAI_API_KEY",
        hosts=("open.bigmodel.cn",),
        quirks=Quirks(
            json_schema=False,
            temperature=(0.0, 1.0),
            thinking=_REASONING_CONTENT,
            sources={
                "thinking": "https://docs.z.ai/guides/capabilities/thinking-mode",
                "json_schema": "https://docs.z.ai/api-reference/llm/chat-completion",
                "temperature": "https://docs.z.ai/api-reference/llm/chat-completion",
            },
        ),
    ),
)
