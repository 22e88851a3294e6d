"""One message of a chat completions body to the common form.

Normalised on the way: content of one plain text is the same as that text in a part; a `refusal` beside the content is a
part; the content of a message stands before its tool calls, thinking before both.
"""

from typing import Any

from app.dialects.openai_chat import wire
from app.dialects.validation import check, missing_field, rest, without
from app.errors import InvalidRequest
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

_ASSISTANT = frozenset(["role", "content", "refusal", "thinking_blocks", "tool_calls", "function_call"])
_TOOL_RESULT = frozenset(["role", "content", "tool_call_id"])
_PLAIN = frozenset(["role", "content"])
_CALL = frozenset(["id", "type", "function"])
_FUNCTION = frozenset(["name", "arguments"])
_IMAGE = frozenset(["type", "image_url"])
_FILE = frozenset(["type", "file"])
_FILE_FIELDS = frozenset(wire.File.__annotations__)
_TEXT = frozenset(["type", "text"])
_REFUSAL = frozenset(["type", "refusal"])
_THINKING = frozenset(["type", "thinking", "signature", "index"])
_REDACTED = frozenset(["type", "data", "index"])


def decode_message(message: wire.Message, path: str) -> InputMessage:
    content = decode_content(message.get("content"), f"{path}.content")
    match message["role"]:
        case "tool":
            call_id = message.get("tool_call_id")
            if call_id is None:
                raise missing_field(f"{path}.tool_call_id")
            return InputMessage("tool", (ToolResultPart(call_id, content),), rest(message, _TOOL_RESULT))
        case "function":
            # Before tools had ids, a function's name stood for its call.
            name = message.get("name") or ""
            extra = rest(message, frozenset(["content", "name"]))
            return InputMessage("tool", (ToolResultPart(name, content),), extra)
        case "assistant":
            return _decode_assistant(message, content, path)
        case role:
            if message.get("content") is None:
                raise missing_field(f"{path}.content")
            return InputMessage(role, content, rest(message, _PLAIN))


def _decode_assistant(message: wire.Message, content: tuple[Part, ...], path: str) -> InputMessage:
    extra = rest(message, _ASSISTANT)
    parts = [*_thinking(message, extra, path), *content]
    refusal = message.get("refusal")
    if refusal is not None:
        parts.append(RefusalPart(refusal))
    for at, call in enumerate(message.get("tool_calls") or ()):
        parts.append(_tool_call(call, f"{path}.tool_calls[{at}]"))
    if legacy := message.get("function_call"):
        parts.append(ToolCallPart(legacy["name"], legacy["name"], legacy["arguments"], {"type": "function_call"}))
    return InputMessage("assistant", tuple(parts), extra)


def _thinking(message: wire.Message, extra: dict[str, Any], path: str) -> list[Part]:
    """Blocks hold what can be sent back to Anthropic; with them, `reasoning_content` is only the same text again."""
    blocks = message.get("thinking_blocks")
    if blocks:
        return [_thinking_block(block, f"{path}.thinking_blocks[{at}]") for at, block in enumerate(blocks)]
    text = extra.pop("reasoning_content", None)
    return [] if text is None else [ThinkingPart(text)]


def _thinking_block(block: wire.ThinkingBlock, path: str) -> Part:
    match block["type"]:
        case "thinking":
            return ThinkingPart(block.get("thinking") or "", block.get("signature"), without(block, _THINKING))
        case "redacted_thinking" if "data" in block:
            return RedactedThinkingPart(block["data"], without(block, _REDACTED))
        case "redacted_thinking":
            raise missing_field(f"{path}.data")
        case _:
            raise InvalidRequest(f"{path}.type: unknown kind of block.", param=f"{path}.type")


def _tool_call(call: wire.ToolCall, path: str) -> ToolCallPart:
    kind = call.get("type") or "function"
    if kind == "custom":
        custom = call.get("custom")
        if custom is None:
            raise missing_field(f"{path}.custom")
        return ToolCallPart(call["id"], custom["name"], custom["input"], without(call, frozenset(["id", "custom"])))
    function = call.get("function")
    if kind != "function" or function is None:
        raise missing_field(f"{path}.function")
    extra = without(call, _CALL)
    if inner := without(function, _FUNCTION):
        extra["function"] = inner
    return ToolCallPart(call["id"], function["name"], function["arguments"], extra)


def decode_content(content: str | list[wire.ContentPart] | None, path: str) -> tuple[Part, ...]:
    if content is None:
        return ()
    if isinstance(content, str):
        return (TextPart(content),)
    return tuple(_part(part, f"{path}[{at}]") for at, part in enumerate(content))


def _part(part: wire.ContentPart, path: str) -> Part:
    match part["type"]:
        case "text":
            return TextPart(check(part, wire.TextPart, path)["text"], without(part, _TEXT))
        case "refusal":
            return RefusalPart(check(part, wire.RefusalPart, path)["refusal"], without(part, _REFUSAL))
        case "image_url":
            return _image(check(part, wire.ImagePart, path))
        case "file":
            return _file(check(part, wire.FilePart, path))
        case _:
            return OpaquePart("openai_chat", dict(part))


def _image(part: wire.ImagePart) -> ImagePart:
    image = part["image_url"]
    extra = without(part, _IMAGE)
    if inner := without(image, frozenset(["url"])):
        extra["image_url"] = inner
    media_type, data = split_data_url(image["url"])
    if media_type is None:
        return ImagePart(url=image["url"], extra=extra)
    return ImagePart(data=data, media_type=media_type, extra=extra)


def _file(part: wire.FilePart) -> DocumentPart:
    file = part["file"]
    extra = without(part, _FILE)
    if inner := without(file, _FILE_FIELDS):
        extra["file"] = inner
    media_type, data = split_data_url(file.get("file_data") or "")
    return DocumentPart(
        data=file.get("file_data") if media_type is None else data,
        media_type=media_type,
        file_id=file.get("file_id"),
        title=file.get("filename"),
        extra=extra,
    )


def split_data_url(url: str) -> tuple[str | None, str]:
    """Media type and base64 of `data:TYPE;base64,DATA`; any other URL, one with parameters too, has no type here."""
    if not url.startswith("data:"):
        return None, ""
    head, _, data = url.partition(",")
    media_type, _, encoding = head[len("data:") :].partition(";")
    return (media_type, data) if media_type and encoding == "base64" else (None, "")
