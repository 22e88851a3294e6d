"""A Responses body to the common form; unknown fields are kept in `extra` at the level they stood on.

Normalised on the way: null and `stream: false` as absent. Instructions become the first message. Each item becomes one
message, so that it can go on as the item it was. Items that no message stands for, and parts that no part stands for,
are kept as they are, opaque. What the client's own shell or editor wrote is a tool's result: policies read it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from app.dialects.data_urls import split_data_url
from app.dialects.headers import kept
from app.dialects.openai_chat.wire import FORWARDED_HEADERS
from app.dialects.openai_responses import wire
from app.dialects.openai_responses.items import thoughts
from app.dialects.openai_responses.tools import decode_choice, decode_tool
from app.dialects.openai_responses.wire import INSTRUCTIONS, ITEM, SHELL_TEXTS, TEXT
from app.dialects.translation.call_signatures import split
from app.dialects.translation.encrypted_reasoning import from_text
from app.dialects.validation import check, missing_field, rest, without
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
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolDefinition,
    ToolResultPart,
)

_DECODED = frozenset(wire.Body.__annotations__) - {"include"}
"""What is checked and has no field of its own goes on in `extra`."""
_INSTEAD_OF_INPUT = frozenset({"previous_response_id", "conversation", "prompt"})
_MESSAGE = frozenset(["role", "content"])
_CALL = frozenset(["type", "call_id", "name", "arguments", "input"])
_RESULT = frozenset(["call_id", "output"])
_TEXT = frozenset(["text"])
_REFUSAL = frozenset(["type", "refusal"])
_IMAGE = frozenset(["type", "image_url", "detail"])
_FORMAT = frozenset(["format"])
_FILE = frozenset(["type", *wire.FilePart.__annotations__])


def decode_request(body: dict[str, Any], headers: Mapping[str, str]) -> Request:
    """Decode a body that `parse_body` gave. Raises InvalidRequest with the path of the field at fault."""
    fields = check(body, wire.Body)
    choice, choice_extra = decode_choice(fields["tool_choice"]) if "tool_choice" in fields else (None, {})
    messages = (*_instructions(fields), *_input(fields))
    tools: tuple[ToolDefinition, ...] = ()
    if given := fields.get("tools"):
        tools = tuple([decode_tool(tool, f"tools[{at}]") for at, tool in enumerate(given)])
    return Request(
        dialect=wire.NAME,
        model=fields["model"],
        messages=messages,
        stream=bool(fields.get("stream")),
        include_usage=True,
        max_tokens=fields.get("max_output_tokens"),
        temperature=fields.get("temperature"),
        top_p=fields.get("top_p"),
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=fields.get("parallel_tool_calls"),
        reasoning=_reasoning(fields),
        response_format=_response_format(fields) if "text" in fields else None,
        user=fields.get("user"),
        extra=_extra(body, fields, choice_extra),
        headers=kept(headers, FORWARDED_HEADERS),
        native=NativeRequest(body, () if any(map(_is_of_another_provider, messages)) else messages, tools),
    )


def _is_of_another_provider(message: InputMessage) -> bool:
    """Whether it is thinking of another provider's, or a call that one signed: OpenAI refuses the one, and ids of more
    than 64 characters. Such a conversation is never sent on as it came."""
    match message.parts:
        case (RedactedThinkingPart(),) | (ThinkingPart(signature=str()),) | (ToolCallPart(thought_signature=str()),):
            return True
        case _:
            return False


def _instructions(fields: wire.Body) -> list[InputMessage]:
    text = fields.get("instructions")
    return [] if text is None else [InputMessage("system", (TextPart(text),), {"type": INSTRUCTIONS})]


def _input(fields: wire.Body) -> list[InputMessage]:
    given = fields.get("input")
    if given is None and not _INSTEAD_OF_INPUT & fields.keys():
        raise missing_field("input")
    if isinstance(given, str):
        return [InputMessage("user", (TextPart(given),), {"type": TEXT})]
    return [_decode_item(item, f"input[{at}]") for at, item in enumerate(given or ())]


def _extra(body: dict[str, Any], fields: wire.Body, choice_extra: dict[str, Any]) -> dict[str, Any]:
    extra = rest(body, _DECODED)
    if choice_extra:
        extra["tool_choice"] = choice_extra
    if given := fields.get("text"):
        text = without(given, _FORMAT)
        if unread := _unread_format(fields):
            text["format"] = unread
        if text:
            extra["text"] = text
    return extra


def _reasoning(fields: wire.Body) -> Reasoning | None:
    options = fields.get("reasoning")
    if options is None or all(value is None for value in options.values()):
        return None
    effort = options.get("effort")
    return Reasoning(enabled=effort != "none", effort=effort, extra=rest(options, frozenset(["effort"])))


def _format(fields: wire.Body) -> dict[str, Any]:
    return (fields.get("text") or {}).get("format") or {}


def _response_format(fields: wire.Body) -> dict[str, Any] | None:
    """The format as chat completions have it, with a schema one level deeper."""
    wanted = _format(fields)
    match wanted.get("type"):
        case "text" | "json_object":
            return dict(wanted)
        case "json_schema":
            return {"type": "json_schema", "json_schema": without(wanted, frozenset(["type"]))}
        case _:
            return None


def _unread_format(fields: wire.Body) -> dict[str, Any]:
    wanted = _format(fields)
    return wanted if _response_format(fields) is None else {}


def _decode_item(item: wire.Item, path: str) -> InputMessage:
    kind = item.get("type") or ("message" if "role" in item else "")
    decode = _ITEMS.get(kind)
    if decode is None:
        return _opaque(item)
    return decode(item, path)


def _opaque(item: wire.Item) -> InputMessage:
    return InputMessage("assistant", (OpaquePart(wire.NAME, dict(item)),), {"type": ITEM})


def _message(item: wire.Item, path: str) -> InputMessage:
    message = check(item, wire.Message, path)
    return InputMessage(message["role"], _content(message["content"], f"{path}.content"), without(item, _MESSAGE))


def _function_call(item: wire.Item, path: str) -> InputMessage:
    call = check(item, wire.FunctionCall, path)
    id, signature = split(call["call_id"])
    part = ToolCallPart(id, call["name"], call["arguments"], without(item, _CALL), signature)
    return InputMessage("assistant", (part,))


def _custom_call(item: wire.Item, path: str) -> InputMessage:
    call = check(item, wire.CustomToolCall, path)
    extra = {"type": "custom", **without(item, _CALL)}
    id, signature = split(call["call_id"])
    return InputMessage("assistant", (ToolCallPart(id, call["name"], call["input"], extra, signature),))


def _call_output(item: wire.Item, path: str) -> InputMessage:
    fields = check(item, wire.CallOutput, path)
    content = _content(fields["output"], f"{path}.output")
    id, _ = split(fields["call_id"])
    return InputMessage("tool", (ToolResultPart(id, content, extra=without(item, _RESULT)),))


def _local_output(item: wire.Item, path: str) -> InputMessage:
    fields = check(item, wire.LocalOutput, path)
    output = fields.get("output")
    content = () if output is None else (TextPart(output),)
    extra = without(item, frozenset(["output"]))
    return InputMessage(
        "tool", (ToolResultPart(fields.get("call_id") or fields.get("id") or "", content, extra=extra),)
    )


def _shell_output(item: wire.Item, path: str) -> InputMessage:
    """A result of the texts in a shell's output, in their order; what is around them goes along."""
    output = item.get("output")
    if not isinstance(output, list) or not all(isinstance(entry, dict) for entry in output):
        return _opaque(item)
    texts = [entry[name] for entry in output for name in SHELL_TEXTS if isinstance(entry.get(name), str)]
    call_id = item.get("call_id")
    result = ToolResultPart(str(call_id), tuple(map(TextPart, texts)), extra=dict(item))
    return InputMessage("tool", (result,))


def _reasoning_item(item: wire.Item, path: str) -> InputMessage:
    fields = check(item, wire.Reasoning, path)
    text = thoughts(fields)
    block = from_text(fields.get("encrypted_content") or "")
    if block is None:
        return InputMessage("assistant", (ThinkingPart(text, extra=dict(item)),))
    if block.data is not None:
        return InputMessage("assistant", (RedactedThinkingPart(block.data, dict(item)),))
    return InputMessage("assistant", (ThinkingPart(text, block.signature, dict(item)),))


_ITEMS: dict[str, Callable[[wire.Item, str], InputMessage]] = {
    "message": _message,
    "function_call": _function_call,
    "custom_tool_call": _custom_call,
    "function_call_output": _call_output,
    "custom_tool_call_output": _call_output,
    "local_shell_call_output": _local_output,
    "apply_patch_call_output": _local_output,
    "shell_call_output": _shell_output,
    "reasoning": _reasoning_item,
}


def _content(content: str | list[wire.Part], path: str) -> tuple[Part, ...]:
    """Decode content; a text alone has no `type` in its `extra`, a text among parts has."""
    if isinstance(content, str):
        return (TextPart(content),)
    return tuple(_part(part, f"{path}[{at}]") for at, part in enumerate(content))


def _part(part: wire.Part, path: str) -> Part:
    match part["type"]:
        case "input_text" | "output_text" | "text":
            return TextPart(check(part, wire.TextPart, path)["text"], without(part, _TEXT))
        case "refusal":
            return RefusalPart(check(part, wire.RefusalPart, path)["refusal"], without(part, _REFUSAL))
        case "input_image":
            return _image(part, path)
        case "input_file":
            return _file(part, path)
        case _:
            return OpaquePart(wire.NAME, dict(part))


def _image(part: wire.Part, path: str) -> Part:
    """Decode an image; one that lies with the provider, by its id, is for that provider alone."""
    image = check(part, wire.ImagePart, path)
    url = image.get("image_url")
    if url is None:
        return OpaquePart(wire.NAME, dict(part))
    media_type, data = split_data_url(url)
    detail, extra = image.get("detail"), rest(part, _IMAGE)
    if media_type is None:
        return ImagePart(url=url, detail=detail, extra=extra)
    return ImagePart(data=data, media_type=media_type, detail=detail, extra=extra)


def _file(part: wire.Part, path: str) -> DocumentPart:
    file = check(part, wire.FilePart, path)
    given = file.get("file_data")
    media_type, data = split_data_url(given or "")
    return DocumentPart(
        url=file.get("file_url"),
        data=given if media_type is None else data,
        media_type=media_type,
        file_id=file.get("file_id"),
        title=file.get("filename"),
        extra=rest(part, _FILE),
    )
