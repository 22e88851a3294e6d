"""Items of a response for the tools that a provider of another dialect ran itself. No client is to run them.

Searches, pages, code and calls of MCP servers have an item of their own here. All other tools, and the results of all
of them, are dropped: the answer that was made of them stands beside them as text.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

_Item = dict[str, Any]


def items_of(block: Iterable[Any], prefix: str) -> list[_Item]:
    found = (item_of(one, f"{prefix}_{at}") for at, one in enumerate(block) if isinstance(one, Mapping))
    return [item for item in found if item is not None]


def item_of(block: Mapping[str, Any], id: str) -> _Item | None:
    """Return the item for a content block of Anthropic's; None if there is no counterpart."""
    given = block.get("input")
    given = given if isinstance(given, dict) else {}
    match block.get("type"), block.get("name"):
        case "server_tool_use", "web_search":
            return _search(id, {"type": "search", "query": str(given.get("query", ""))})
        case "server_tool_use", "web_fetch":
            return _search(id, {"type": "open_page", "url": str(given.get("url", ""))})
        case "server_tool_use", str() as name if name.endswith("code_execution"):
            code = given.get("code") or given.get("command") or ""
            return {**_done(id, "code_interpreter_call"), "code": str(code), "container_id": "", "outputs": None}
        case "mcp_tool_use", str() as name:
            arguments = msgspec.json.encode(given).decode()
            server = str(block.get("server_name", ""))
            return {**_done(id, "mcp_call"), "name": name, "server_label": server, "arguments": arguments}
        case _:
            return None


def _search(id: str, action: _Item) -> _Item:
    return {**_done(id, "web_search_call"), "action": action}


def _done(id: str, kind: str) -> _Item:
    return {"id": id, "type": kind, "status": "completed"}
