"""A chat completions body to the common form; unknown fields are kept in `extra` at the level they stood on.

Normalised on the way: null as absent, `stop` as a list, `stream: false` and `include_usage: false` as absent, the
legacy `function` role as `tool`. Content of one plain text is the same as that text in a part; a `refusal` beside the
content is a part; the content of a message stands before its tool calls, thinking before both.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from app.dialects.data_urls import split_data_url
from app.dialects.headers import kept
from app.dialects.openai_chat import wire
from app.dialects.openai_chat.wire import FORWARDED_HEADERS
from app.dialects.tool_calls import as_text
from app.dialects.translation.call_signatures import signature_of
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
    RefusalPart,
    Request,
    Role,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolChoice,
    ToolDefinition,
    ToolResultPart,
)

_MAX_TOKENS = ("max_completion_tokens", "max_tokens")
_DECODED = frozenset(wire.Body.__annotations__) - set(_MAX_TOKENS)
_TOOL = frozenset(["type", "function"])
_FUNCTION = frozenset(["name", "description", "parameters", "strict"])
_ASSISTANT = frozenset(["role", "content", "refusal", "thinking_blocks", "tool_calls", "function_call"])
_TOOL_RESULT = frozenset(["role", "content", "tool_call_id"])
_PLAIN = frozenset(["role", "content"])
_SPEAKERS: Mapping[str, Role] = {"system": "system", "developer": "developer", "user": "user", "assistant": "assistant"}
"""Roles whose messages may be a text and nothing else."""
_CALL = frozenset(["id", "type", "function"])
_CALL_FUNCTION = frozenset(["name", "arguments"])
_IMAGE = frozenset(["type", "image_url"])
_IMAGE_URL = frozenset(wire.ImageURL.__annotations__)
_FILE = frozenset(["type", "file"])
_FILE_FIELDS = frozenset(wire.File.__annotations__)
_TEXT = frozenset(["type", "text"])
_REFUSAL = frozenset(["type", "refusal"])
_THINKING = frozenset(["type", "thinking", "signature", "index"])
_REDACTED = frozenset(["type", "data", "index"])


def decode_request(body: dict[str, Any], headers: Mapping[str, str]) -> Request:
    """Decode a body that `parse_body` gave. Raises InvalidRequest with the path of the field at fault."""
    fields = check(body, wire.Body)
    effort = fields.get("reasoning_effort")
    stop = fields.get("stop")
    choice, choice_extra = _tool_choice(fields) if "tool_choice" in fields else (None, {})
    messages, go_on_as_they_came = _messages(fields["messages"])
    tools: tuple[ToolDefinition, ...] = ()
    if given := fields.get("tools"):
        tools = tuple([_tool(tool, f"tools[{at}]") for at, tool in enumerate(given)])
    return Request(
        dialect=wire.NAME,
        model=fields["model"],
        messages=messages,
        stream=bool(fields.get("stream")),
        include_usage=bool((fields.get("stream_options") or {}).get("include_usage")),
        n=fields.get("n"),
        max_tokens=fields.get("max_completion_tokens") or fields.get("max_tokens"),
        temperature=fields.get("temperature"),
        top_p=fields.get("top_p"),
        stop=(stop,) if isinstance(stop, str) else tuple(stop or ()),
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=fields.get("parallel_tool_calls"),
        reasoning=None if effort is None else Reasoning(enabled=effort != "none", effort=effort),
        response_format=fields.get("response_format"),
        user=fields.get("user"),
        extra=_extra(body, choice_extra),
        headers=kept(headers, FORWARDED_HEADERS),
        native=NativeRequest(body, messages if go_on_as_they_came else (), tools),
    )


def _messages(given: list[wire.Message]) -> tuple[tuple[InputMessage, ...], bool]:
    """The messages, and whether a provider can be sent the client's own of all of them."""
    messages: list[InputMessage] = []
    go_on = True
    for at, message in enumerate(given):
        role = _SPEAKERS.get(message["role"])
        if len(message) == 2 and role is not None and isinstance(text := message.get("content"), str):
            # The most frequent form, in which there is nothing else to be found.
            messages.append(InputMessage(role, (TextPart(text),)))
            continue
        messages.append(_decode_message(message, f"messages[{at}]"))
        go_on = go_on and _goes_on_as_it_came(message)
    return tuple(messages), go_on


def _goes_on_as_it_came(message: wire.Message) -> bool:
    """Whether the provider can be sent the message's own bytes: images and arguments stand as OpenAI takes them."""
    content = message.get("content")
    if isinstance(content, list):
        for part in content:
            if isinstance(part.get("image_url"), str):
                return False
    for call in message.get("tool_calls") or ():
        if not _is_text(call.get("function")):
            return False
    return _is_text(message.get("function_call"))


def _extra(body: dict[str, Any], choice_extra: dict[str, Any]) -> dict[str, Any]:
    """Unknown fields, and the names under which `max_tokens` came: some models refuse the one, some the other."""
    extra = rest(body, _DECODED)
    if choice_extra:
        extra["tool_choice"] = choice_extra
    return extra | wire.other_stream_options(body) if "stream_options" in body else extra


def _tool_choice(fields: wire.Body) -> tuple[ToolChoice | None, dict[str, Any]]:
    choice = fields.get("tool_choice")
    match choice:
        case None:
            return None, {}
        case "auto" | "none" | "required":
            return ToolChoice(mode=choice), {}
        case str():
            raise InvalidRequest(f"tool_choice: unknown value {choice!r}.", param="tool_choice")
        case {"type": "function"}:
            if "function" not in choice:
                raise missing_field("tool_choice.function")
            return ToolChoice(mode="named", name=choice["function"]["name"]), without(choice, _TOOL)
        case {"type": "custom"}:
            if "custom" not in choice:
                raise missing_field("tool_choice.custom")
            return ToolChoice(mode="named", name=choice["custom"]["name"]), without(choice, frozenset(["custom"]))
        case _:
            return None, dict(choice)


def _tool(tool: wire.Tool, path: str) -> ToolDefinition:
    if tool["type"] != "function":
        return ToolDefinition(name=_raw_name(tool), raw=dict(tool))
    function = tool.get("function")
    if function is None:
        raise missing_field(f"{path}.function")
    extra = without(tool, _TOOL)
    if inner := without(function, _FUNCTION):
        extra["function"] = inner
    return ToolDefinition(
        name=function["name"],
        description=function.get("description"),
        parameters=function.get("parameters"),
        strict=function.get("strict"),
        extra=extra,
    )


def _raw_name(tool: Mapping[str, Any]) -> str:
    inner = tool.get(tool["type"])
    name = inner.get("name") if isinstance(inner, dict) else None
    return name if isinstance(name, str) else str(tool["type"])


def _decode_message(message: wire.Message, path: str) -> InputMessage:
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
        parts.append(ToolCallPart(legacy["name"], legacy["name"], _arguments(legacy), {"type": "function_call"}))
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
        custom_extra = without(call, frozenset(["id", "custom"]))
        return ToolCallPart(call["id"], custom["name"], custom["input"], custom_extra, signature_of(call))
    function = call.get("function")
    if kind != "function" or function is None:
        raise missing_field(f"{path}.function")
    extra = without(call, _CALL)
    if inner := without(function, _CALL_FUNCTION):
        extra["function"] = inner
    return ToolCallPart(call["id"], function["name"], _arguments(function), extra, signature_of(call))


def _arguments(function: wire.CalledFunction) -> str:
    """Some clients send back an object, or nothing where there were no arguments; providers take JSON text only."""
    arguments = function.get("arguments") or ""
    return as_text(arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode())


def _is_text(function: wire.CalledFunction | None) -> bool:
    """Whether the arguments of an earlier call are as providers take them."""
    return function is None or function.get("arguments") == _arguments(function)


def decode_content(content: str | list[wire.ContentPart] | None, path: str) -> tuple[Part, ...]:
    if content is None:
        return ()
    if isinstance(content, str):
        return (TextPart(content),)
    return tuple([_part(part, f"{path}[{at}]") for at, part in enumerate(content)])


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
            return OpaquePart(wire.NAME, dict(part))


def _image(part: wire.ImagePart) -> ImagePart:
    given = part["image_url"]
    image: wire.ImageURL = {"url": given} if isinstance(given, str) else given
    extra = without(part, _IMAGE)
    if inner := without(image, _IMAGE_URL):
        extra["image_url"] = inner
    media_type, data = split_data_url(image["url"])
    detail = image.get("detail")
    if media_type is None:
        return ImagePart(url=image["url"], detail=detail, extra=extra)
    return ImagePart(data=data, media_type=media_type, detail=detail, extra=extra)


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
