"""What the dialects share where policies changed something of a provider's whole response: just that is changed in the
body that the provider sent, and all else stays as it came. Pure.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from app.messages import Choice, Message, ModelResponse, ToolCall
from app.text_fields import TextMap

Object = dict[str, Any]
_EMPTY = ("{}", "[]", "null")
_SEAMS = (16, 6, 2)
"""Characters on each side of the boundary between two texts, by which it is found again in an edited text."""


@dataclass(frozen=True)
class ResponseEdit:
    """A response as a provider's body says it, and as the client is to have it. `all_read`: the policy was shown all
    texts of the body, and not only those that the common form has."""

    before: ModelResponse
    after: ModelResponse
    all_read: bool = False

    def messages(self, index: int = 0) -> tuple[Message, Message]:
        """Return the messages of one choice, before and after; empty ones where there are none."""
        return _message(self.before, index), _message(self.after, index)

    def choices(self, index: int = 0) -> tuple[Choice, Choice]:
        return _choice(self.before, index), _choice(self.after, index)

    def without_copies(self, body: Object) -> Object:
        """The body without what repeats a text, word for word, that stands otherwise in the response now."""
        pairs = [pair for choice in self.before.choices for pair in _texts(*self.messages(choice.index))]
        changes = {old: new for old, new in pairs if old and old != new}
        texts = TextMap(lambda text: changes.get(text, text))
        return texts.fields(body) if changes else body

    def patch(self, body: Object, names: Mapping[str, str]) -> None:
        """Set what changed in the body's own fields: those of `extra`, and of the common form by its field's name."""
        _patch(body, self.before.extra, self.after.extra)
        for field, name in names.items():
            if (new := getattr(self.after, field)) != getattr(self.before, field):
                body[name] = new


def patch_extra(fields: Object, before: Message, after: Message) -> None:
    """Set, in an object of the body, what changed of the fields that the common form keeps in `extra`."""
    _patch(fields, before.extra, after.extra)


def _patch(fields: Object, before: Object, after: Object) -> None:
    for name in before.keys() - after.keys():
        fields.pop(name, None)
    for name, value in after.items():
        if name not in before or value != before[name]:
            fields[name] = value


def spread(text: str, over: Sequence[str]) -> list[str]:
    """Cut a text into one piece for each of those that it was before: what did not change stays where it was."""
    pieces = list(over)
    first, last, start, end = 0, len(pieces), 0, len(text)
    while first < last and text.startswith(pieces[first], start):
        start += len(pieces[first])
        first += 1
    while last > first and text.endswith(pieces[last - 1], start):
        end -= len(pieces[last - 1])
        text = text[:end]
        last -= 1
    if first < last:
        pieces[first:last] = _cut(text[start:end], pieces[first:last])
    elif pieces:
        pieces[max(first - 1, 0)] += text[start:end]
    return pieces


def _cut(text: str, over: Sequence[str]) -> Iterator[str]:
    start = 0
    for before, after in pairwise(over):
        end = _boundary(text, start, before, after)
        yield text[start:end]
        start = end
    yield text[start:]


def _boundary(text: str, start: int, before: str, after: str) -> int:
    """Where `after` begins; `start` if nothing is left of either beside their boundary."""
    for size in _SEAMS:
        tail, head = before[-size:], after[:size]
        for left, right in ((tail, head), (tail, ""), ("", head)):
            if left + right and (found := text.find(left + right, start)) >= 0:
                return found + len(left)
    return start


def edited_calls(before: Sequence[ToolCall], after: Sequence[ToolCall]) -> tuple[list[ToolCall | None], list[ToolCall]]:
    """What becomes of each call that was there, in its order (None: nothing is left of it), and the calls that are new.

    A call is known by its id; where it has none, by its position.
    """
    left = {_key(call, at): call for at, call in enumerate(after)}
    kept = [left.pop(_key(call, at), None) for at, call in enumerate(before)]
    return kept, list(left.values())


def with_server_tools(
    objects: Iterable[Object], is_server_tool: Callable[[Object], bool], message_after: Message
) -> list[Object]:
    """A body's blocks or items, those of the provider's own tools as the common form has them after the edit, by their
    index; one that is not there any more is left out."""
    left = {one.get("index"): one for one in message_after.extra.get("server_tools") or () if isinstance(one, dict)}

    def edited() -> Iterator[Object]:
        number = 0
        for one in objects:
            if not is_server_tool(one):
                yield one
                continue
            if (tool := left.get(number)) is not None:
                yield {name: value for name, value in tool.items() if name != "index"}
            number += 1

    return list(edited())


def _key(call: ToolCall, at: int) -> str | int:
    return call.id or at


def _choice(response: ModelResponse, index: int) -> Choice:
    return next((choice for choice in response.choices if choice.index == index), Choice())


def _message(response: ModelResponse, index: int) -> Message:
    choice = _choice(response, index)
    return choice.message or choice.delta or Message()


def _texts(before: Message, after: Message) -> Iterator[tuple[str, str]]:
    for name in ("content", "refusal", "reasoning_content"):
        yield getattr(before, name) or "", getattr(after, name) or ""
    thoughts = [block.thinking for block in before.thinking_blocks]
    if before.reasoning_content != after.reasoning_content:
        yield from zip(thoughts, spread(after.reasoning_content or "", thoughts), strict=True)
    kept, _ = edited_calls(before.tool_calls, after.tool_calls)
    for old, new in zip(before.tool_calls, kept, strict=True):
        # Empty ones say nothing, and are everywhere.
        if old.function.arguments not in _EMPTY:
            yield old.function.arguments, new.function.arguments if new is not None else ""
