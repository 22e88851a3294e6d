"""The parts of messages as blocks of a page: what kind each is, its beginning, and where all of it is. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec
from markupsafe import Markup
from msgspec import Struct

from app.console.markdown import markdown
from app.console.texts import excerpt
from app.dialects.data_urls import split_data_url
from app.messages import (
    DocumentPart,
    ImagePart,
    InputMessage,
    OpaquePart,
    Part,
    RedactedThinkingPart,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
)
from app.recorder.titles import is_reminder
from app.transcripts.differences import readable_json
from app.transcripts.plain import text_of
from app.transcripts.server_events import json_in

Kind = Literal[
    "text", "thinking", "call", "result", "image", "document", "refusal", "hidden_thinking", "reminder", "opaque"
]
FULL = 16_000
"""Characters of a text that stand on a page; the rest is behind a link."""
ROOM = 600_000
"""Characters of all texts of a request, or of an answer, that stand on a page."""
_LINE, _BLOCK, _FIELD, _PICTURE = 50, 200, 50, 16
"""What a line, a block and an argument count for in characters, and how many characters of a picture count for one."""
_DIGITS = 9
BRIEF = 1_500
"""Characters of one in a part of the conversation that was shown before."""
_SUMMARY = 110
_RASTER = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_LARGEST_IMAGE = 3 * 1024**2
"""Characters of base64."""
_OPEN_LINES = 24
_OPEN_CHARACTERS = 2_400
_TAG = re.compile("</?system-reminder>")


class Field(Struct, frozen=True):
    """An argument of a call."""

    name: str
    text: str
    is_long: bool = False


class Block(Struct, frozen=True, kw_only=True):
    """One part of a message. `path` leads to it within its message: `2`, or `2.0` within a tool's result."""

    kind: Kind
    path: str = ""
    label: str = ""
    """What it is beyond its kind: the name of a tool, the type of a file."""
    summary: str = ""
    """Its beginning, on one line."""
    text: str = ""
    html: Markup | None = None
    """The text as Markdown, where it is to be rendered."""
    fields: tuple[Field, ...] = ()
    inner: tuple["Block", ...] = ()
    source: str | None = None
    """A `data:` URL of an image that may be shown."""
    size: int = 0
    """Characters of all of it."""
    is_error: bool = False
    is_open: bool = True
    """Whether it is unfolded at first."""

    @property
    def left_out(self) -> int:
        """Characters that do not stand on the page."""
        return max(0, self.size - len(self.text)) if self.text or self.size else 0


class Room:
    """What is left of the room of a page, in characters. A line counts for more than its characters, a block as well:
    thousands of empty ones make a page that no browser shows."""

    def __init__(self, left: int = ROOM) -> None:
        self._left = left

    @property
    def has_any(self) -> bool:
        return self._left > 0

    def take(self, block: Block) -> None:
        if not block.inner:
            lines = block.text.count("\n") + len(block.fields)
            self._left -= len(block.text) + _LINE * lines + _BLOCK + len(block.source or "") // _PICTURE


class Wish(Struct, frozen=True):
    """How blocks are wanted: how much of each text, rendered or as it was written, and in which room, if not in one for
    themselves."""

    limit: int = FULL
    is_rendered: bool = True
    room: Room | None = None


WHOLE = Wish()


class ToolNames:
    """The names of the tools whose results a conversation holds, by the ids of their calls."""

    def __init__(self, messages: Sequence[InputMessage]) -> None:
        self._names: Mapping[str, str] = {
            part.id: part.name for message in messages for part in message.parts if isinstance(part, ToolCallPart)
        }

    def of(self, call_id: str) -> str:
        return self._names.get(call_id, "")


NO_NAMES = ToolNames(())


def blocks(message: InputMessage, names: ToolNames = NO_NAMES, wish: Wish = WHOLE) -> tuple[Block, ...]:
    """The blocks of one message of a request. What models write is rendered, and what people and tools write is not."""
    is_rendered = wish.is_rendered and message.role in ("assistant", "system", "developer")
    return part_blocks(message.parts, names, Wish(wish.limit, is_rendered, wish.room))


def part_blocks(parts: Sequence[Part], names: ToolNames = NO_NAMES, wish: Wish = WHOLE) -> tuple[Block, ...]:
    """The blocks of these parts, as far as there is room for them."""
    return _blocks(parts, "", names, Wish(wish.limit, wish.is_rendered, wish.room or Room()))


def _blocks(parts: Sequence[Part], base: str, names: ToolNames, wish: Wish) -> tuple[Block, ...]:
    assert wish.room is not None
    found: list[Block] = []
    for at, part in enumerate(parts):
        if not wish.room.has_any:
            found.append(Block(kind="opaque", label=f"{len(parts) - at:,} more, for which there is no room here"))
            break
        found.append(_block(part, f"{base}{at}", names, wish))
        wish.room.take(found[-1])
    return tuple(found)


def text_at(parts: Sequence[Part], path: str) -> str | None:
    """All of the text of the part at a block's `path`; None where there is no such part."""
    first, _, rest = path.partition(".")
    if not first.isdecimal() or len(first) > _DIGITS or int(first) >= len(parts):
        return None
    part = parts[int(first)]
    if isinstance(part, ToolResultPart) and rest:
        return text_at(part.content, rest)
    return text_of(part)


def _block(part: Part, path: str, names: ToolNames, wish: Wish) -> Block:
    match part:
        case ToolCallPart():
            return _call(part, path, wish)
        case ToolResultPart():
            return _result(part, path, names, wish)
        case ImagePart():
            return _image(part, path)
        case RedactedThinkingPart(data=data):
            label = f"{len(data):,} characters that only its provider reads"
            return Block(kind="hidden_thinking", path=path, label=label)
        case _:
            return _of_text(part, path, wish)


def _kind(part: Part) -> tuple[Kind, str]:
    """What kind of text a part is, and what it is beyond that."""
    match part:
        case ThinkingPart():
            return "thinking", ""
        case RefusalPart():
            return "refusal", ""
        case DocumentPart():
            return "document", " ".join([word for word in (part.title, part.media_type) if word])
        case OpaquePart(raw=raw):
            return "opaque", str(raw.get("type") or "")
        case TextPart(text=text) if is_reminder(text):
            return "reminder", ""
        case _:
            return "text", ""


def _of_text(part: Part, path: str, wish: Wish) -> Block:
    (kind, label), text = _kind(part), text_of(part)
    is_whole = len(text) <= wish.limit
    is_rendered = wish.is_rendered and is_whole and kind in ("text", "thinking")
    return Block(
        kind=kind,
        path=path,
        label=label,
        summary=excerpt(_TAG.sub("", text[: _SUMMARY * 8]) if kind == "reminder" else text, _SUMMARY),
        text=text if is_whole else text[: wish.limit],
        html=markdown(text) if is_rendered else None,
        size=len(text),
        is_open=kind in ("text", "refusal"),
    )


def _call(part: ToolCallPart, path: str, wish: Wish) -> Block:
    value = json_in(part.arguments.encode("utf-8", "replace"))
    text = text_of(part)
    fields = tuple(_fields(value, wish)) if isinstance(value, dict) else ()
    return Block(
        kind="call",
        path=path,
        label=part.name,
        summary=_call_summary(value) if isinstance(value, dict) else excerpt(text, _SUMMARY),
        text=text[: wish.limit],
        fields=fields,
        size=len(text),
        is_open=len(text) <= _OPEN_CHARACTERS,
    )


def _fields(arguments: Mapping[str, Any], wish: Wish) -> Iterator[Field]:
    left = wish.limit
    for name, value in arguments.items():
        if left <= 0:
            return
        left -= _FIELD
        text = value if isinstance(value, str) else "\n".join(readable_json(value))
        yield Field(name, text[: max(left, 0)], "\n" in text or len(text) > _SUMMARY)
        left -= len(text)


def _call_summary(arguments: Mapping[str, Any]) -> str:
    texts = [value for value in arguments.values() if isinstance(value, str) and value.strip()]
    return excerpt(texts[0] if texts else msgspec.json.encode(arguments).decode("utf-8", "replace"), _SUMMARY)


def _result(part: ToolResultPart, path: str, names: ToolNames, wish: Wish) -> Block:
    inner = _blocks(part.content, f"{path}.", names, Wish(wish.limit, False, wish.room))
    size = sum(block.size for block in inner)
    lines = sum(block.text.count("\n") + 1 for block in inner)
    has_image = any(block.kind == "image" for block in inner)
    return Block(
        kind="result",
        path=path,
        label=names.of(part.tool_call_id),
        summary=next((block.summary for block in inner if block.summary), ""),
        inner=inner,
        size=size,
        is_error=part.is_error,
        is_open=part.is_error or has_image or (size <= _OPEN_CHARACTERS and lines <= _OPEN_LINES),
    )


def _image(part: ImagePart, path: str) -> Block:
    media_type, data = part.media_type, part.data
    if data is None and part.url is not None:
        media_type, inline = split_data_url(part.url)
        data = None if media_type is None else inline
    if data is None:
        address = part.url or "an image that lies with the provider"
        return Block(kind="image", path=path, label=f"{address} (images of other hosts are not fetched)")
    kind = (media_type or "").lower()
    size = f"{kind or 'an unknown type'}, {len(data) * 3 // 4:,} bytes"
    if kind not in _RASTER or len(data) > _LARGEST_IMAGE:
        why = "too large to be shown here" if kind in _RASTER else "not of a type that is shown here"
        return Block(kind="image", path=path, label=f"{size} ({why})")
    return Block(kind="image", path=path, label=size, source=f"data:{kind};base64,{''.join(data.split())}")
