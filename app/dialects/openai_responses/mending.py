"""What no client of the Responses API could use in a provider's own event or response, put right there: all else stays
as it came. Pure.

Servers that imitate the API write a content as the text that it is, arguments as the object that they are, and numbers
as texts. SDKs look into parts, add arguments up as text, and find items by number.
"""

from typing import Any

import msgspec

from app.dialects.openai_responses.items import ARGUMENTS
from app.dialects.openai_responses.output_state import INPUTS, TEXTS

Fields = dict[str, Any]

_INPUTS = frozenset(INPUTS.values())
_STEMS = _INPUTS.union(events.stem for events in TEXTS.values())
_NUMBERS = frozenset({"output_index", "content_index", "summary_index"})
_LISTS = frozenset({"logprobs", "annotations"})
"""What says more of a text."""


def mend_event(event: Fields) -> bool:
    """Change an event of a stream in place; whether it had to be."""
    mended = _mend_position(event)
    kind = str(event.get("type"))
    stem, _, step = kind.rpartition(".")
    if step == "delta" and stem in _STEMS:
        mended = _mend_text(event, "delta", is_input=stem in _INPUTS) or mended
    elif "arguments" in event and stem in _INPUTS:
        mended = _mend_text(event, "arguments") or mended
    if "item" in event and isinstance(item := event["item"], dict):
        mended = _mend_item(item) or mended
    if "part" in event and isinstance(part := event["part"], str):
        event["part"] = _part(part, "summary_text" if "summary" in kind else "output_text")
        mended = True
    if "response" in event and isinstance(response := event["response"], dict):
        mended = mend_response(response) or mended
    return mended


def mend_response(response: Fields) -> bool:
    """Change a whole response in place; whether it had to be."""
    if response.get("output") is None and "output" in response:
        response["output"] = []
        return True
    mended = False
    output = response.get("output")
    for item in output if isinstance(output, list) else ():
        mended = (isinstance(item, dict) and _mend_item(item)) or mended
    return mended


def _mend_position(event: Fields) -> bool:
    mended = False
    for name in event.keys() & _NUMBERS:
        value = event[name]
        if (isinstance(value, str) and value.isdecimal()) or (isinstance(value, float) and value.is_integer()):
            event[name] = int(value)
            mended = True
    if "item_id" in event and isinstance(event["item_id"], int):
        event["item_id"] = str(event["item_id"])
        mended = True
    return _without_wrong_lists(event) or mended


def _without_wrong_lists(fields: Fields) -> bool:
    """Leave out what says more of a text, where it has not the form in which anybody could read it."""
    mended = False
    for name in fields.keys() & _LISTS:
        if not isinstance(fields[name], list | None):
            fields[name] = []
            mended = True
    return mended


def _mend_item(item: Fields) -> bool:
    kind = item.get("type")
    if (name := ARGUMENTS.get(str(kind))) is not None:
        return _mend_text(item, name)
    if kind == "message":
        return _mend_parts(item, "content", "output_text")
    return kind == "reasoning" and item.get("summary") is not None and _mend_parts(item, "summary", "summary_text")


def _mend_parts(item: Fields, name: str, kind: str) -> bool:
    parts = item.get(name)
    if not isinstance(parts, list):
        item[name] = [_part(parts, kind)] if parts else []
        return True
    mended = False
    for at, part in enumerate(parts):
        if isinstance(part, str):
            parts[at], mended = _part(part, kind), True
        elif isinstance(part, dict):
            mended = _without_wrong_lists(part) or mended
    return mended


def _part(text: Any, kind: str) -> Fields:
    return {"type": kind, "text": text, **({"annotations": []} if kind == "output_text" else {})}


def _mend_text(fields: Fields, name: str, *, is_input: bool = True) -> bool:
    """Make a text of what should be one: nothing of null, JSON of what a call is given."""
    value = fields.get(name)
    if value is None:
        fields[name] = ""
    elif is_input and isinstance(value, dict | list):
        fields[name] = msgspec.json.encode(value).decode()
    else:
        return False
    return True
