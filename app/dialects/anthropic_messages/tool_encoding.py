"""Tools and the choice among them, for Anthropic's API, whichever dialect they came in."""

from typing import Any

from app.dialects.anthropic_messages.claude_models import ClaudeModel
from app.dialects.anthropic_messages.content_encoding import cache_mark
from app.dialects.anthropic_messages.schemas import answer_schema, input_schema
from app.dialects.anthropic_messages.wire import NAME
from app.dialects.translation.losses import no_counterpart
from app.messages import Request, ToolCallPart, ToolChoice, ToolDefinition

_Tool = dict[str, Any]


def encode_native_tools(request: Request) -> list[_Tool]:
    """The tools of a client of this dialect, as they came."""
    native = request.native_tools(NAME)
    return native if native is not None else [_native_tool(tool) for tool in request.tools]


def encode_tools(request: Request, model: ClaudeModel) -> list[_Tool]:
    """The tools of a client of another dialect, one for each name, which is all that the API takes."""
    tools = [_tool(tool, f"tools[{at}]", model) for at, tool in enumerate(request.tools)]
    return list({tool["name"]: tool for tool in reversed(tools)}.values())[::-1]


def called_tools(request: Request) -> list[_Tool]:
    """Tools for calls in the conversation of a request that has none: calls without tools are refused."""
    if not request.has_calls:
        return []
    parts = (part for message in request.messages for part in message.parts)
    names = dict.fromkeys(part.name for part in parts if isinstance(part, ToolCallPart))
    return [{"name": name, "input_schema": input_schema(None)} for name in names]


def encode_choice(request: Request) -> _Tool | None:
    choice, parallel = request.tool_choice, request.parallel_tool_calls
    if choice is None:
        return {"type": "auto", "disable_parallel_tool_use": True} if parallel is False and request.tools else None
    if choice.mode == "none":
        return {"type": "none"}
    encoded = _choice(choice)
    return encoded if parallel is None else {**encoded, "disable_parallel_tool_use": not parallel}


def is_forced(request: Request) -> bool:
    return request.tool_choice is not None and request.tool_choice.mode in ("required", "named")


def wish_for(choice: ToolChoice | None) -> str:
    """What is said to a model that refuses to be forced."""
    return f"Call the tool {choice.name} now." if choice and choice.name else "Call one of the tools now."


def _native_tool(tool: ToolDefinition) -> _Tool:
    if tool.raw is not None:
        return tool.raw
    parameters = {"type": "object", "properties": {}} if tool.parameters is None else tool.parameters
    return {**_named(tool), "input_schema": parameters, **_strict(tool), **tool.extra}


def _tool(tool: ToolDefinition, path: str, model: ClaudeModel) -> _Tool:
    if tool.raw is not None:
        raise no_counterpart(path, "a tool of the provider's own")
    schema = input_schema(tool.parameters)
    if not model.schemas:
        strict: _Tool = {}
    else:
        strict = _strict(tool)
        schema = answer_schema(schema) if tool.strict else schema
    inner = tool.extra.get("function")
    mark = cache_mark(tool.extra) or (cache_mark(inner) if isinstance(inner, dict) else {})
    return {**_named(tool), "input_schema": schema, **strict, **mark}


def _named(tool: ToolDefinition) -> _Tool:
    return {"name": tool.name, **({} if tool.description is None else {"description": tool.description})}


def _strict(tool: ToolDefinition) -> _Tool:
    return {} if tool.strict is None else {"strict": tool.strict}


def _choice(choice: ToolChoice) -> _Tool:
    match choice.mode:
        case "named":
            return {"type": "tool", "name": choice.name}
        case "required":
            return {"type": "any"}
        case mode:
            return {"type": mode}
