"""Namespaces of tools, which only the Responses API has: for any other API each tool in one stands for itself. Pure.

Its name is then made of both names; `client_names` leads the calls of a response back.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Required, TypedDict

from msgspec.structs import replace

from app.dialects.translation.losses import no_counterpart
from app.dialects.translation.tool_names import LONGEST, cut
from app.dialects.validation import check
from app.messages import InputMessage, Part, Request, ToolCallPart, ToolDefinition

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
    return replace(request, tools=tools, messages=tuple([_with_flat_names(message) for message in request.messages]))


def client_names(request: Request) -> Mapping[str, dict[str, str]]:
    """The name that `flattened` gave a tool -> the fields by which an item names it for the client."""
    spaces = [tool.raw for tool in request.tools if tool.raw and tool.raw.get("type") == _KIND]
    names = [(str(space.get("name")), str(tool.get("name"))) for space in spaces for tool in space.get("tools") or ()]
    return {flat_name(namespace, name): {"name": name, "namespace": namespace} for namespace, name in names}


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
