"""The tools of a request as a page shows them, as many as there is room for. Pure."""

from collections.abc import Collection, Sequence
from typing import Any

from msgspec import Struct

from app.console.blocks import FULL
from app.messages import ToolDefinition
from app.transcripts.changes import name_of
from app.transcripts.differences import readable_json

_MOST = 500
_ROOM = 600_000
"""Characters of all descriptions and schemas that stand on a page."""
_LINES = 400
"""Lines of a schema."""
_NAME = 100
"""What a tool counts for beside its texts."""


class ToolView(Struct, frozen=True):
    name: str
    description: str
    schema: tuple[str, ...]
    """Lines of JSON."""
    size: int
    is_new: bool = False


def tool_views(tools: Sequence[ToolDefinition], new: Collection[str] = ()) -> tuple[ToolView, ...]:
    """The tools, of which those in `new` were not there before; as many as there is room for."""
    found: list[ToolView] = []
    left = _ROOM
    for tool in tools[:_MOST]:
        if left <= 0:
            break
        found.append(_tool_view(tool, is_new=name_of(tool) in new))
        left -= len(found[-1].description) + sum(map(len, found[-1].schema)) + _NAME
    if more := len(tools) - len(found):
        found.append(ToolView(f"{more:,} more, for which there is no room here", "", (), 0))
    return tuple(found)


def _tool_view(tool: ToolDefinition, *, is_new: bool) -> ToolView:
    schema: Any = tool.parameters if tool.raw is None else tool.raw
    lines = tuple(readable_json(schema)) if schema is not None else ()
    size = len(tool.description or "") + sum(map(len, lines))
    return ToolView(name_of(tool), (tool.description or "")[:FULL], lines[:_LINES], size, is_new)
