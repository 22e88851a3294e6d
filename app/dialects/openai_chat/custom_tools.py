"""Custom tools, which chat completions write one level deeper than the flat form that dialects share, a grammar two."""

from collections.abc import Mapping
from typing import Any

_FIELDS = ("name", "description", "format")


def flat(raw: Mapping[str, Any]) -> dict[str, Any] | None:
    """The flat form of a tool; None if it is of another kind."""
    match raw:
        case {
            "type": "custom",
            "custom": {"name": _, "format": {"type": "grammar", "grammar": dict(grammar)}} as custom,
        }:
            return {"type": "custom", **custom, "format": {"type": "grammar", **grammar}}
        case {"type": "custom", "custom": {"name": _} as custom}:
            return {"type": "custom", **custom}
        case _:
            return None


def nested(tool: Mapping[str, Any]) -> dict[str, Any]:
    """A custom tool in its flat form, as chat completions have it."""
    custom = {name: tool[name] for name in _FIELDS if tool.get(name) is not None}
    match custom.get("format"):
        case {"type": "grammar", **grammar}:
            custom["format"] = {"type": "grammar", "grammar": grammar}
    return {"type": "custom", "custom": custom}
