"""A content block of a stream while it is open, and what of a block another dialect can show. Pure."""

from dataclasses import dataclass, field
from typing import Any

from app.dialects.tool_calls import as_object

_SERVER_CALLS = frozenset({"server_tool_use", "mcp_tool_use"})


@dataclass(slots=True)
class OpenBlock:
    """`said` is its start; `call` the position of the client's tool call that it is."""

    said: dict[str, Any]
    first_char: int
    call: int | None = None
    arguments: list[str] = field(default_factory=list)
    citations: list[dict[str, Any]] = field(default_factory=list)

    def with_input(self) -> dict[str, Any]:
        return {**self.said, "input": as_object("".join(self.arguments))} if self.arguments else self.said


def is_server_call(kind: object) -> bool:
    return kind in _SERVER_CALLS


def is_server_result(kind: object) -> bool:
    return isinstance(kind, str) and kind.endswith("_tool_result")


def annotations(citations: list[dict[str, Any]], start: int, end: int) -> tuple[dict[str, Any], ...]:
    """As OpenAI has them, about the characters from `start` to `end`; only pages with an address can be shown so."""
    return tuple(_annotation(citation, start, end) for citation in citations if _address(citation))


def _annotation(citation: dict[str, Any], start: int, end: int) -> dict[str, Any]:
    place = {"url": _address(citation), "title": citation.get("title") or "", "start_index": start, "end_index": end}
    return {"type": "url_citation", "url_citation": place}


def _address(citation: dict[str, Any]) -> str | None:
    found = citation.get("url") or citation.get("source")
    return found if isinstance(found, str) and found.startswith(("http://", "https://")) else None
