"""Messages of the common form to `system` and `messages` of Anthropic's.

From OpenAI: every system and developer message is hoisted to `system`; neighbours of one role are merged, so several
`tool` messages become one user message of results; empty texts and unsigned thinking, both refused there, are left out.
From Anthropic: everything stays as it came, but system messages that open the conversation join `system`.
"""

import re
from collections.abc import Iterable
from typing import Any, assert_never

from app.dialects.crossing import no_counterpart, refuse_opaque
from app.dialects.encrypted import is_openais
from app.dialects.places import placed
from app.dialects.tool_calls import as_object
from app.errors import InvalidRequest
from app.messages import (
    DocumentPart,
    ImagePart,
    InputMessage,
    OpaquePart,
    Part,
    RedactedThinkingPart,
    RefusalPart,
    Request,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
)

_Blocks = list[dict[str, Any]]
_Placed = tuple[str, InputMessage]
_NOT_IN_IDS = re.compile(r"[^a-zA-Z0-9_-]")


def encode_messages(request: Request) -> tuple[str | _Blocks, list[dict[str, Any]]]:
    """The system prompt, empty if there is none, and the messages; a conversation that is all system is refused."""
    if (native := request.native_messages("anthropic_messages")) is not None:
        return native.get("system") or "", native["messages"]
    system, others = _split(request)
    same = request.dialect == "anthropic_messages"
    system_parts = [part for _, message in system for part in message.parts]
    messages = [_message(message, place, same) for place, message in others]
    if not same:
        messages = _merge(messages)
    if not messages:
        raise InvalidRequest("messages: at least one user or assistant message is needed.", param="messages")
    return _content(system_parts, "system", same), messages


def _split(request: Request) -> tuple[list[_Placed], list[_Placed]]:
    messages = placed(request)
    if request.dialect != "anthropic_messages":
        system = [one for one in messages if _is_system(one[1])]
        return system, [one for one in messages if not _is_system(one[1])]
    first = next((at for at, (_, message) in enumerate(messages) if not _is_system(message)), len(messages))
    return messages[:first], messages[first:]


def _is_system(message: InputMessage) -> bool:
    return message.role in ("system", "developer")


def _message(message: InputMessage, path: str, same: bool) -> dict[str, Any]:
    role = "user" if message.role == "tool" else "system" if message.role == "developer" else message.role
    content = _content(message.parts, f"{path}.content", same)
    return {"role": role, "content": content, **(message.extra if same else {})}


def _merge(messages: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    merged: list[dict[str, Any]] = []
    for message in messages:
        if not message["content"]:
            continue
        if merged and merged[-1]["role"] == message["role"]:
            merged[-1]["content"] = [*_blocks(merged[-1]["content"]), *_blocks(message["content"])]
        else:
            merged.append(message)
    return merged


def _blocks(content: str | _Blocks) -> _Blocks:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _content(parts: Iterable[Part], path: str, same: bool) -> str | _Blocks:
    match list(parts):
        case [TextPart(text=text) as only] if not (same and only.extra):
            return text
        case several:
            blocks = (_block(part, path, same) for part in several)
            return [block for block in blocks if block is not None]


def _block(part: Part, path: str, same: bool) -> dict[str, Any] | None:
    extra = part.extra if same and not isinstance(part, OpaquePart) else {}
    match part:
        case TextPart(text=text) | RefusalPart(refusal=text):
            return {"type": "text", "text": text, **extra} if text or same else None
        case ImagePart():
            return {"type": "image", **extra, "source": {**_image_source(part), **extra.get("source", {})}}
        case DocumentPart():
            return _document(part, path, same)
        case ToolCallPart(id=id, name=name, arguments=arguments):
            return {"type": "tool_use", "id": _id(id, same), "name": name, "input": as_object(arguments), **extra}
        case ToolResultPart():
            return _tool_result(part, path, same)
        case ThinkingPart():
            return _thinking(part, same)
        case RedactedThinkingPart(data=data):
            return None if is_openais(data) else {"type": "redacted_thinking", "data": data, **extra}
        case OpaquePart(dialect="anthropic_messages", raw=raw):
            return raw
        case OpaquePart():
            refuse_opaque(part, path)
            return None
        case _:
            assert_never(part)


def _id(id: str, same: bool) -> str:
    """Other providers' ids may hold what Anthropic's pattern forbids; a call and its result change alike."""
    return id if same else _NOT_IN_IDS.sub("_", id)


def _thinking(part: ThinkingPart, same: bool) -> dict[str, Any] | None:
    if part.signature is None:
        return {"type": "thinking", "thinking": part.thinking, **part.extra} if same else None
    block = {"type": "thinking", "thinking": part.thinking, "signature": part.signature}
    return {**block, **part.extra} if same else block


def _tool_result(part: ToolResultPart, path: str, same: bool) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": _id(part.tool_call_id, same)}
    content = _content(part.content, path, same)
    if part.content:
        block["content"] = content
    if part.is_error:
        block["is_error"] = True
    return {**block, **(part.extra if same else {})}


def _image_source(part: ImagePart) -> dict[str, Any]:
    if part.data is None:
        return {"type": "url", "url": part.url}
    return {"type": "base64", "media_type": part.media_type or "image/png", "data": part.data}


def _document(part: DocumentPart, path: str, same: bool) -> dict[str, Any]:
    if not same and part.file_id is not None and part.data is None:
        raise no_counterpart(path, "a file that lies with another provider")
    extra = part.extra if same else {}
    title = {} if part.title is None else {"title": part.title}
    source = {**_document_source(part, path), **extra.get("source", {})}
    return {"type": "document", **title, **extra, "source": source}


def _document_source(part: DocumentPart, path: str) -> dict[str, Any]:
    if part.text is not None:
        return {"type": "text", "media_type": part.media_type or "text/plain", "data": part.text}
    if part.data is not None:
        return {"type": "base64", "media_type": part.media_type or "application/pdf", "data": part.data}
    if part.url is not None:
        return {"type": "url", "url": part.url}
    if part.file_id is not None:
        return {"type": "file", "file_id": part.file_id}
    raise InvalidRequest(f"{path}: a document without content.", param=path)
