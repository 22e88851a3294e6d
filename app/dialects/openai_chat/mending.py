"""What no client of chat completions could use in a provider's own event or completion, put right there: all else stays
as it came. Pure.

Arguments that are an object, where SDKs parse a text. `stop` as the reason to finish of an answer that calls tools is
read as `tool_calls`: at `stop` agents of the other dialects end their turn without running any. A client of this one
gets it as it came, for OpenAI itself says so after a call that was demanded.
"""

from typing import Any

import msgspec

from app.dialects.translation.stop_reasons import finish_reason

_CALLS = "tool_calls"


def mend_choice(choice: dict[str, Any], message: object, has_called: bool) -> bool:
    """Change a choice in place; whether the client is to get that instead of the provider's bytes. `message` is what it
    says in this event or in all, `has_called` whether it called a tool in an event before."""
    calls = message.get(_CALLS) if isinstance(message, dict) else None
    mended = False
    for call in calls if isinstance(calls, list) else ():
        mended = _mend_arguments(call) or mended
    reason = choice.get("finish_reason")
    if reason == "stop" and (calls or has_called):
        choice["finish_reason"] = finish_reason(reason, called_tools=True)
    return mended


def mend_response(body: dict[str, Any]) -> bool:
    """Change a whole completion in place, as `mend_choice` does, and give calls their type."""
    mended = False
    for choice in body.get("choices") or ():
        if not isinstance(choice, dict):
            continue
        message = choice.get("message")
        mended = mend_choice(choice, message, False) or mended
        for call in (isinstance(message, dict) and message.get(_CALLS)) or ():
            if isinstance(call, dict) and not call.get("type") and "function" in call:
                call["type"] = "function"
                mended = True
    return mended


def _mend_arguments(call: object) -> bool:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(arguments := function.get("arguments"), dict | list):
        return False
    function["arguments"] = msgspec.json.encode(arguments).decode()
    return True
