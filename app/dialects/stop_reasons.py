"""Why a model stopped, in either dialect's words. The tables are total: an unknown word has a written fate too.

A reason that is missing is a broken stream, and is found out before it comes here; what is None here was taken away by
a policy, and is rendered as the plain end of what was sent.
"""

_TO_ANTHROPIC = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
_TO_OPENAI = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "compaction": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def to_openai(reason: str | None, called_tools: bool) -> str:
    """OpenAI's word; one that neither dialect knows stays as the provider said it."""
    if reason is None:
        return "tool_calls" if called_tools else "stop"
    word = _TO_OPENAI.get(reason, reason)
    # A client that is told of tool calls and finds none would wait for them or crash.
    return "stop" if word in ("tool_calls", "function_call") and not called_tools else word


def to_anthropic(reason: str | None, stop_sequence: str | None, called_tools: bool) -> str:
    """Anthropic's word; one that neither dialect knows becomes `end_turn`.

    Clients run tools on `tool_use` only, while OpenAI says `stop` after a call that was forced.
    """
    word = reason if reason in _TO_OPENAI else _TO_ANTHROPIC.get(reason or "stop", "end_turn")
    if word in ("end_turn", "stop_sequence", "tool_use") and called_tools:
        return "tool_use"
    if word == "end_turn" and stop_sequence is not None:
        return "stop_sequence"
    return "end_turn" if word == "tool_use" else word
