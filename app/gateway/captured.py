"""A request as it is recorded where content is captured: in the shape of OpenTelemetry's conventions for GenAI.

It is taken as the policies leave it. What is kept of it is bounded, so that a request of many megabytes does not stay
in memory for as long as its answer takes: of a long conversation the messages in the middle are left out, and of a long
text its middle.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from app.dialects import dialect_of
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
    ToolDefinition,
    ToolResultPart,
)
from telemetry.recording.content import JsonText, Prompt
from telemetry.recording.excerpts import LeftOut, blob_note, excerpt, middle_of

_T = TypeVar("_T")
_LEAST = 64
"""Characters that a message, a part or a tool counts for beside its texts."""
_SERVER_CALLS = frozenset({"server_tool_use", "mcp_tool_use"})
_SERVER_RESULT = "_tool_result"


def prompt_of(request: Request, limit: int) -> Prompt:
    """What a request asks a model; of messages and of tools each about `limit` characters."""
    system, messages = _split(request)
    sizes = [*map(_size_of_message, system)]
    kept = _ends(messages, _size_of_message, limit, sizes)
    tools = _ends(request.tools, _size_of_tool, limit, sizes)
    return Prompt(
        system=[part for message in system for part in _parts(message.parts, limit)],
        messages=[one for message in kept for one in _messages(message, limit)],
        tools=[tool if isinstance(tool, LeftOut) else _tool(tool, limit) for tool in tools],
        size=sum(min(size, limit) for size in sizes),
    )


def _split(request: Request) -> tuple[Sequence[InputMessage], Sequence[InputMessage]]:
    """The instructions that stand apart from the conversation in the client's API, and the conversation."""
    messages = request.messages
    if dialect_of(request).has_system_apart and messages and messages[0].role == "system":
        return messages[:1], messages[1:]
    return (), messages


def _ends(items: Sequence[_T], size_of: Callable[[_T], int], limit: int, sizes: list[int]) -> list[_T | LeftOut]:
    """The items without those of the middle that are too much. The sizes of all that are kept go into `sizes`."""

    def size_at(index: int) -> int:
        sizes.append(size_of(items[index]))
        # The texts of a long one are cut: it leaves room for others.
        return min(sizes[-1], limit // 4)

    begin, end = middle_of(len(items), size_at, limit, 2)
    missing = [LeftOut(end - begin)] if begin < end else []
    return [*items[:begin], *missing, *items[end:]]


def _size_of_message(message: InputMessage) -> int:
    return _LEAST + sum(map(_size_of_part, message.parts))


def _size_of_part(part: Part) -> int:
    match part:
        case TextPart(text=text) | ThinkingPart(thinking=text) | RefusalPart(refusal=text):
            return _LEAST + len(text)
        case ToolCallPart(arguments=arguments):
            return _LEAST + len(arguments)
        case ToolResultPart(content=content):
            return _LEAST + sum(map(_size_of_part, content))
        case ImagePart() | DocumentPart():
            known = part.text if isinstance(part, DocumentPart) else None
            return _LEAST + sum(len(one) for one in (known, part.url, part.data) if one)
        case OpaquePart(raw=raw):
            return _LEAST + len(msgspec.json.encode(raw))
        case _:
            return _LEAST


def _size_of_tool(tool: ToolDefinition) -> int:
    return _LEAST + len(tool.description or "") + len(msgspec.json.encode(tool.raw or tool.parameters))


def _messages(message: InputMessage | LeftOut, limit: int) -> Iterator[dict[str, Any] | LeftOut]:
    """A message, and one for each result of a tool in it, which the conventions have by themselves."""
    if isinstance(message, LeftOut):
        yield message
        return
    others = [part for part in message.parts if not isinstance(part, ToolResultPart)]
    for part in message.parts:
        if isinstance(part, ToolResultPart):
            yield {"role": "tool", "parts": [_part(part, limit)]}
    if others or not message.parts:
        yield {"role": message.role, "parts": _parts(others, limit)}


def _parts(parts: Sequence[Part], limit: int) -> list[dict[str, Any]]:
    begin, end = middle_of(len(parts), lambda index: _size_of_part(parts[index]), limit, 1)
    missing = [{"type": "text", "content": f"[{end - begin:,} parts left out]"}] if begin < end else []
    before, behind = ([_part(part, limit) for part in some] for some in (parts[:begin], parts[end:]))
    return [*before, *missing, *behind]


def _part(part: Part, limit: int) -> dict[str, Any]:
    match part:
        case TextPart(text=text) | RefusalPart(refusal=text):
            return {"type": "text", "content": excerpt(text, limit)}
        case ThinkingPart(thinking=text):
            return {"type": "reasoning", "content": excerpt(text, limit)}
        case RedactedThinkingPart():
            # Only its provider can read it.
            return {"type": "redacted_thinking"}
        case ImagePart(url=url, data=data, media_type=media_type):
            return _medium("image", url, data, media_type, limit)
        case DocumentPart():
            return _document(part, limit)
        case ToolCallPart(id=id, name=name, arguments=arguments):
            return {"type": "tool_call", "id": id, "name": name, "arguments": JsonText(excerpt(arguments, limit))}
        case ToolResultPart(tool_call_id=id, content=content, is_error=is_error):
            failed = {"is_error": True} if is_error else {}
            return {"type": "tool_call_response", "id": id, "response": _response(content, limit), **failed}
        case OpaquePart(raw=raw):
            return _opaque(raw, limit)


def _response(content: Sequence[Part], limit: int) -> Any:
    """A tool's result: text, where it is nothing else."""
    if all(isinstance(part, TextPart) for part in content):
        return excerpt("\n".join(part.text for part in content if isinstance(part, TextPart)), limit)
    return _parts(content, limit)


def _document(part: DocumentPart, limit: int) -> dict[str, Any]:
    title = {"title": part.title} if part.title else {}
    if part.text is not None:
        return {"type": "text", "content": excerpt(part.text, limit), **title}
    if part.file_id is not None:
        return {"type": "file", "modality": "document", "file_id": part.file_id, **title}
    return _medium("document", part.url, part.data, part.media_type, limit) | title


def _medium(modality: str, url: str | None, data: str | None, media_type: str | None, limit: int) -> dict[str, Any]:
    known = {"mime_type": media_type} if media_type else {}
    if data is None:
        return {"type": "uri", "modality": modality, "uri": excerpt(url or "", limit), **known}
    if len(data) > limit or not data.isascii():
        return blob_note(media_type, len(data))
    return {"type": "blob", "modality": modality, "content": data, **known}


def _opaque(raw: Mapping[str, Any], limit: int) -> dict[str, Any]:
    """A part that one API alone knows, in the conventions' shape where they have one for it."""
    match raw:
        case {"type": "input_audio", "input_audio": {"data": str(data)} as audio}:
            return _medium("audio", None, data, f"audio/{audio.get('format', '*')}", limit)
        case {"type": "tokens", "tokens": list(tokens)}:
            return {"type": "tokens", "count": len(tokens)}
        case {"type": str(kind), "name": str(name)} if kind in _SERVER_CALLS:
            call = {"type": name, "input": _bounded(raw.get("input"), limit)}
            return {"type": "server_tool_call", "id": raw.get("id"), "name": name, "server_tool_call": call}
        case {"type": str(kind)} if kind.endswith(_SERVER_RESULT):
            found = {"type": kind, "content": _bounded(raw.get("content"), limit)}
            return {
                "type": "server_tool_call_response",
                "id": raw.get("tool_use_id"),
                "server_tool_call_response": found,
            }
        case {"type": str(kind)}:
            rest = {name: value for name, value in raw.items() if name != "type"}
            found = _bounded(rest, limit)
            return {"type": kind, **(found if isinstance(found, dict) else {"content": found})}
        case _:
            return {"type": "other", "content": _bounded(dict(raw), limit)}


def _tool(tool: ToolDefinition, limit: int) -> dict[str, Any]:
    if tool.raw is not None:
        rest = _bounded({name: value for name, value in tool.raw.items() if name not in ("type", "name")}, limit)
        found = rest if isinstance(rest, dict) else {"description": rest}
        return {"type": str(tool.raw.get("type", "function")), "name": tool.name, **found}
    about = {"description": excerpt(tool.description, limit)} if tool.description else {}
    parameters = {} if tool.parameters is None else {"parameters": _bounded(tool.parameters, limit)}
    return {"type": "function", "name": tool.name, **about, **parameters}


def _bounded(value: Any, limit: int) -> Any:
    """The value itself, or the ends of its JSON where that is longer than `limit`."""
    encoded = msgspec.json.encode(value)
    return value if len(encoded) <= limit else excerpt(encoded.decode(), limit)
