"""Custom tools, which both of OpenAI's APIs have: chat completions write them one level deeper, a grammar two."""

from typing import Any

_FIELDS = ("name", "description", "format")


def for_chat(raw: dict[str, Any]) -> dict[str, Any] | None:
    """A Responses tool as chat completions have it; None for one of any other kind."""
    if raw.get("type") != "custom" or "name" not in raw:
        return None
    custom = {name: raw[name] for name in _FIELDS if raw.get(name) is not None}
    match custom.get("format"):
        case {"type": "grammar", **grammar}:
            custom["format"] = {"type": "grammar", "grammar": grammar}
    return {"type": "custom", "custom": custom}


def for_responses(raw: dict[str, Any]) -> dict[str, Any] | None:
    """A chat completions tool as the Responses API has it; None for one of any other kind."""
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
