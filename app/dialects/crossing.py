"""What happens to fields that another dialect has no word for: dropped where an answer without them still answers the
question, refused where it would be one to another question. What is not in a table is unknown, and dropped.
"""

from collections.abc import Mapping
from typing import Any, Literal

from app.errors import InvalidRequest
from app.messages import OpaquePart, Request

Fate = Literal["dropped", "refused"]

OPENAI_BODY: dict[str, Fate] = {
    "audio": "refused",
    "frequency_penalty": "dropped",
    "function_call": "refused",
    "functions": "refused",
    "logit_bias": "refused",
    "logprobs": "refused",
    "max_completion_tokens": "dropped",  # only the name: its value is `Request.max_tokens`
    "max_tokens": "dropped",
    "metadata": "dropped",
    "modalities": "refused",
    "moderation": "dropped",
    "prediction": "dropped",
    "presence_penalty": "dropped",
    "prompt_cache_key": "dropped",
    "prompt_cache_options": "dropped",
    "prompt_cache_retention": "dropped",
    "safety_identifier": "dropped",
    "seed": "dropped",
    "service_tier": "dropped",
    "store": "dropped",
    "stream_options": "dropped",
    "top_logprobs": "dropped",
    "verbosity": "dropped",
    "web_search_options": "refused",
}
OPENAI_MESSAGE: dict[str, Fate] = {"audio": "refused", "name": "dropped", "annotations": "dropped"}

COMPLETIONS_BODY: dict[str, Fate] = {
    "best_of": "refused",
    "echo": "refused",
    "logprobs": "refused",
    "suffix": "refused",
}
"""Of legacy completions, for models that only chat."""

ANTHROPIC_BODY: dict[str, Fate] = {
    "cache_control": "dropped",
    "container": "refused",
    "context_management": "dropped",
    "diagnostics": "dropped",
    "inference_geo": "refused",
    "mcp_servers": "refused",
    "metadata": "dropped",
    "output_config": "dropped",
    "service_tier": "dropped",
    "speed": "dropped",
    "user_profile_id": "dropped",
    "workspace_id": "dropped",
}

RESPONSES_BODY: dict[str, Fate] = {
    "background": "refused",
    "context_management": "dropped",
    "conversation": "refused",
    "include": "dropped",  # but for log probabilities, which are refused
    "max_tool_calls": "dropped",
    "metadata": "dropped",
    "moderation": "dropped",
    "previous_response_id": "refused",
    "prompt": "refused",
    "prompt_cache_key": "dropped",
    "prompt_cache_options": "dropped",
    "prompt_cache_retention": "dropped",
    "safety_identifier": "dropped",
    "service_tier": "dropped",
    "store": "dropped",
    "stream_options": "dropped",
    "text": "dropped",  # only its verbosity: its format is `Request.response_format`
    "top_logprobs": "refused",
    "truncation": "dropped",
}

OPAQUE_PARTS: dict[str, Fate] = {
    # What a provider's own tools did in an earlier turn; the answer that was made of it stands beside it as text.
    "server_tool_use": "dropped",
    "web_search_tool_result": "dropped",
    "web_fetch_tool_result": "dropped",
    "code_execution_tool_result": "dropped",
    "bash_code_execution_tool_result": "dropped",
    "text_editor_code_execution_tool_result": "dropped",
    "tool_search_tool_result": "dropped",
    "tool_reference": "dropped",
    "web_search_call": "dropped",
    "file_search_call": "dropped",
    "code_interpreter_call": "dropped",
    "image_generation_call": "dropped",
    "mcp_list_tools": "dropped",
    "mcp_call": "dropped",
    "tool_search_call": "dropped",
    "tool_search_output": "dropped",
}
"""By `type`; every other kind of part is content that the model was meant to read, and refused."""

_FOR_THE_CLIENT = frozenset(["custom", "namespace"])
_THINKING = "rs_"
_LOGPROBS = "message.output_text.logprobs"
_HARMLESS: dict[str, object] = {"modalities": ["text"], "best_of": 1}


def refuse_losses(extra: Mapping[str, Any], fates: Mapping[str, Fate], path: str = "") -> None:
    for name, value in extra.items():
        if fates.get(name) == "refused" and value and value != _HARMLESS.get(name):
            raise no_counterpart(f"{path}{name}")


def refuse_losses_of_responses(request: Request) -> None:
    """What only the Responses API has, whatever other dialect the provider speaks."""
    refuse_losses(request.extra, RESPONSES_BODY)
    if _LOGPROBS in (request.extra.get("include") or ()):
        raise no_counterpart("include", "log probabilities")
    if request.extra.get("text", {}).get("format"):
        raise no_counterpart("text.format")
    if request.tool_choice is None and request.extra.get("tool_choice"):
        raise no_counterpart("tool_choice")
    for at, tool in enumerate(request.tools):
        if tool.raw is not None and tool.raw.get("type") not in _FOR_THE_CLIENT:
            raise no_counterpart(f"tools[{at}]", "a tool of the provider's own")


def refuse_opaque(part: OpaquePart, path: str) -> None:
    kind = part.raw.get("type")
    if kind == "item_reference":
        _refuse_reference(str(part.raw.get("id")), path)
    elif OPAQUE_PARTS.get(str(kind)) != "dropped":
        raise no_counterpart(path, f"a part of type {kind!r}")


def _refuse_reference(id: str, path: str) -> None:
    """To thinking that nobody kept, as SDKs send it in place of the item: dropped as all thinking of others is."""
    if not id.startswith(_THINKING):
        said = f"{path}: the provider of this model keeps no items; send the item itself (store: false)."
        raise InvalidRequest(said, param=path)


def no_counterpart(path: str, what: str = "this field") -> InvalidRequest:
    return InvalidRequest(f"{path}: {what} cannot be translated for the provider of this model.", param=path)
