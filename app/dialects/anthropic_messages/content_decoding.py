"""Content blocks of a provider's message to the parts of a message of the common form. Pure.

Calls of the provider's own tools never look like calls for the client: they and their results stand in the message's
`extra`, under `server_tools`. Citations of pages with an address become annotations.
"""

from typing import Any

import msgspec

from app.dialects.tool_calls import as_text
from app.messages import Function, Message, ThinkingBlock, ToolCall

_SERVER_CALLS = frozenset({"server_tool_use", "mcp_tool_use"})


def whole_message(content: list[dict[str, Any]], first_call: int) -> Message:
    """Join all blocks of a content to one message, whose calls are numbered from `first_call` on."""
    text: list[str] = []
    thinking: list[ThinkingBlock] = []
    calls: list[ToolCall] = []
    server_tools: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    chars = 0
    for block in content:
        match block.get("type"):
            case "text":
                notes += annotations(block.get("citations") or [], chars, chars + len(block["text"]))
                chars += len(block["text"])
                text.append(block["text"])
            case "thinking":
                thinking.append(ThinkingBlock(thinking=block["thinking"], signature=block.get("signature") or None))
            case "redacted_thinking":
                thinking.append(ThinkingBlock(type="redacted_thinking", data=block.get("data")))
            case "tool_use":
                function = Function(block.get("name"), arguments_of(block.get("input")))
                calls.append(ToolCall(first_call + len(calls), block.get("id"), function=function))
            case kind if is_server_call(kind) or is_server_result(kind):
                server_tools.append({"index": len(server_tools), **block})
    return Message(
        role="assistant",
        content="".join(text) or None,
        reasoning_content="".join(block.thinking for block in thinking) or None,
        thinking_blocks=tuple(thinking),
        tool_calls=tuple(calls),
        annotations=tuple(notes),
        extra={"server_tools": server_tools} if server_tools else {},
    )


def arguments_of(given: Any) -> str:
    """JSON text; some servers have it as such already."""
    return as_text(given) if isinstance(given, str) else msgspec.json.encode(given or {}).decode()


def is_server_call(kind: object) -> bool:
    return kind in _SERVER_CALLS


def is_server_result(kind: object) -> bool:
    return isinstance(kind, str) and kind.endswith("_tool_result")


def annotations(citations: list[dict[str, Any]], start: int, end: int) -> tuple[dict[str, Any], ...]:
    """Citations as OpenAI has them, about the characters from `start` to `end`; only pages with an address can be
    shown so."""
    return tuple(_annotation(citation, start, end) for citation in citations if _address(citation))


def _annotation(citation: dict[str, Any], start: int, end: int) -> dict[str, Any]:
    page = {
        "url": _address(citation),
        "title": citation.get("title") or "",
        "start_index": start,
        "end_index": end,
    }
    return {"type": "url_citation", "url_citation": page}


def _address(citation: dict[str, Any]) -> str | None:
    found = citation.get("url") or citation.get("source")
    return found if isinstance(found, str) and found.startswith(("http://", "https://")) else None
