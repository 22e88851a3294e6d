"""Why a model stopped, between Anthropic's words and the common form's."""

from collections.abc import Mapping
from typing import Any

from app.dialects.json_splice import Path
from app.dialects.translation.stop_reasons import common_reason

EXACT: Mapping[str, str] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""Words for which the common form has one that says no less."""
KNOWN = frozenset({*EXACT, "pause_turn", "compaction", "model_context_window_exceeded"})
"""All words of the API."""
_TO_ANTHROPIC = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}


def reason_paths(body: Mapping[str, Any]) -> list[Path]:
    """Where a message, or the event that ends one, says why it stopped."""
    return [("delta", "stop_reason") if body.get("type") == "message_delta" else ("stop_reason",)]


def native_reason(reason: str) -> str:
    """Anthropic's word for a reason to finish of any API; one that nobody knows stays: the API's list is open."""
    common = common_reason(reason)
    return reason if reason in KNOWN else _TO_ANTHROPIC.get(common, common)


def stop_reason(reason: str | None, stop_sequence: str | None, called_tools: bool) -> str:
    """Anthropic's word for the end of what was sent; a reason that a policy took away is None.

    Clients run tools on `tool_use` only, while OpenAI says `stop` after a call that was forced.
    """
    word = "end_turn" if reason is None else native_reason(reason)
    if word in ("end_turn", "stop_sequence", "tool_use") and called_tools:
        return "tool_use"
    if word == "end_turn" and stop_sequence is not None:
        return "stop_sequence"
    return "end_turn" if word == "tool_use" else word
