"""Names of tools that OpenAI would refuse: shortened on their way there, and given back in its answers. Pure.

Anthropic takes 128 characters, and some clients build names of servers and paths; OpenAI takes 64, of fewer kinds.
"""

import re
from collections.abc import Mapping

from msgspec.structs import replace

from app.dialects.cut_names import LONGEST, cut
from app.dialects.namespaces import own_names
from app.messages import (
    Choice,
    InputMessage,
    Message,
    ModelResponse,
    Part,
    Request,
    ToolCall,
    ToolCallPart,
    ToolDefinition,
)

_LEGAL = re.compile(rf"[a-zA-Z0-9_-]{{1,{LONGEST}}}")
_ILLEGAL = re.compile(r"[^a-zA-Z0-9_-]")


def to_openai(name: str) -> str:
    return name if _LEGAL.fullmatch(name) else cut(_ILLEGAL.sub("_", name), name)


def with_short_names(request: Request) -> Request:
    """The request with names as OpenAI takes them."""
    tools = tuple([_short_tool(tool) for tool in request.tools])
    choice = request.tool_choice
    if choice is not None and choice.name is not None and (name := to_openai(choice.name)) != choice.name:
        choice = replace(choice, name=name)
    return replace(request, tools=tools, tool_choice=choice, messages=tuple(map(_short_message, request.messages)))


def shortened(request: Request) -> dict[str, str]:
    """The client's own names by those that OpenAI gets in their place: usually none."""
    if request.dialect not in ("anthropic_messages", "openai_responses") or not request.tools:
        return {}
    names = [*own_names(request), *(tool.name for tool in request.tools if tool.raw is None)]
    return {short: name for name in names if (short := to_openai(name)) != name}


def _short_tool(tool: ToolDefinition) -> ToolDefinition:
    return tool if tool.raw is not None else replace(tool, name=to_openai(tool.name))


def _short_message(message: InputMessage) -> InputMessage:
    return replace(message, parts=tuple(map(_short_part, message.parts)))


def _short_part(part: Part) -> Part:
    if not isinstance(part, ToolCallPart) or part.extra.get("type") == "custom":
        return part
    return replace(part, name=to_openai(part.name))


def with_own_names(response: ModelResponse, own: Mapping[str, str]) -> ModelResponse:
    """The same object where nothing of it was shortened."""
    if not own:
        return response
    choices = tuple([_choice(choice, own) for choice in response.choices])
    if all(new is old for new, old in zip(choices, response.choices, strict=True)):
        return response
    return replace(response, choices=choices, native=None)


def _choice(choice: Choice, own: Mapping[str, str]) -> Choice:
    if choice.delta is not None and (delta := _message(choice.delta, own)) is not choice.delta:
        choice = replace(choice, delta=delta)
    if choice.message is not None and (message := _message(choice.message, own)) is not choice.message:
        choice = replace(choice, message=message)
    return choice


def _message(said: Message, own: Mapping[str, str]) -> Message:
    if not any(call.function.name in own for call in said.tool_calls):
        return said
    return replace(said, tool_calls=tuple([_call(call, own) for call in said.tool_calls]))


def _call(call: ToolCall, own: Mapping[str, str]) -> ToolCall:
    name = own.get(call.function.name or "")
    return call if name is None else replace(call, function=replace(call.function, name=name))
