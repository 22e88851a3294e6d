"""Tools that a provider runs itself, such as its web search, on the way to a provider that does not have them. Pure.

Agents send them beside their own, whatever the model is (Codex its web search), and go on without: such a tool is left
out, and the attempt's span names it. Where the client demands it, or has no other, the answer would be one to another
question: InvalidRequest.
"""

from collections.abc import Collection
from typing import Any

from msgspec.structs import replace

from app.dialects.translation.losses import no_counterpart
from app.messages import Request, ToolDefinition

_WHAT = "a tool that the provider would have to run"


def hosted(tools: Collection[ToolDefinition], kinds: tuple[str, ...]) -> tuple[ToolDefinition, ...]:
    """Return the tools whose type begins with one of `kinds`; types are dated, as in `web_search_20250305`."""
    return tuple(tool for tool in tools if tool.raw is not None and _kind(tool.raw).startswith(kinds))


def without_hosted(request: Request, left_out: Collection[ToolDefinition]) -> Request:
    """The request without the tools that `hosted` found. Raises InvalidRequest if the client demands a call of one, or
    has no others."""
    if not left_out:
        return request
    choice, tools = request.tool_choice, tuple(tool for tool in request.tools if tool not in left_out)
    if choice is not None and choice.name in {tool.name for tool in left_out}:
        raise no_counterpart("tool_choice", _WHAT)
    if not tools:
        raise no_counterpart("tools[0]", _WHAT)
    return replace(request, tools=tools)


def _kind(raw: dict[str, Any]) -> str:
    return str(raw.get("type", ""))
