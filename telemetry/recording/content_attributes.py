"""A conversation as attributes of a span or an event: scrubbed of keys, and JSON of a bounded size.

Keys are looked for in each text by itself, before it is JSON: a key that is blotted out leaves JSON as it was. In
the arguments of a call and the schemas of tools a name stands before its value, as in a configuration, so both are
looked at together. Pure, and slow for what is large: a tenth of a second for a megabyte.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from telemetry.names.spans import Attribute, Value
from telemetry.recording.content import Conversation, JsonText
from telemetry.recording.excerpts import LeftOut, encoded_list, excerpt
from telemetry.redact import TEXT_LIMIT, Scrubber

_DEEPEST = 64
_NAMED = 4096
"""Characters of a value that is looked at together with its name."""
_LEAST = 2
"""Bytes of the shortest list."""
_decode = msgspec.json.Decoder().decode


@dataclass(slots=True)
class Rendered:
    """`attributes` by their names; `is_cut` is whether something is missing in them. `asked` and `answered` are the
    last text of the user and that of the first answer, for those who list conversations."""

    attributes: dict[str, Value] = field(default_factory=dict)
    is_cut: bool = False
    asked: str = ""
    answered: str = ""
    answered_in_json: bool = False
    """Whether the answer is calls alone."""


def rendered(conversation: Conversation, scrub: Scrubber) -> Rendered:
    """Scrub, bound and encode a conversation."""
    prompt, limit = conversation.prompt, conversation.limit
    found = Rendered(is_cut=conversation.is_cut)
    messages, answers = _clean(scrub, prompt.messages), _clean(scrub, conversation.answers())
    tools = _clean(scrub, prompt.tools)
    if len(msgspec.json.encode(tools, enc_hook=str)) > limit:
        # What a tool is called is worth more than how.
        tools = [_without_parameters(tool) for tool in tools]
        found.is_cut = True
    lists: tuple[tuple[str, Sequence[Any], Callable[[int], Any], int], ...] = (
        (Attribute.SYSTEM_INSTRUCTIONS, _clean(scrub, prompt.system), _missing_parts, 1),
        (Attribute.INPUT_MESSAGES, messages, _missing_messages, _lead(messages)),
        (Attribute.TOOL_DEFINITIONS, tools, _missing_tools, 1),
        (Attribute.OUTPUT_MESSAGES, answers, _missing_messages, 1),
    )
    for name, items, note, lead in lists:
        if items and limit >= _LEAST:
            encoded, is_cut = encoded_list(items, limit, note, lead=lead)
            found.attributes[name] = encoded.decode()
            found.is_cut = found.is_cut or is_cut
    found.asked = _last_question(messages)
    if answers:
        found.answered, found.answered_in_json = _text_of(answers[0]), not _texts(answers[0])
    if found.is_cut:
        found.attributes[Attribute.CONTENT_TRUNCATED] = True
    return found


def _lead(messages: Sequence[Any]) -> int:
    """How many messages stand before the conversation proper, and its first one."""
    for index, message in enumerate(messages):
        if isinstance(message, LeftOut) or message["role"] not in ("system", "developer"):
            return index + 1
    return 1


def _missing_messages(count: int) -> Any:
    return {"role": "system", "parts": [{"type": "text", "content": f"[{count:,} messages left out]"}]}


def _missing_parts(count: int) -> Any:
    return {"type": "text", "content": f"[{count:,} parts left out]"}


def _missing_tools(count: int) -> Any:
    return {"type": "note", "name": f"[{count:,} tools left out]"}


def _without_parameters(tool: Any) -> Any:
    if isinstance(tool, LeftOut):
        return tool
    return {key: tool[key] for key in ("type", "name", "description") if key in tool}


def _last_question(messages: Sequence[Any]) -> str:
    asked = [message for message in messages if not isinstance(message, LeftOut)]
    by_user = (message for message in reversed(asked) if message["role"] == "user")
    last = next(by_user, asked[-1] if asked else None)
    return "" if last is None else _text_of(last)


def _text_of(message: Any) -> str:
    """The texts of a message, or else its calls as JSON; bounded to what a list of conversations has room for."""
    if texts := _texts(message):
        return excerpt("\n".join(texts), TEXT_LIMIT)
    calls = [part for part in message["parts"] if part.get("type") == "tool_call"]
    return excerpt(msgspec.json.encode(calls, enc_hook=str).decode(), TEXT_LIMIT) if calls else ""


def _texts(message: Any) -> list[str]:
    return [part["content"] for part in message["parts"] if part.get("type") == "text"]


def _clean(scrub: Scrubber, items: Sequence[Any]) -> list[Any]:
    return [_scrubbed(scrub, item, "", _DEEPEST) for item in items]


def _scrubbed(scrub: Scrubber, value: Any, name: str, depth: int) -> Any:
    match value:
        case str():
            return _scrubbed_text(scrub, value, name)
        case JsonText(text=text):
            return _scrubbed_json(scrub, text, depth)
        case {"type": "blob"}:
            return value
        case dict() | list() if not depth:
            return scrub(msgspec.json.encode(value, enc_hook=str).decode())
        case dict():
            return {scrub(key): _scrubbed(scrub, inner, key, depth - 1) for key, inner in value.items()}
        case list() | tuple():
            return [_scrubbed(scrub, inner, name, depth - 1) for inner in value]
        case int() | float() if name:
            text = str(value)
            clean = _scrubbed_text(scrub, text, name)
            return value if clean == text else clean
        case _:
            return value


def _scrubbed_json(scrub: Scrubber, text: str, depth: int) -> Any:
    """The decoded object of well-formed arguments; of others the text."""
    try:
        decoded = _decode(text or "{}")
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return scrub(text)
    return _scrubbed(scrub, decoded, "", depth) if isinstance(decoded, dict) else scrub(text)


def _scrubbed_text(scrub: Scrubber, text: str, name: str) -> str:
    if not name or len(text) > _NAMED:
        return scrub(text)
    before = f"{name}="
    clean = scrub(before + text)
    return clean[len(before) :] if clean.startswith(before) else scrub(text)
