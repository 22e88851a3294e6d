"""Names of tools that OpenAI would refuse: shortened on their way there, and given back in its responses. Pure.

Anthropic takes 128 characters, and some clients build names of servers and paths; OpenAI takes 64, of fewer kinds. A
name that is too long is cut and gets a digest, the same name always alike, so that calls in a conversation fit the
tools beside them.
"""

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256

from msgspec.structs import replace

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

LONGEST = 64
"""Characters in a name that OpenAI takes."""
_DIGEST = 8
_LEGAL = re.compile(rf"[a-zA-Z0-9_-]{{1,{LONGEST}}}")
_ILLEGAL = re.compile(r"[^a-zA-Z0-9_-]")


def cut(name: str, whole: str) -> str:
    """Cut `name` so that a digest of `whole`, the name that it stands for, has room behind it."""
    return f"{name[: LONGEST - _DIGEST - 1]}_{sha256(whole.encode()).hexdigest()[:_DIGEST]}"


def to_openai(name: str) -> str:
    return name if _LEGAL.fullmatch(name) else cut(_ILLEGAL.sub("_", name), name)


def with_short_names(request: Request) -> Request:
    """Shorten the names of functions, of calls to them and of the one that was chosen, to what OpenAI takes."""
    choice = request.tool_choice
    if not request.tools and choice is None and not request.has_calls:
        return request
    tools = tuple([_short_tool(tool) for tool in request.tools])
    if choice is not None and choice.name is not None and (name := to_openai(choice.name)) != choice.name:
        choice = replace(choice, name=name)
    return replace(request, tools=tools, tool_choice=choice, messages=tuple(map(_short_message, request.messages)))


def shortened(names: Iterable[str]) -> dict[str, str]:
    """The names that OpenAI gets -> those of `names` that they stand for: usually none."""
    return {short: name for name in names if (short := to_openai(name)) != name}


def function_names(request: Request) -> list[str]:
    return [tool.name for tool in request.tools if tool.raw is None]


def _short_tool(tool: ToolDefinition) -> ToolDefinition:
    return tool if tool.raw is not None else replace(tool, name=to_openai(tool.name))


def _short_message(message: InputMessage) -> InputMessage:
    return replace(message, parts=tuple(map(_short_part, message.parts)))


def _short_part(part: Part) -> Part:
    if not isinstance(part, ToolCallPart) or part.extra.get("type") == "custom":
        return part
    return replace(part, name=to_openai(part.name))


def with_client_names(response: ModelResponse, names: Mapping[str, str]) -> ModelResponse:
    """Give calls of tools the client's own names; the same object comes back where none was shortened."""
    if not names:
        return response
    choices = tuple([_choice(choice, names) for choice in response.choices])
    if all(new is old for new, old in zip(choices, response.choices, strict=True)):
        return response
    return replace(response, choices=choices)


def _choice(choice: Choice, names: Mapping[str, str]) -> Choice:
    if choice.delta is not None and (delta := _message(choice.delta, names)) is not choice.delta:
        choice = replace(choice, delta=delta)
    if choice.message is not None and (message := _message(choice.message, names)) is not choice.message:
        choice = replace(choice, message=message)
    return choice


def _message(message: Message, names: Mapping[str, str]) -> Message:
    if not any(call.function.name in names for call in message.tool_calls):
        return message
    return replace(message, tool_calls=tuple([_call(call, names) for call in message.tool_calls]))


def _call(call: ToolCall, names: Mapping[str, str]) -> ToolCall:
    name = names.get(call.function.name or "")
    return call if name is None else replace(call, function=replace(call.function, name=name))
