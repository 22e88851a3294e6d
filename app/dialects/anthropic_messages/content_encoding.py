"""Parts of the common form as Anthropic's blocks, whichever dialect they came in.

From another dialect, a cache mark stays, as LiteLLM has it: on a part, on a tool's result, or on a message, where it
counts for the last block. `thinking_history` says what becomes of thinking.
"""

from collections.abc import Iterable, Mapping
from typing import Any, assert_never

from app.dialects.anthropic_messages.ids import legal_id
from app.dialects.anthropic_messages.media_sources import document_source, file_block, image_source
from app.dialects.anthropic_messages.wire import NAME
from app.dialects.dialect import DIALECTS
from app.dialects.tool_calls import as_object
from app.dialects.translation.losses import ELSEWHERE, no_counterpart
from app.dialects.translation.part_paths import PartPaths
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

CACHE_MARK = "cache_control"
SYSTEM = "system"
Block = dict[str, Any]
_UNMARKED = frozenset({"thinking", "redacted_thinking"})
"""Types of blocks that take no cache mark."""


def encode_message(message: InputMessage, path: str, same: bool) -> dict[str, Any]:
    role = "user" if message.role == "tool" else "system" if message.role == "developer" else message.role
    content = _content(message.parts, PartPaths(message, f"{path}.content"), same)
    if not message.extra:
        return {"role": role, "content": content}
    if not same:
        if message.extra.get("is_error") is True and isinstance(content, list):
            content = [{**block, "is_error": True} if block["type"] == "tool_result" else block for block in content]
        return {"role": role, "content": with_mark(content, cache_mark(message.extra))}
    return {"role": role, "content": content, **message.extra}


def encode_system(message: InputMessage, path: str, same: bool) -> str | list[Block]:
    """The content of a message of the system; `path` is that of the message, or of the field that it stood in."""
    return _content(message.parts, PartPaths(message, path if path == SYSTEM else f"{path}.content"), same)


def _content(parts: Iterable[Part], paths: PartPaths, same: bool) -> str | list[Block]:
    match list(parts):
        case [TextPart(text=text) as only] if not only.extra or not (same or cache_mark(only.extra)):
            return text
        case several:
            blocks = (_block(part, paths, same) for part in several)
            return [block for block in blocks if block is not None]


def cache_mark(extra: Mapping[str, Any]) -> Block:
    mark = extra.get(CACHE_MARK)
    return {CACHE_MARK: mark} if isinstance(mark, dict) else {}


def with_mark(content: str | list[Block], mark: Block) -> str | list[Block]:
    """The content with a cache mark on its last block that takes one."""
    if not mark or not content:
        return content
    if isinstance(content, str):
        return [{"type": "text", "text": content, **mark}]
    last = next((at for at in reversed(range(len(content))) if content[at]["type"] not in _UNMARKED), None)
    if last is None:
        return content
    return [*content[:last], {**content[last], **mark}, *content[last + 1 :]]


def _block(part: Part, paths: PartPaths, same: bool) -> Block | None:
    extra = {} if isinstance(part, OpaquePart) else part.extra if same else cache_mark(part.extra)
    match part:
        case TextPart(text=text) | RefusalPart(refusal=text):
            return {"type": "text", "text": text, **extra} if text or same else None
        case ImagePart():
            return {"type": "image", "source": image_source(part), **extra} if not same else _native_image(part)
        case DocumentPart():
            return _native_document(part, paths.of(part)) if same else {**_document(part, paths.of(part)), **extra}
        case ToolCallPart(id=id, name=name, arguments=arguments):
            call_id = id if same else legal_id(id)
            return {"type": "tool_use", "id": call_id, "name": name, "input": as_object(arguments), **extra}
        case ToolResultPart():
            return _native_result(part, paths) if same else _result(part, paths)
        case ThinkingPart():
            return _thinking_block(part, same)
        case RedactedThinkingPart(data=data):
            kept = part.extra if same else {}
            return {"type": "redacted_thinking", "data": data, **kept}
        case OpaquePart(dialect=dialect, raw=raw) if dialect == NAME:
            return raw
        case OpaquePart(dialect=dialect):
            DIALECTS[dialect].refuse_opaque(part, paths.of(part))
            return None
        case _:
            assert_never(part)


def _thinking_block(part: ThinkingPart, same: bool) -> Block | None:
    if part.signature is None and same:
        return {"type": "thinking", "thinking": part.thinking, **part.extra}
    if part.signature is None and not part.thinking:
        return None
    block = {"type": "thinking", "thinking": part.thinking, "signature": part.signature or ""}
    return {**block, **part.extra} if same else block


def _native_result(part: ToolResultPart, paths: PartPaths) -> Block:
    block: Block = {"type": "tool_result", "tool_use_id": part.tool_call_id}
    if part.content:
        block["content"] = _content(part.content, paths, True)
    if part.is_error:
        block["is_error"] = True
    return {**block, **part.extra}


def _result(part: ToolResultPart, paths: PartPaths) -> Block:
    """A result of a client of another dialect. A mark inside it is one on it: caching ends with whole blocks."""
    block: Block = {"type": "tool_result", "tool_use_id": legal_id(part.tool_call_id)}
    marks = [mark for one in part.content if not isinstance(one, OpaquePart) and (mark := cache_mark(one.extra))]
    content = _content(part.content, paths, False)
    if isinstance(content, list):
        content = [{name: value for name, value in inner.items() if name != CACHE_MARK} for inner in content]
    if content:
        block["content"] = content
    if part.is_error or part.extra.get("is_error") is True:
        block["is_error"] = True
    return {**block, **(marks[-1] if marks else {}), **cache_mark(part.extra)}


def _native_image(part: ImagePart) -> Block:
    if part.data is None:
        source: Block = {"type": "url", "url": part.url}
    else:
        source = {"type": "base64", "media_type": part.media_type or "image/png", "data": part.data}
    return {"type": "image", **part.extra, "source": {**source, **part.extra.get("source", {})}}


def _native_document(part: DocumentPart, path: str) -> Block:
    title = {} if part.title is None else {"title": part.title}
    source = {**document_source(part, path), **part.extra.get("source", {})}
    return {"type": "document", **title, **part.extra, "source": source}


def _document(part: DocumentPart, path: str) -> Block:
    if part.file_id is not None and part.data is None:
        raise no_counterpart(path, ELSEWHERE)
    return file_block(part, path)
