"""The common form to a messages body, whichever dialect it came in.

From OpenAI: `max_tokens` is required here and gets a default; `effort` becomes a budget where thinking is allowed at
all; `thinking` and `top_k` may be said in Anthropic's own words; what cannot be said is dropped or refused by the
tables in `crossing.py`. More than one answer (`n`) is refused.
"""

from typing import Any

from app.dialects.anthropic_messages.message_encoding import encode_messages
from app.dialects.crossing import (
    OPENAI_BODY,
    OPENAI_MESSAGE,
    no_counterpart,
    refuse_losses,
    refuse_losses_of_responses,
)
from app.dialects.effort import budget
from app.dialects.namespaces import flattened
from app.dialects.places import placed
from app.messages import Reasoning, Request, ThinkingPart, ToolCallPart, ToolChoice, ToolDefinition

DEFAULT_MAX_TOKENS = 4096


def encode_request(request: Request) -> dict[str, Any]:
    same = request.dialect == "anthropic_messages"
    if not same:
        _refuse_losses(request)
        request = flattened(request)
    if request.n is not None and request.n > 1:
        raise no_counterpart("n", "more than one answer")
    extra = request.extra if same else _own_words(request.extra)
    system, messages = encode_messages(request)
    thinking = _thinking(request, same)
    body: dict[str, Any] = {"model": request.model, "max_tokens": _max_tokens(request, thinking), "messages": messages}
    body |= extra
    body |= {"system": system} if system else {}
    body |= _options(request)
    if request.tools:
        native = request.native_tools("anthropic_messages")
        body["tools"] = native or [_tool(tool, same, f"tools[{at}]") for at, tool in enumerate(request.tools)]
    if choice := _tool_choice(request):
        body["tool_choice"] = {**extra.get("tool_choice", {}), **choice}
    if thinking:
        body["thinking"] = thinking
    if request.user is not None:
        body["metadata"] = {**extra.get("metadata", {}), "user_id": request.user}
    if output := _output_config(request, same):
        body["output_config"] = output
    return body


def _own_words(extra: dict[str, Any]) -> dict[str, Any]:
    """What clients of other dialects that know the model say in Anthropic's words, as LiteLLM has them do."""
    return {name: extra[name] for name in ("thinking", "top_k") if name in extra}


def _options(request: Request) -> dict[str, Any]:
    options = {
        "stream": request.stream or None,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "top_k": request.top_k,
        "stop_sequences": list(request.stop) or None,
    }
    return {name: value for name, value in options.items() if value is not None}


def _refuse_losses(request: Request) -> None:
    if request.dialect == "openai_responses":
        refuse_losses_of_responses(request)
        return
    refuse_losses(request.extra, OPENAI_BODY)
    if request.tool_choice is None and request.extra.get("tool_choice"):
        raise no_counterpart("tool_choice")
    for at, message in enumerate(request.messages):
        refuse_losses(message.extra, OPENAI_MESSAGE, f"messages[{at}].")


def _max_tokens(request: Request, thinking: dict[str, Any] | None) -> int:
    if request.max_tokens is not None:
        return request.max_tokens
    return DEFAULT_MAX_TOKENS + ((thinking or {}).get("budget_tokens") or 0)


def _thinking(request: Request, same: bool) -> dict[str, Any] | None:
    if isinstance(own := _own_words(request.extra).get("thinking"), dict):
        return own
    reasoning = request.reasoning
    if reasoning is None:
        return None
    if same:
        return _own_thinking(reasoning)
    tokens = budget(reasoning, request.max_tokens) if _may_think(request) else None
    return None if tokens is None else {"type": "enabled", "budget_tokens": tokens}


def _own_thinking(reasoning: Reasoning) -> dict[str, Any] | None:
    if not reasoning.enabled:
        return {"type": "disabled", **reasoning.extra}
    if reasoning.budget_tokens is None and not reasoning.extra:
        return None
    tokens = {} if reasoning.budget_tokens is None else {"budget_tokens": reasoning.budget_tokens}
    return {"type": "enabled", **reasoning.extra, **tokens}


def _may_think(request: Request) -> bool:
    """An effort is a hint, and Anthropic refuses thinking with a forced tool, with most sampling parameters, and after
    a tool call whose own thinking is not in the conversation any more."""
    forced = request.tool_choice is not None and request.tool_choice.mode in ("required", "named")
    sampled = request.temperature not in (None, 1) or request.top_k is not None
    said = next((message.parts for _, message in reversed(placed(request)) if message.role == "assistant"), ())
    calls = any(isinstance(part, ToolCallPart) for part in said)
    signed = any(isinstance(part, ThinkingPart) and part.signature for part in said)
    return not forced and not sampled and (signed or not calls)


def _output_config(request: Request, same: bool) -> dict[str, Any]:
    config: dict[str, Any] = dict(request.extra.get("output_config", {})) if same else {}
    if same and request.reasoning is not None and request.reasoning.effort is not None:
        config["effort"] = request.reasoning.effort
    if wanted := _output_format(request):
        config["format"] = {**config.get("format", {}), **wanted}
    return config


def _output_format(request: Request) -> dict[str, Any] | None:
    match request.response_format:
        case None | {"type": "text"}:
            return None
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            return {"type": "json_schema", "schema": schema}
        case _:
            name = "text.format" if request.dialect == "openai_responses" else "response_format"
            raise no_counterpart(name, "an answer format without a JSON schema")


def _tool(tool: ToolDefinition, same: bool, path: str) -> dict[str, Any]:
    if tool.raw is not None:
        if not same:
            raise no_counterpart(path, "a tool of the provider's own")
        return tool.raw
    encoded: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        encoded["description"] = tool.description
    encoded["input_schema"] = {"type": "object", "properties": {}} if tool.parameters is None else tool.parameters
    if tool.strict is not None:
        encoded["strict"] = tool.strict
    return {**encoded, **(tool.extra if same else {})}


def _tool_choice(request: Request) -> dict[str, Any] | None:
    choice, parallel = request.tool_choice, request.parallel_tool_calls
    if choice is None:
        return {"type": "auto", "disable_parallel_tool_use": True} if parallel is False and request.tools else None
    if choice.mode == "none":
        return {"type": "none"}
    encoded = _choice(choice)
    return encoded if parallel is None else {**encoded, "disable_parallel_tool_use": not parallel}


def _choice(choice: ToolChoice) -> dict[str, Any]:
    match choice.mode:
        case "named":
            return {"type": "tool", "name": choice.name}
        case "required":
            return {"type": "any"}
        case mode:
            return {"type": mode}
