"""The messages of a request for a provider of another dialect, each with its place in the body that the client sent."""

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from app.dialects.crossing import refuse_opaque
from app.messages import InputMessage, OpaquePart, Part, Request

INSTRUCTIONS = "instructions"
"""As `type` in the `extra` of a Responses client's message: what it said in that field, and not as an item."""
TEXT = "text"
"""Likewise: its whole input is a text."""


def placed(request: Request) -> list[tuple[str, InputMessage]]:
    match request.dialect:
        case "openai_responses":
            return list(_turns(_items(request.messages)))
        case "anthropic_messages" if request.messages and request.messages[0].role == "system":
            # Its client counts messages without the system prompt.
            first, *others = request.messages
            return [("system", first), *_numbered(others)]
        case _:
            return list(_numbered(request.messages))


def _numbered(messages: Iterable[InputMessage]) -> Iterator[tuple[str, InputMessage]]:
    return ((f"messages[{at}]", message) for at, message in enumerate(messages))


def _items(messages: Iterable[InputMessage]) -> Iterator[tuple[str, InputMessage]]:
    at = 0
    for message in messages:
        kind = message.extra.get("type")
        if kind in (INSTRUCTIONS, TEXT):
            yield INSTRUCTIONS if kind == INSTRUCTIONS else "input", message
        else:
            yield f"input[{at}]", message
            at += 1


def _turns(items: Iterable[tuple[str, InputMessage]]) -> Iterator[tuple[str, InputMessage]]:
    """What the assistant said, thought and called is an item each there, and one message elsewhere."""
    turn: tuple[str, InputMessage] | None = None
    for place, message in items:
        if message.role != "assistant":
            if turn is not None:
                yield turn
                turn = None
            yield place, message
        elif parts := tuple(_known(message.parts, place)):
            before = turn or (place, replace(message, parts=()))
            turn = before[0], replace(before[1], parts=before[1].parts + parts)
    if turn is not None:
        yield turn


def _known(parts: Iterable[Part], place: str) -> Iterator[Part]:
    for part in parts:
        if isinstance(part, OpaquePart):
            refuse_opaque(part, place)
        else:
            yield part
