"""What no client of Anthropic's API could use in a provider's own event or message, put right there: all else stays as
it came. Pure.

Servers that imitate the API leave out what seems to go without saying (the number of the only block, the type of a
delta that has but one field), and write a content as the text that it is. SDKs look all of it up. An answer that calls
tools ends with `tool_use`: at `end_turn`, which Anthropic itself never says there, no client runs any.
"""

from typing import Any

import msgspec

from app.dialects.tool_calls import parsed_object

Fields = dict[str, Any]

_DELTAS = {
    "text": "text_delta",
    "thinking": "thinking_delta",
    "signature": "signature_delta",
    "partial_json": "input_json_delta",
    "citation": "citations_delta",
}
"""The field of a delta -> its type."""
_TEXTS = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}
_BLOCKS = {"thinking": "thinking", "name": "tool_use", "input": "tool_use", "data": "redacted_thinking"}
"""A field of a block -> its type; it is text without any of them."""
_IN_BLOCKS = frozenset({"content_block_start", "content_block_delta", "content_block_stop"})


class EventMender:
    """Mends the events of one stream, one after the other."""

    def __init__(self) -> None:
        self._at_hand = -1
        """The number of the block that began last."""

    def mend(self, event: Fields, has_called: bool) -> bool:
        """Change an event in place; whether it had to be. `has_called`: the answer has called a tool."""
        kind = event.get("type")
        mended = kind in _IN_BLOCKS and self._number(event, is_start=kind == "content_block_start")
        match kind:
            case "content_block_delta":
                return _mend_delta(event) or mended
            case "content_block_start":
                return _mend_start(event) or mended
            case "message_start":
                return _mend_message_start(event)
            case "message_delta":
                return _mend_message_delta(event, has_called)
        return mended

    def _number(self, event: Fields, is_start: bool) -> bool:
        index = given = event.get("index")
        if isinstance(given, str) and given.isdecimal():
            index = int(given)
        if type(index) is not int:
            index = max(0, self._at_hand + is_start)
        if is_start:
            self._at_hand = index
        event["index"] = index
        return index is not given


def mend_response(body: Fields) -> bool:
    """Change a whole message in place; whether it had to be."""
    if "content" not in body:
        # It is none.
        return False
    mended = _mend_content(body)
    if not isinstance(body.get("usage"), dict):
        body["usage"] = {"input_tokens": 0, "output_tokens": 0}
        mended = True
    blocks = body["content"] if isinstance(body["content"], list) else ()
    called = any(isinstance(block, dict) and block.get("type") == "tool_use" for block in blocks)
    return (called and _mend_reason(body)) or mended


def _mend_message_start(event: Fields) -> bool:
    message, mended = event.get("message"), False
    if not isinstance(message, dict):
        # It says nothing.
        event["type"] = "ping"
        return True
    if not isinstance(message.get("usage"), dict):
        message["usage"] = {"input_tokens": 0, "output_tokens": 0}
        mended = True
    return _mend_content(message) or mended


def _mend_message_delta(event: Fields, has_called: bool) -> bool:
    mended = False
    if not isinstance(event.get("delta"), dict):
        event["delta"] = {}
        mended = True
    if not isinstance(event.get("usage"), dict):
        event["usage"] = {"output_tokens": 0}
        mended = True
    return (has_called and _mend_reason(event["delta"])) or mended


def _mend_reason(fields: Fields) -> bool:
    if fields.get("stop_reason") != "end_turn":
        return False
    fields["stop_reason"] = "tool_use"
    return True


def _mend_content(message: Fields) -> bool:
    content = message.get("content")
    if not isinstance(content, list):
        message["content"] = [_text_block(content)] if content else []
        return True
    mended = False
    for at, block in enumerate(content):
        if isinstance(block, dict):
            mended = _mend_block(block) or mended
        elif isinstance(block, str):
            content[at], mended = _text_block(block), True
    return mended


def _mend_start(event: Fields) -> bool:
    block = event.get("content_block")
    if not isinstance(block, dict):
        event["content_block"] = _text_block(block or "")
        return True
    return _mend_block(block)


def _text_block(text: Any) -> Fields:
    return {"type": "text", "text": text}


def _mend_block(block: Fields) -> bool:
    mended = False
    if not block.get("type"):
        block["type"] = next((kind for field, kind in _BLOCKS.items() if field in block), "text")
        mended = True
    kind = block["type"]
    if kind in ("text", "thinking") and block.get(kind) is None:
        block[kind] = ""
        mended = True
    if kind == "text" and not isinstance(block.get("citations"), list | None):
        del block["citations"]
        mended = True
    if kind == "tool_use" and not isinstance(given := block.get("input"), dict):
        found = parsed_object(given) if isinstance(given, str) else {} if given is None else None
        block["input"] = given if found is None else found
        mended = found is not None or mended
    return mended


def _mend_delta(event: Fields) -> bool:
    delta = event.get("delta")
    if not isinstance(delta, dict):
        event["delta"] = {"type": "text_delta", "text": delta or ""}
        return True
    mended = False
    if not delta.get("type"):
        delta["type"] = next((kind for field, kind in _DELTAS.items() if delta.get(field) is not None), "text_delta")
        mended = True
    if (name := _TEXTS.get(delta["type"])) is not None and delta.get(name) is None:
        delta[name] = ""
        mended = True
    if delta["type"] == "input_json_delta" and not isinstance(given := delta.get("partial_json"), str):
        delta["partial_json"] = "" if given is None else msgspec.json.encode(given).decode()
        mended = True
    return mended
