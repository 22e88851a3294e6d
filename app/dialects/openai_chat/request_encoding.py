"""The common form to a chat completions body, whichever dialect it came in.

From Anthropic: `top_k`, cache marks, citations, thinking blocks, a thinking that is switched off and the `is_error` of
a tool result have no counterpart and are dropped; so is reasoning from a Responses client. `crossing.py` has the tables
of the rest. Names of tools that OpenAI refuses are shortened. The name of the token limit is the client's own, else the
one that every current OpenAI model takes.
"""

from typing import Any

from app.dialects.crossing import ANTHROPIC_BODY, no_counterpart, refuse_losses, refuse_losses_of_responses
from app.dialects.custom_tools import for_chat
from app.dialects.effort import effort
from app.dialects.namespaces import flattened
from app.dialects.openai_chat.message_encoding import encode_messages
from app.dialects.tool_names import with_short_names
from app.messages import Request, ToolChoice, ToolDefinition


def encode_request(request: Request) -> dict[str, Any]:
    same = request.dialect == "openai_chat"
    if not same:
        _refuse_losses(request)
        request = with_short_names(flattened(request))
    extra = request.extra if same else {}
    body: dict[str, Any] = {"model": request.model, "messages": encode_messages(request), **extra}
    body |= _options(request)
    if request.max_tokens is not None:
        body[_max_tokens_name(extra)] = request.max_tokens
    if request.tools:
        native = request.native_tools("openai_chat")
        body["tools"] = native or [_tool(tool, same, f"tools[{at}]") for at, tool in enumerate(request.tools)]
    if request.tool_choice is not None:
        body["tool_choice"] = _tool_choice(request.tool_choice, extra.get("tool_choice", {}))
    if request.parallel_tool_calls is not None and (same or request.tools):
        body["parallel_tool_calls"] = request.parallel_tool_calls
    if request.stream:
        body["stream"] = True
    if request.include_usage:
        body["stream_options"] = {**extra.get("stream_options", {}), "include_usage": True}
    return body


def _options(request: Request) -> dict[str, Any]:
    options = {
        "n": request.n,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop": list(request.stop) or None,
        "reasoning_effort": effort(request.reasoning) if request.reasoning else None,
        "response_format": request.response_format,
        "user": request.user,
    }
    return {name: value for name, value in options.items() if value is not None}


def _max_tokens_name(extra: dict[str, Any]) -> str:
    return "max_tokens" if "max_tokens" in extra and "max_completion_tokens" not in extra else "max_completion_tokens"


def _refuse_losses(request: Request) -> None:
    if request.dialect == "openai_responses":
        refuse_losses_of_responses(request)
        return
    refuse_losses(request.extra, ANTHROPIC_BODY)
    if request.extra.get("output_config", {}).get("format"):
        raise no_counterpart("output_config.format")
    if request.tool_choice is None and request.extra.get("tool_choice"):
        raise no_counterpart("tool_choice")


def _tool(tool: ToolDefinition, same: bool, path: str) -> dict[str, Any]:
    if tool.raw is not None:
        raw = tool.raw if same else for_chat(tool.raw)
        if raw is None:
            raise no_counterpart(path, "a tool of the provider's own")
        return raw
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.parameters is not None:
        function["parameters"] = tool.parameters
    if tool.strict is not None:
        function["strict"] = tool.strict
    extra = tool.extra if same else {}
    return {"type": "function", **extra, "function": {**function, **extra.get("function", {})}}


def _tool_choice(choice: ToolChoice, extra: dict[str, Any]) -> str | dict[str, Any]:
    if choice.mode != "named":
        return choice.mode
    return {**extra, "type": "function", "function": {"name": choice.name}}
