"""Content blocks of a messages body to parts of the common form.

Normalised on the way: a text alone is the same as a text block; `is_error: false` is absent; a tool result without
content is one with an empty list. A block that no part stands for is kept as it is, opaque.
"""

from typing import Any

import msgspec

from app.dialects.anthropic_messages import wire
from app.dialects.validation import check, without
from app.errors import InvalidRequest
from app.messages import (
    DocumentPart,
    ImagePart,
    OpaquePart,
    Part,
    RedactedThinkingPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
)

_TEXT = frozenset(["type", "text"])
_IMAGE = frozenset(["type", "source"])
_DOCUMENT = frozenset(["type", "source", "title"])
_THINKING = frozenset(["type", "thinking", "signature"])
_REDACTED = frozenset(["type", "data"])
_TOOL_USE = frozenset(["type", "id", "name", "input"])
_TOOL_RESULT = frozenset(["type", "tool_use_id", "content", "is_error"])
_SOURCES = {
    "base64": frozenset(["type", "data", "media_type"]),
    "text": frozenset(["type", "data", "media_type"]),
    "url": frozenset(["type", "url"]),
    "file": frozenset(["type", "file_id"]),
}


def decode_content(content: str | list[wire.Block], path: str) -> tuple[Part, ...]:
    if isinstance(content, str):
        return (TextPart(content),)
    return tuple(_block(block, f"{path}[{at}]") for at, block in enumerate(content))


def _block(block: wire.Block, path: str) -> Part:
    match block["type"]:
        case "text":
            return TextPart(check(block, wire.TextBlock, path)["text"], without(block, _TEXT))
        case "image" | "document":
            return _file(block, path)
        case "thinking":
            thinking = check(block, wire.ThinkingBlock, path)
            return ThinkingPart(thinking["thinking"], thinking.get("signature"), without(block, _THINKING))
        case "redacted_thinking":
            return RedactedThinkingPart(
                check(block, wire.RedactedThinkingBlock, path)["data"], without(block, _REDACTED)
            )
        case "tool_use":
            call = check(block, wire.ToolUseBlock, path)
            arguments = msgspec.json.encode(call["input"]).decode()
            return ToolCallPart(call["id"], call["name"], arguments, without(block, _TOOL_USE))
        case "tool_result":
            return _tool_result(block, path)
        case _:
            return OpaquePart("anthropic_messages", dict(block))


def _tool_result(block: wire.Block, path: str) -> ToolResultPart:
    result = check(block, wire.ToolResultBlock, path)
    content = result.get("content")
    if isinstance(content, list) and any(inner["type"] in ("tool_use", "tool_result") for inner in content):
        raise InvalidRequest(f"{path}.content: a tool result holds no calls or results.", param=f"{path}.content")
    parts = () if content is None else decode_content(content, f"{path}.content")
    return ToolResultPart(result["tool_use_id"], parts, bool(result.get("is_error")), without(block, _TOOL_RESULT))


def _file(block: wire.Block, path: str) -> Part:
    """An image or a document; one whose source the common form has no field for stays opaque."""
    file = check(block, wire.FileBlock, path)
    source = file["source"]
    known = _SOURCES.get(source["type"])
    if known is None or not source.keys() >= known:
        return OpaquePart("anthropic_messages", dict(block))
    extra = without(block, _DOCUMENT if block["type"] == "document" else _IMAGE)
    if inner := without(source, known):
        extra["source"] = inner
    if block["type"] == "document":
        return _document(file, extra)
    match source["type"]:
        case "url":
            return ImagePart(url=source["url"], extra=extra)
        case "base64":
            return ImagePart(data=source["data"], media_type=source["media_type"], extra=extra)
        case _:
            return OpaquePart("anthropic_messages", dict(block))


def _document(file: wire.FileBlock, extra: dict[str, Any]) -> DocumentPart:
    source, title = file["source"], file.get("title")
    match source["type"]:
        case "url":
            return DocumentPart(url=source["url"], title=title, extra=extra)
        case "file":
            return DocumentPart(file_id=source["file_id"], title=title, extra=extra)
        case "text":
            return DocumentPart(text=source["data"], media_type=source["media_type"], title=title, extra=extra)
        case _:
            return DocumentPart(data=source["data"], media_type=source["media_type"], title=title, extra=extra)
