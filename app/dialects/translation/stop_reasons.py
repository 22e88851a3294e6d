"""Why a model stopped, for a client of another API: the nearest of OpenAI's words.

What providers' words mean is one table (`app.dialects.finish_reasons`). A reason that is missing is a broken stream,
and is found out before it comes here; what is None here was taken away by a policy, and becomes the plain end of what
was sent.
"""

from collections.abc import Mapping
from typing import Any

from app.dialects.finish_reasons import meaning_of
from app.dialects.json_splice import Path


def reasons_of_choices(body: Mapping[str, Any]) -> list[Path]:
    """Where completions, whole or a chunk of one, say why each choice ended."""
    return [("choices", at, "finish_reason") for at in range(len(body.get("choices") or ()))]


def common_reason(reason: str | None) -> str:
    """The nearest word of OpenAI's; a reason that nobody knows stays as the provider wrote it."""
    if reason is None:
        return "stop"
    return meaning_of(reason) or reason


def finish_reason(reason: str | None, called_tools: bool) -> str:
    """The finish reason for a client of chat completions."""
    if reason is None:
        return "tool_calls" if called_tools else "stop"
    word = common_reason(reason)
    if word == "stop" and called_tools:
        # Some providers say so, and OpenAI itself after a call that was forced: agents run tools on this word only.
        return "tool_calls"
    # A client that is told of tool calls and finds none would wait for them or crash.
    return "stop" if word in ("tool_calls", "function_call") and not called_tools else word
