"""Why a model stopped, for a client of another API: the nearest of OpenAI's words.

What providers' words mean is one table (`app.dialects.finish_reasons`). A reason that is missing is a broken stream,
and is found out before it comes here; what is None here was taken away by a policy, and becomes the plain end of what
was sent.
"""

from app.dialects.finish_reasons import meaning_of


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
