"""A choice among some of the tools (`allowed_tools`), for APIs that can only be given those tools. Pure."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from app.dialects.translation.losses import ALLOWED_TOOLS, no_counterpart
from app.messages import Request, ToolChoice


def with_allowed_tools(request: Request) -> Request:
    """The request with only those tools that its client allows, and a plain choice among them. Where one has to be
    called and only one is allowed, that is the choice, and all tools stay: so does the beginning of the prompt."""
    choice = request.extra.get("tool_choice")
    if request.tool_choice is not None or not isinstance(choice, dict) or choice.get("type") != ALLOWED_TOOLS:
        return request
    # OpenAI's two APIs differ in whether the fields lie one level deeper.
    inner = choice.get(ALLOWED_TOOLS, choice)
    names = [name for tool in _mappings(inner.get("tools")) if (name := _name(tool))] if _is_mapping(inner) else []
    if not names:
        raise no_counterpart("tool_choice")
    extra = {name: value for name, value in request.extra.items() if name != "tool_choice"}
    is_required = inner.get("mode") == "required"
    if is_required and len(names) == 1:
        return replace(request, tool_choice=ToolChoice("named", names[0]), extra=extra)
    tools = tuple([tool for tool in request.tools if tool.name in names])
    return replace(request, tools=tools, tool_choice=ToolChoice("required" if is_required else "auto"), extra=extra)


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping)


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _name(tool: Mapping[str, Any]) -> str | None:
    inner = tool.get(str(tool.get("type")))
    name = tool.get("name") or (inner.get("name") if isinstance(inner, Mapping) else None)
    return name if isinstance(name, str) else None


def may_choose_tools(request: Request, same: bool) -> bool:
    """Whether a body may say how tools are chosen: only beside tools, but that a client of the `same` API may refer to
    tools that its provider knows already."""
    return bool(request.tools) or (same and not request.chooses_among_no_tools)
