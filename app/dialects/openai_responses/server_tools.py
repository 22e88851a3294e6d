"""What a provider of another dialect did with tools of its own, as items of a response: shown, never to be run.

Searches, pages, code and calls of MCP servers have an item of their own here. All other tools, and the results of all
of them, are dropped: the answer that was made of them stands beside them as text.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

_Item = dict[str, Any]


def own_items(said: Iterable[Any], prefix: str) -> list[_Item]:
    found = (own_item(one, f"{prefix}_{at}") for at, one in enumerate(said) if isinstance(one, Mapping))
    return [item for item in found if item is not None]


def own_item(said: Mapping[str, Any], id: str) -> _Item | None:
    """`said`: a content block of Anthropic's."""
    given = said.get("input")
    given = given if isinstance(given, dict) else {}
    match said.get("type"), said.get("name"):
        case "server_tool_use", "web_search":
            return _search(id, {"type": "search", "query": str(given.get("query", ""))})
        case "server_tool_use", "web_fetch":
            return _search(id, {"type": "open_page", "url": str(given.get("url", ""))})
        case "server_tool_use", str() as name if name.endswith("code_execution"):
            code = given.get("code") or given.get("command") or ""
            return {**_done(id, "code_interpreter_call"), "code": str(code), "container_id": "", "outputs": None}
        case "mcp_tool_use", str() as name:
            arguments = msgspec.json.encode(given).decode()
            server = str(said.get("server_name", ""))
            return {**_done(id, "mcp_call"), "name": name, "server_label": server, "arguments": arguments}
        case _:
            return None


def _search(id: str, action: _Item) -> _Item:
    return {**_done(id, "web_search_call"), "action": action}


def _done(id: str, kind: str) -> _Item:
    return {"id": id, "type": kind, "status": "completed"}
