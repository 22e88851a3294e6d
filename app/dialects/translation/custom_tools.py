"""Custom tools, of which the model calls with plain text and not with JSON, for APIs that know functions alone. Pure.

Only OpenAI's APIs have them. Elsewhere such a tool is a function with one argument, a text named `input`, and so are
the calls of earlier turns; a grammar for the text is told in words. `custom_calls` leads the calls of a response back.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from app.dialects.dialect import RequestDialect, dialect_of
from app.messages import InputMessage, Part, Request, ToolCallPart, ToolDefinition

KIND = "custom"
"""As `type` in the `extra` of a call, and as `type` of a call in a response: what it is called with is plain text."""
INPUT = "input"
_CACHE_MARK = "cache_control"
_TEXT = "All that the tool is given, as plain text."
_GRAMMAR = "{} It has to match this grammar ({}):\n{}"


def custom_tools(request: Request) -> list[str]:
    """Names of its tools that are custom ones, as a provider without groups of tools knows them."""
    return dialect_of(request).custom_tools(request)


def is_custom(request: Request, name: str | None) -> bool:
    """Whether a name is that of a custom tool, where tools stand for themselves."""
    client = dialect_of(request)
    return any(tool.name == name and tool.raw and client.custom_tool(tool.raw) for tool in request.tools)


def with_functions(request: Request) -> Request:
    """The request with functions in place of custom tools and of calls to them; the same object where there are none.

    Tools in groups have to stand for themselves before."""
    changed: dict[str, Any] = {}
    if request.tools:
        client = dialect_of(request)
        tools = tuple([_function(tool, client) for tool in request.tools])
        if any(new is not old for new, old in zip(tools, request.tools, strict=True)):
            changed["tools"] = tools
    # A list and no generator, which would be entered once for each part of a long conversation.
    if request.has_calls and any(
        map(_is_custom_call, [part for message in request.messages for part in message.parts])
    ):
        changed["messages"] = tuple(map(_with_function_calls, request.messages))
    if (request.extra.get("tool_choice") or {}).get("type") == KIND:
        changed["extra"] = {name: value for name, value in request.extra.items() if name != "tool_choice"}
    return replace(request, **changed) if changed else request


def _function(tool: ToolDefinition, client: RequestDialect) -> ToolDefinition:
    custom = client.custom_tool(tool.raw) if tool.raw is not None else None
    if custom is None:
        return tool
    parameters = {
        "type": "object",
        "properties": {INPUT: {"type": "string", "description": _instruction(custom.get("format"))}},
        "required": [INPUT],
        "additionalProperties": False,
    }
    marks = [given[_CACHE_MARK] for given in (custom, tool.raw or {}) if isinstance(given.get(_CACHE_MARK), dict)]
    extra = {_CACHE_MARK: marks[0]} if marks else {}
    return ToolDefinition(tool.name, custom.get("description"), parameters, extra=extra)


def _instruction(wanted: Any) -> str:
    match wanted:
        case {"type": "grammar", "syntax": str(syntax), "definition": str(definition)}:
            return _GRAMMAR.format(_TEXT, syntax, definition)
        case _:
            return _TEXT


def _with_function_calls(message: InputMessage) -> InputMessage:
    if not any(_is_custom_call(part) for part in message.parts):
        return message
    return replace(message, parts=tuple(map(_as_function_call, message.parts)))


def _is_custom_call(part: Part) -> bool:
    return isinstance(part, ToolCallPart) and part.extra.get("type") == KIND


def _as_function_call(part: Part) -> Part:
    if not isinstance(part, ToolCallPart) or not _is_custom_call(part):
        return part
    extra = {name: value for name, value in part.extra.items() if name != "type"}
    return replace(part, arguments=arguments_of(part.arguments), extra=extra)


def arguments_of(text: str) -> str:
    """The arguments of the function, for what the custom tool was called with."""
    arguments: Mapping[str, str] = {INPUT: text}
    return msgspec.json.encode(arguments).decode()
