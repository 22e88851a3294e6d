"""A messages body to the common form; unknown fields are kept in `extra` at the level they stood on.

Normalised on the way: null as absent, `stream: false` and an empty `system` as absent. The system prompt becomes the
first message; a `system` message further down keeps its place. A text alone is the same as a text block;
`is_error: false` is absent; a tool result without content is one with an empty list. A block that no part stands for is
kept as it is, opaque.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from app.dialects.anthropic_messages import wire
from app.dialects.anthropic_messages.wire import FORWARDED_HEADERS, HEADER_PREFIX
from app.dialects.headers import kept, with_prefix
from app.dialects.translation.call_signatures import split
from app.dialects.validation import check, missing_field, rest, without
from app.errors import InvalidRequest
from app.messages import (
    DocumentPart,
    ImagePart,
    InputMessage,
    NativeRequest,
    OpaquePart,
    Part,
    Reasoning,
    RedactedThinkingPart,
    Request,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolChoice,
    ToolDefinition,
    ToolResultPart,
)

_DECODED = frozenset(wire.Body.__annotations__) - {"output_format"}
"""The older name of `output_config.format` goes on to Anthropic as it is."""
_TOOL = frozenset(["name", "description", "input_schema", "strict"])
_CHOICE = frozenset(["type", "name", "disable_parallel_tool_use"])
_NO_CHOICE: tuple[None, None, dict[str, Any]] = (None, None, {})
_REASONING = frozenset(["thinking", "output_config"])
_FORMATS = frozenset(["output_config", "output_format"])
_METADATA = frozenset(["user_id"])
_OUTPUT_CONFIG = frozenset(["effort", "format"])
_MESSAGE = frozenset(wire.Message.__annotations__)
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


def decode_request(body: dict[str, Any], headers: Mapping[str, str]) -> Request:
    """Decode a body that `parse_body` gave. Raises InvalidRequest with the path of the field at fault."""
    fields = check(body, wire.Body)
    choice, parallel, choice_extra = _tool_choice(fields["tool_choice"]) if "tool_choice" in fields else _NO_CHOICE
    messages = _messages(fields)
    tools: tuple[ToolDefinition, ...] = ()
    if given := fields.get("tools"):
        tools = tuple([_tool(tool, f"tools[{at}]") for at, tool in enumerate(given)])
    return Request(
        dialect=wire.NAME,
        model=fields["model"],
        messages=messages,
        stream=bool(fields.get("stream")),
        max_tokens=fields["max_tokens"],
        temperature=fields.get("temperature"),
        top_p=fields.get("top_p"),
        top_k=fields.get("top_k"),
        stop=tuple(fields.get("stop_sequences") or ()),
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=parallel,
        reasoning=_reasoning(fields),
        response_format=_response_format(fields),
        user=(fields.get("metadata") or {}).get("user_id"),
        extra=_extra(body, fields, choice_extra),
        headers=with_prefix(headers, HEADER_PREFIX) | kept(headers, FORWARDED_HEADERS),
        native=NativeRequest(body, messages, tools),
    )


def _extra(body: dict[str, Any], fields: wire.Body, choice_extra: dict[str, Any]) -> dict[str, Any]:
    extra = rest(body, _DECODED)
    if choice_extra:
        extra["tool_choice"] = choice_extra
    if (metadata := fields.get("metadata")) and (others := without(metadata, _METADATA)):
        extra["metadata"] = others
    if config := fields.get("output_config"):
        output = without(config, _OUTPUT_CONFIG)
        if unread := _unread_format(fields):
            output["format"] = unread
        if output:
            extra["output_config"] = output
    return extra


def _messages(fields: wire.Body) -> tuple[InputMessage, ...]:
    messages: list[InputMessage] = []
    if system := fields.get("system"):
        messages.append(InputMessage("system", decode_content(system, "system")))
    for at, message in enumerate(fields["messages"]):
        content = message["content"]
        if isinstance(content, str) and len(message) == 2:
            # The most frequent form, in which there is nothing else to be found.
            messages.append(InputMessage(message["role"], (TextPart(content),)))
        else:
            parts = decode_content(content, f"messages[{at}].content")
            messages.append(InputMessage(message["role"], parts, without(message, _MESSAGE)))
    return tuple(messages)


def _reasoning(fields: wire.Body) -> Reasoning | None:
    if _REASONING.isdisjoint(fields):
        return None
    thinking = fields.get("thinking")
    effort = (fields.get("output_config") or {}).get("effort")
    if thinking is None:
        return None if effort is None else Reasoning(effort=effort)
    kind = thinking["type"]
    extra = without(thinking, frozenset(["type", "budget_tokens"]))
    if kind not in ("enabled", "disabled"):
        extra["type"] = kind
    return Reasoning(kind != "disabled", effort, thinking.get("budget_tokens"), extra)


def _output_format(fields: wire.Body) -> dict[str, Any]:
    return (fields.get("output_config") or {}).get("format") or fields.get("output_format") or {}


def _response_format(fields: wire.Body) -> dict[str, Any] | None:
    if _FORMATS.isdisjoint(fields):
        return None
    wanted = _output_format(fields)
    if wanted.get("type") != "json_schema" or not isinstance(wanted.get("schema"), dict):
        return None
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": wanted["schema"], "strict": True}}


def _unread_format(fields: wire.Body) -> dict[str, Any]:
    wanted = (fields.get("output_config") or {}).get("format") or {}
    return wanted if _response_format(fields) is None else without(wanted, frozenset(["type", "schema"]))


def _tool_choice(choice: wire.ToolChoice | None) -> tuple[ToolChoice | None, bool | None, dict[str, Any]]:
    if choice is None:
        return None, None, {}
    disabled = choice.get("disable_parallel_tool_use")
    parallel = None if disabled is None else not disabled
    rest = without(choice, _CHOICE)
    match choice["type"]:
        case "auto" | "none" as mode:
            return ToolChoice(mode=mode), parallel, rest
        case "any":
            return ToolChoice(mode="required"), parallel, rest
        case "tool" if "name" not in choice:
            raise missing_field("tool_choice.name")
        case "tool":
            return ToolChoice(mode="named", name=choice["name"]), parallel, rest
        case _:
            return None, None, dict(choice)


def _tool(tool: wire.Tool, path: str) -> ToolDefinition:
    kind = tool.get("type")
    if kind not in (None, "custom"):
        return ToolDefinition(name=tool.get("name") or str(kind), raw=dict(tool))
    for field in ("name", "input_schema"):
        if field not in tool:
            raise missing_field(f"{path}.{field}")
    return ToolDefinition(
        name=tool["name"],
        description=tool.get("description"),
        parameters=tool["input_schema"],
        strict=tool.get("strict"),
        extra=rest(tool, _TOOL),
    )


def decode_content(content: str | list[wire.Block], path: str) -> tuple[Part, ...]:
    if isinstance(content, str):
        return (TextPart(content),)
    return tuple([_block(block, f"{path}[{at}]") for at, block in enumerate(content)])


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
            id, signature = split(call["id"])
            return ToolCallPart(id, call["name"], arguments, without(block, _TOOL_USE), signature)
        case "tool_result":
            return _tool_result(block, path)
        case _:
            return OpaquePart(wire.NAME, dict(block))


def _tool_result(block: wire.Block, path: str) -> ToolResultPart:
    result = check(block, wire.ToolResultBlock, path)
    content = result.get("content")
    if isinstance(content, list) and any(inner["type"] in ("tool_use", "tool_result") for inner in content):
        raise InvalidRequest(f"{path}.content: a tool result holds no calls or results.", param=f"{path}.content")
    parts = () if content is None else decode_content(content, f"{path}.content")
    id, _ = split(result["tool_use_id"])
    return ToolResultPart(id, parts, bool(result.get("is_error")), without(block, _TOOL_RESULT))


def _file(block: wire.Block, path: str) -> Part:
    """Decode an image or a document; one whose source the common form has no field for stays opaque."""
    file = check(block, wire.FileBlock, path)
    source = file["source"]
    known = _SOURCES.get(source["type"])
    if known is None or not source.keys() >= known:
        return OpaquePart(wire.NAME, dict(block))
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
            return OpaquePart(wire.NAME, dict(block))


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
