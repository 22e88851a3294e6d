"""Tools that stand among the items of the input (`additional_tools`), which only the Responses API has. Pure.

Codex sends all its tools so to models that it knows as newer ones. For any other API they are tools of the request,
behind those that stand in the field for tools.
"""

from collections.abc import Mapping
from typing import Any, Required, TypedDict

from msgspec.structs import replace

from app.dialects.openai_responses import wire
from app.dialects.openai_responses.tools import decode_tool
from app.dialects.openai_responses.wire import INSTRUCTIONS, ITEM
from app.dialects.validation import check
from app.messages import OpaquePart, Request

KIND = "additional_tools"


class _AdditionalTools(TypedDict, total=False):
    tools: Required[list[wire.Tool]]


def with_all_tools(request: Request) -> Request:
    """The request with those tools among its others; the same object where there are none."""
    if not (items := _items(request)):
        return request
    known = request.tools
    written = [tool for _, item in items for tool in item.get("tools") or ()]
    more = [decoded for tool in written if _is_well_made(tool) and (decoded := decode_tool(tool, KIND)) not in known]
    return replace(request, tools=(*request.tools, *more)) if more else request


def refuse_malformed(request: Request) -> None:
    """Raise InvalidRequest for one of those tools that is not well made."""
    for path, item in _items(request):
        for at, tool in enumerate(check(item, _AdditionalTools, path)["tools"]):
            decode_tool(tool, f"{path}.tools[{at}]")


def _is_well_made(tool: Any) -> bool:
    if not isinstance(tool, Mapping) or not isinstance(tool.get("type"), str):
        return False
    return isinstance(tool.get("name"), str) or tool["type"] != "function"


def _items(request: Request) -> list[tuple[str, dict[str, Any]]]:
    """The items of this kind, each behind its path: usually none."""
    found: list[tuple[str, dict[str, Any]]] = []
    at = 0
    for message in request.messages:
        kind = message.extra.get("type")
        if kind == ITEM:
            match message.parts:
                case (OpaquePart(raw={"type": "additional_tools"} as raw),):
                    found.append((f"input[{at}]", raw))
        at += kind != INSTRUCTIONS
    return found
