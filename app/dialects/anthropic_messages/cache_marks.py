"""Cache marks of clients of other dialects, no more of them than Anthropic takes. Pure.

A mark caches all of the prompt before it, in the order tools, system, messages. So the last ones of the messages count
for the turn that follows, and the last of the tools and of the system for the next conversation: these stay, and the
earliest of all others go first. An answer of the API to five: "A maximum of 4 blocks with cache_control may be
provided."
"""

from collections.abc import Mapping
from typing import Any

from app.dialects.anthropic_messages.content_encoding import CACHE_MARK

_MOST = 4
_INNER = ("content", "function", "tool_calls")
"""Where blocks, or what chat completions have in their place, lie one level deeper."""
_SYSTEM = ("system", "developer")
_TEXT_ALONE = 2
"""The fields of a message with nothing but its role and its content."""


def with_fewer_marks(body: dict[str, Any]) -> dict[str, Any]:
    """The body without those marks that are too many; the same object where none is. It is one of this API, or of chat
    completions with the same marks."""
    if _has_texts_alone(body):
        return body
    tools, system, messages = _groups(body)
    room = _MOST - (1 if body.get(CACHE_MARK) else 0)
    if len(tools) + len(system) + len(messages) <= room:
        return body
    # The first that stay: the end of each of what every conversation has in common, then the latest of all.
    lasting = [*tools[-1:], *system[-1:]]
    others = [*tools[:-1], *system[:-1], *messages]
    kept = {id(block) for block in [*lasting, *others[len(others) - (room - len(lasting)) :]]}
    left_out = {id(block) for block in (*tools, *system, *messages)} - kept
    return {
        name: _without(value, left_out) if name in ("tools", "system", "messages") else value
        for name, value in body.items()
    }


def _has_texts_alone(body: Mapping[str, Any]) -> bool:
    """Whether there is nothing that a mark could be on."""
    for message in body.get("messages") or ():
        if len(message) != _TEXT_ALONE or not isinstance(message.get("content"), str):
            return False
    return not body.get("tools") and isinstance(body.get("system", ""), str)


def _groups(body: Mapping[str, Any]) -> tuple[list[Any], list[Any], list[Any]]:
    """What has a mark among the tools, in the system prompt and in the messages, in the order of the prompt."""
    given = body.get("messages") or ()
    system = [message for message in given if message.get("role") in _SYSTEM]
    others = [message for message in given if message.get("role") not in _SYSTEM]
    return _marked(body.get("tools")), [*_marked(body.get("system")), *_marked(system)], _marked(others)


def _marked(value: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    _collect(value, found)
    return found


def _collect(value: Any, found: list[dict[str, Any]]) -> None:
    if isinstance(value, list):
        for one in value:
            _collect(one, found)
    elif isinstance(value, dict):
        for name in _INNER:
            if name in value:
                _collect(value[name], found)
        if value.get(CACHE_MARK):
            found.append(value)


def _without(value: Any, left_out: set[int]) -> Any:
    if isinstance(value, list):
        return [_without(one, left_out) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _without(inner, left_out) if name in _INNER else inner
        for name, inner in value.items()
        if name != CACHE_MARK or id(value) not in left_out
    }
