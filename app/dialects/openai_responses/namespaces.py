"""Namespaces of tools, which only the Responses API has: for any other API each tool in one stands for itself. Pure.

Its name is then made of both names; `client_names` leads the calls of a response back.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Required, TypedDict

from msgspec.structs import replace

from app.dialects.openai_responses.additional_tools import with_all_tools
from app.dialects.translation.losses import no_counterpart
from app.dialects.translation.tool_names import LONGEST, cut
from app.dialects.validation import check
from app.messages import InputMessage, Part, Request, ToolCallPart, ToolChoice, ToolDefinition

_KIND = "namespace"


class _Tool(TypedDict, total=False):
    type: Required[str]
    name: Required[str]
    description: str | None
    parameters: dict[str, Any] | None
    strict: bool | None


class _Namespace(TypedDict, total=False):
    name: Required[str]
    tools: Required[list[_Tool]]


def flattened(request: Request) -> Request:
    """The request for a provider without namespaces. Raises InvalidRequest for tools in them that only a provider
    could run."""
    tools = tuple([flat for at, tool in enumerate(request.tools) for flat in _flat(tool, f"tools[{at}]")])
    messages = tuple([_with_flat_names(message) for message in request.messages])
    return replace(request, tools=tools, messages=messages, tool_choice=_flat_choice(request))


def client_names(request: Request) -> Mapping[str, dict[str, str]]:
    """The name that `flattened` gave a tool -> the fields by which an item names it for the client."""
    names = [(namespace, str(tool.get("name"))) for namespace, tool in _inner_tools(request)]
    return {flat_name(namespace, name): {"name": name, "namespace": namespace} for namespace, name in names}


def custom_names(request: Request) -> list[str]:
    """The names that `flattened` gives the custom tools in namespaces."""
    inner = _inner_tools(request)
    return [flat_name(namespace, str(tool.get("name"))) for namespace, tool in inner if tool.get("type") == "custom"]


def _inner_tools(request: Request) -> list[tuple[str, Mapping[str, Any]]]:
    """The tools in namespaces, each behind the name of its own."""
    tools = with_all_tools(request).tools
    spaces = [tool.raw for tool in tools if tool.raw and tool.raw.get("type") == _KIND]
    return [
        (str(space.get("name")), tool)
        for space in spaces
        for tool in space.get("tools") or ()
        if isinstance(tool, Mapping)
    ]


def _flat_choice(request: Request) -> ToolChoice | None:
    """The choice of a tool in a namespace, by its flat name: that namespace is named beside it, or it is the only one
    that has such a tool."""
    choice = request.tool_choice
    if choice is None or choice.name is None:
        return choice
    named = (request.extra.get("tool_choice") or {}).get(_KIND)
    outside = {tool.name for tool in request.tools if (tool.raw or {}).get("type") != _KIND}
    if named is None and choice.name in outside:
        return choice
    spaces = [space for space, tool in _inner_tools(request) if tool.get("name") == choice.name]
    spaces = [space for space in spaces if named in (None, space)]
    return replace(choice, name=flat_name(spaces[0], choice.name)) if len(spaces) == 1 else choice


def flat_name(namespace: str, name: str) -> str:
    whole = f"{namespace}__{name}"
    return whole if len(whole) <= LONGEST else cut(whole, whole)


def _flat(tool: ToolDefinition, path: str) -> Iterator[ToolDefinition]:
    if tool.raw is None or tool.raw.get("type") != _KIND:
        yield tool
        return
    space = check(tool.raw, _Namespace, path)
    for at, inner in enumerate(space["tools"]):
        name = flat_name(space["name"], inner["name"])
        match inner["type"]:
            case "function":
                yield ToolDefinition(name, inner.get("description"), inner.get("parameters"), inner.get("strict"))
            case "custom":
                yield ToolDefinition(name, raw={**inner, "name": name})
            case _:
                raise no_counterpart(f"{path}.tools[{at}]", "a tool of the provider's own")


def _with_flat_names(message: InputMessage) -> InputMessage:
    return replace(message, parts=tuple(map(_with_flat_name, message.parts)))


def _with_flat_name(part: Part) -> Part:
    if not isinstance(part, ToolCallPart) or not (namespace := part.extra.get(_KIND)):
        return part
    return replace(part, name=flat_name(str(namespace), part.name))
