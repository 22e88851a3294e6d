"""The forms in which servers write tool calls, each put into OpenAI's in place, and decoded from that. Pure.

A call alone instead of a list of them, nulls in the list, name and arguments beside the `function` or instead of it,
arguments under another API's name, or as an object where SDKs parse a text.
"""

from typing import Any

import msgspec

from app.dialects.translation.call_signatures import signature_of
from app.messages import Function, ToolCall

Object = dict[str, Any]
_CALLS = "tool_calls"
_ARGUMENTS = ("parameters", "input")
"""What Llama's form and Anthropic's call the arguments."""
_FIELDS = frozenset({"name", "arguments", *_ARGUMENTS})
_KINDS = frozenset({"function", "custom", "tool_call", "tool_use"})


def mend_calls(message: Object) -> bool:
    """Mend the calls of a message or a delta; whether they were in another form. Raises TypeError for what is none."""
    calls = message[_CALLS]
    if not calls:
        return False
    mended = False
    if isinstance(calls, dict):
        calls, mended = [calls], True
    if not isinstance(calls, list):
        raise TypeError("tool calls that are no list")
    if None in calls:
        calls, mended = [call for call in calls if call is not None], True
    for call in calls:
        mended = (not _is_plain(call) and _mend_call(call)) or mended
    if mended:
        message[_CALLS] = calls
    if not calls:
        del message[_CALLS]
    return mended


def _is_plain(call: object) -> bool:
    """Whether it is a piece of the most frequent form, which holds no other."""
    if not isinstance(call, dict) or not isinstance(function := call.get("function"), dict):
        return False
    return isinstance(function.get("arguments"), str) and _FIELDS.isdisjoint(call)


def _mend_call(call: object) -> bool:
    if not isinstance(call, dict):
        raise TypeError("a tool call that is no object")
    is_moved = _take_in(call)
    function = call.get("function")
    return (isinstance(function, dict) and _mend_arguments(function)) or is_moved


def _take_in(call: Object) -> bool:
    """Move what stands beside a call's object into it. A call of a kind that nobody knows stays as it is."""
    if _FIELDS.isdisjoint(call):
        return False
    kind = call.get("type") or "function"
    if kind not in _KINDS or isinstance(call.get("custom"), dict):
        return False
    kind = "custom" if kind == "custom" else "function"
    if not isinstance(function := call.get(kind) or {}, dict):
        return False
    given = {name: call.pop(name) for name in _FIELDS & call.keys()}
    call[kind] = {**given, **{name: value for name, value in function.items() if value}}
    if "type" in call:
        call["type"] = kind
    return True


def _mend_arguments(function: Object) -> bool:
    mended = False
    if "arguments" not in function and (name := next((one for one in _ARGUMENTS if one in function), None)):
        function["arguments"] = function.pop(name)
        mended = True
    if isinstance(arguments := function.get("arguments"), dict | list):
        function["arguments"] = msgspec.json.encode(arguments).decode()
        mended = True
    return mended


def calls_of(fields: Object) -> list[Object]:
    calls = list(fields.get("tool_calls") or ())
    if legacy := fields.get("function_call"):
        calls.append({"index": 0, "function": legacy})
    return calls


def number_of(call: Object) -> int | None:
    index = call.get("index")
    if isinstance(index, str) and index.isdecimal():
        return int(index)
    return index if isinstance(index, int) else None


def _id(call: Object) -> str | None:
    id = call.get("id")
    return str(id) if id or id == 0 else None


def decode_call(fields: Object, index: int = 0) -> ToolCall:
    signature = signature_of(fields)
    if custom := fields.get("custom"):
        written = Function(custom.get("name") or None, custom.get("input") or "")
        return ToolCall(index, _id(fields), "custom", written, signature)
    function = fields.get("function") or {}
    arguments = function.get("arguments") or ""
    if not isinstance(arguments, str):
        arguments = msgspec.json.encode(arguments).decode()
    written = Function(function.get("name") or None, arguments)
    return ToolCall(index, _id(fields), _kind(fields, written), written, signature)


def _kind(fields: Object, written: Function) -> str:
    """That of a call, as it is named where nothing is called: some providers tell of a tool that they run in calls."""
    kind = fields.get("type")
    if kind == "custom" or (written.name is None and isinstance(kind, str) and kind):
        return kind
    return "function"
