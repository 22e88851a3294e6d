"""What no client of chat completions could use in a provider's own event or completion, put right there: all else stays
as it came. Pure.

What the official SDK breaks off at, or leaves out, is put into OpenAI's form: choices, deltas and tool calls that are
null, missing, or one object instead of a list; a message where a delta belongs, and the other way round; texts in a
list or an object; numbers written as text. A list of typed parts stays, for there are SDKs that read those.

`stop` as the reason to finish of an answer that calls tools is read as `tool_calls`: at `stop` agents of the other
dialects end their turn without running any. A client of this one gets it as it came, for OpenAI itself says so after a
call that was demanded.
"""

from typing import Any, Literal

from app.dialects.finish_reasons import reason_in
from app.dialects.openai_chat.call_forms import mend_calls
from app.dialects.openai_chat.text_forms import text_in
from app.dialects.response_checks import are_logprobs
from app.dialects.translation.stop_reasons import finish_reason

Object = dict[str, Any]
MessageField = Literal["delta", "message"]
_OTHER: dict[MessageField, MessageField] = {"delta": "message", "message": "delta"}


def mend_choices(body: Object) -> bool:
    """Make the choices of an event or of a completion a list of objects, in place; whether they were none."""
    choices = body.get("choices")
    if isinstance(choices, list):
        if None not in choices:
            return False
        choices = [choice for choice in choices if choice is not None]
    elif choices:
        choices = [choices]
    if any(not isinstance(choice, dict) for choice in choices or ()):
        raise TypeError("a choice that is no object")
    body["choices"] = choices or []
    return True


def mend_choice(choice: Object, field: MessageField) -> bool:
    """Put a choice into OpenAI's form, in place; whether the client is to get that instead of the provider's bytes.
    `field`: where its message belongs, the piece of an event or the whole of a completion."""
    message = choice.get(field)
    mended = mend_fields(choice)
    if not isinstance(message, dict):
        message = choice[field] = _message(choice, field, message)
        mended = True
    content = message.get("content")
    if content is not None and not isinstance(content, str) and not _has_parts(content):
        message["content"] = text_in(content)
        mended = True
    return (mend_calls(message) if "tool_calls" in message else False) or mended


def mend_fields(choice: Object) -> bool:
    """Mend what stands beside a choice's message or text, in place; whether anything was in another form."""
    mended = False
    if type(index := choice.get("index", 0)) is not int:
        choice["index"] = int(index or 0)
        mended = True
    if (reason := choice.get("finish_reason")) is not None and not isinstance(reason, str):
        choice["finish_reason"] = reason_in(reason)
        mended = True
    if (logprobs := choice.get("logprobs")) is not None and not are_logprobs(logprobs):
        choice["logprobs"] = None
        mended = True
    return mended


def mend_stop(choice: Object, has_called: bool) -> None:
    """Read `stop` after calls as `tool_calls`, in place. `has_called`: this event or one before it calls a tool."""
    if has_called and choice.get("finish_reason") == "stop":
        choice["finish_reason"] = finish_reason("stop", called_tools=True)


def mend_response(body: Object) -> bool:
    """Change a whole completion in place, as `mend_choice` does, and give calls their type."""
    mended = mend_choices(body)
    for choice in body["choices"]:
        mended = mend_choice(choice, "message") or mended
        calls = choice["message"].get("tool_calls")
        mend_stop(choice, bool(calls))
        for call in calls or ():
            if not call.get("type") and "function" in call:
                call["type"] = "function"
                mended = True
    return mended


def _message(choice: Object, field: MessageField, message: object) -> Object:
    """What stands in place of the message: the whole one where a piece belongs, or the text of a legacy completion."""
    if message:
        raise TypeError("a message that is no object")
    given = choice.pop(_OTHER[field], None)
    if isinstance(given, dict):
        return _numbered(given) if field == "delta" else given
    if isinstance(text := choice.get("text"), str):
        return {"role": "assistant", "content": text}
    if field == "message":
        raise ValueError("a choice without a message")
    return {}


def _numbered(message: Object) -> Object:
    """A whole message as a delta: SDKs know the calls by their numbers."""
    calls = message.get("tool_calls")
    for at, call in enumerate(calls if isinstance(calls, list) else ()):
        if isinstance(call, dict):
            call.setdefault("index", at)
    return message


def _has_parts(content: object) -> bool:
    """Whether there are typed parts, which Mistral's SDK and its like read."""
    return isinstance(content, list) and any(isinstance(part, dict) for part in content)
