"""Messages of the common form to those of chat completions.

Tool results that stand in a user message (Anthropic) become `tool` messages of their own, before the rest of it. Those
take text only: an image or a file in a result goes to a user message after it, under a line that says whose it is.
"""

from collections.abc import Sequence
from typing import Any, assert_never

from app.dialects.crossing import no_counterpart, refuse_opaque
from app.dialects.places import placed
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


def encode_messages(request: Request) -> list[dict[str, Any]]:
    if (native := request.native_messages("openai_chat")) is not None:
        messages: list[dict[str, Any]] = native["messages"]
        return messages
    same = request.dialect == "openai_chat"
    return [encoded for place, message in placed(request) for encoded in _encode(message, same, f"{place}.content")]


def _encode(message: InputMessage, same: bool, path: str) -> list[dict[str, Any]]:
    if message.role == "assistant":
        return [_assistant(message, same, path)]
    results = [part for part in message.parts if isinstance(part, ToolResultPart)]
    others: list[Part] = [part for part in message.parts if not isinstance(part, ToolResultPart)]
    encoded = [_tool_message(result, message, same, path) for result in results]
    if not same:
        others = [*(part for result in results for part in _moved(result)), *others]
    if others or not results:
        role = "user" if message.role == "tool" else message.role
        extra = message.extra if same and not results else {}
        content = _content(others, same, path)
        encoded.append({"role": role, "content": "" if content is None else content, **extra})
    return encoded


def _tool_message(result: ToolResultPart, message: InputMessage, same: bool, path: str) -> dict[str, Any]:
    parts = result.content if same else [part for part in result.content if not _is_moved(part)]
    content = _content(parts, same, path)
    extra = message.extra if same and message.role == "tool" else {}
    if extra.get("role") == "function":
        return {"name": result.tool_call_id, "content": content, **extra}
    return {"role": "tool", "tool_call_id": result.tool_call_id, "content": "" if content is None else content, **extra}


def _is_moved(part: Part) -> bool:
    return isinstance(part, ImagePart) or (isinstance(part, DocumentPart) and part.text is None)


def _moved(result: ToolResultPart) -> list[Part]:
    moved = [part for part in result.content if _is_moved(part)]
    return [TextPart(f"Output of tool call {result.tool_call_id}:"), *moved] if moved else []


def _assistant(message: InputMessage, same: bool, path: str) -> dict[str, Any]:
    extra = message.extra if same else {}
    content = [part for part in message.parts if not isinstance(part, _BESIDE_CONTENT)]
    encoded: dict[str, Any] = {"role": "assistant", "content": None, **extra}
    match content:
        case [RefusalPart(refusal=refusal, extra={}) as only] if not only.extra:
            encoded["refusal"] = refusal
        case _:
            encoded["content"] = _content(content, same, path)
    if same:
        encoded |= _thinking(message.parts)
    for call in message.parts:
        if isinstance(call, ToolCallPart):
            _add_call(encoded, call, same)
    if not same and encoded["content"] is None and "tool_calls" not in encoded and "refusal" not in encoded:
        encoded["content"] = ""
    return encoded


_BESIDE_CONTENT = (ToolCallPart, ThinkingPart, RedactedThinkingPart)


def _thinking(parts: Sequence[Part]) -> dict[str, Any]:
    blocks = [part for part in parts if isinstance(part, ThinkingPart | RedactedThinkingPart)]
    match blocks:
        case []:
            return {}
        case [ThinkingPart(signature=None) as plain] if not plain.extra:
            return {"reasoning_content": plain.thinking}
        case _:
            return {"thinking_blocks": [_thinking_block(block) for block in blocks]}


def _thinking_block(part: ThinkingPart | RedactedThinkingPart) -> dict[str, Any]:
    if isinstance(part, RedactedThinkingPart):
        return {"type": "redacted_thinking", "data": part.data, **part.extra}
    signature = {} if part.signature is None else {"signature": part.signature}
    return {"type": "thinking", "thinking": part.thinking, **signature, **part.extra}


def _add_call(message: dict[str, Any], call: ToolCallPart, same: bool) -> None:
    kind = {"type": "custom"} if call.extra.get("type") == "custom" else {}
    extra: dict[str, Any] = call.extra if same else kind
    function = {"name": call.name, "arguments": call.arguments}
    match extra.get("type"):
        case "function_call":
            message["function_call"] = function
            return
        case "custom":
            encoded = {**extra, "id": call.id, "custom": {"name": call.name, "input": call.arguments}}
        case _:
            encoded = {
                "type": "function",
                **extra,
                "id": call.id,
                "function": {**extra.get("function", {}), **function},
            }
    message.setdefault("tool_calls", []).append(encoded)


def _content(parts: Sequence[Part], same: bool, path: str) -> str | list[dict[str, Any]] | None:
    match parts:
        case [TextPart(text=text) as only] if not (same and only.extra):
            return text
        case _:
            encoded = [_part(part, same, path) for part in parts]
            return [part for part in encoded if part is not None] or None


def _part(part: Part, same: bool, path: str) -> dict[str, Any] | None:
    extra = part.extra if same and not isinstance(part, OpaquePart) else {}
    match part:
        case TextPart(text=text):
            return {"type": "text", "text": text, **extra}
        case RefusalPart(refusal=refusal):
            return {"type": "refusal", "refusal": refusal, **extra}
        case ImagePart():
            url = part.url if part.data is None else f"data:{part.media_type or 'image/png'};base64,{part.data}"
            return {"type": "image_url", **extra, "image_url": {"url": url, **extra.get("image_url", {})}}
        case DocumentPart():
            return _document(part, same, path)
        case OpaquePart(dialect="openai_chat", raw=raw) | OpaquePart(raw={"type": "input_audio"} as raw):
            return raw
        case OpaquePart():
            refuse_opaque(part, path)
            return None
        case ThinkingPart() | RedactedThinkingPart():
            return None
        case ToolCallPart() | ToolResultPart():
            raise no_counterpart(path, "a tool call or result in this place")
        case _:
            assert_never(part)


def _document(part: DocumentPart, same: bool, path: str) -> dict[str, Any]:
    if part.text is not None:
        return {"type": "text", "text": f"{part.title}\n\n{part.text}" if part.title else part.text}
    if not same and part.data is None:
        raise no_counterpart(path, "a document that is not in the request itself")
    extra = part.extra if same else {}
    data = part.data if part.media_type is None else f"data:{part.media_type};base64,{part.data}"
    file = {
        "file_data": data,
        "file_id": part.file_id,
        "filename": part.title if same else part.title or "document.pdf",
    }
    file = {name: value for name, value in file.items() if value is not None}
    return {"type": "file", **extra, "file": {**file, **extra.get("file", {})}}
