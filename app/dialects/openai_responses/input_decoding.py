"""Items of a Responses body to messages of the common form: one each, so that each can go on as the item it was.

An item that no message stands for, and a part that no part stands for, is kept as it is, opaque. What the client's own
shell or editor said is a tool's result: a policy on requests reads it.
"""

from collections.abc import Callable

from app.dialects.encrypted import from_openais_client
from app.dialects.openai_chat.message_decoding import split_data_url
from app.dialects.openai_responses import wire
from app.dialects.openai_responses.reasoning import thoughts
from app.dialects.validation import check, rest, without
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

ITEM = "item"
"""As `type` in the `extra` of a message: an opaque item is all of it."""
SHELL_TEXTS = ("stdout", "stderr")
_MESSAGE = frozenset(["role", "content"])
_CALL = frozenset(["type", "call_id", "name", "arguments", "input"])
_RESULT = frozenset(["call_id", "output"])
_TEXT = frozenset(["text"])
_REFUSAL = frozenset(["type", "refusal"])
_IMAGE = frozenset(["type", "image_url"])
_FILE = frozenset(["type", *wire.FilePart.__annotations__])


def decode_item(item: wire.Item, path: str) -> InputMessage:
    kind = item.get("type") or ("message" if "role" in item else "")
    decode = _ITEMS.get(kind)
    if decode is None:
        return _opaque(item)
    return decode(item, path)


def _opaque(item: wire.Item) -> InputMessage:
    return InputMessage("assistant", (OpaquePart("openai_responses", dict(item)),), {"type": ITEM})


def _message(item: wire.Item, path: str) -> InputMessage:
    message = check(item, wire.Message, path)
    return InputMessage(message["role"], _content(message["content"], f"{path}.content"), without(item, _MESSAGE))


def _function_call(item: wire.Item, path: str) -> InputMessage:
    call = check(item, wire.FunctionCall, path)
    part = ToolCallPart(call["call_id"], call["name"], call["arguments"], without(item, _CALL))
    return InputMessage("assistant", (part,))


def _custom_call(item: wire.Item, path: str) -> InputMessage:
    call = check(item, wire.CustomToolCall, path)
    extra = {"type": "custom", **without(item, _CALL)}
    return InputMessage("assistant", (ToolCallPart(call["call_id"], call["name"], call["input"], extra),))


def _call_output(item: wire.Item, path: str) -> InputMessage:
    said = check(item, wire.CallOutput, path)
    content = _content(said["output"], f"{path}.output")
    return InputMessage("tool", (ToolResultPart(said["call_id"], content, extra=without(item, _RESULT)),))


def _local_output(item: wire.Item, path: str) -> InputMessage:
    said = check(item, wire.LocalOutput, path)
    output = said.get("output")
    content = () if output is None else (TextPart(output),)
    extra = without(item, frozenset(["output"]))
    return InputMessage("tool", (ToolResultPart(said.get("call_id") or said.get("id") or "", content, extra=extra),))


def _shell_output(item: wire.Item, path: str) -> InputMessage:
    """Its texts in the order in which they stand; what is round them goes along."""
    output = item.get("output")
    if not isinstance(output, list) or not all(isinstance(entry, dict) for entry in output):
        return _opaque(item)
    texts = [entry[name] for entry in output for name in SHELL_TEXTS if isinstance(entry.get(name), str)]
    call_id = item.get("call_id")
    result = ToolResultPart(str(call_id), tuple(map(TextPart, texts)), extra=dict(item))
    return InputMessage("tool", (result,))


def _reasoning(item: wire.Item, path: str) -> InputMessage:
    said = check(item, wire.Reasoning, path)
    text = thoughts(said)
    block = from_openais_client(said.get("encrypted_content") or "")
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
    "reasoning": _reasoning,
}


def _content(content: str | list[wire.Part], path: str) -> tuple[Part, ...]:
    """A text alone has no `type` in its `extra`, a text among parts has."""
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
            return OpaquePart("openai_responses", dict(part))


def _image(part: wire.Part, path: str) -> Part:
    """One that lies with the provider, by its id, is for that provider alone."""
    image = check(part, wire.ImagePart, path)
    url = image.get("image_url")
    if url is None:
        return OpaquePart("openai_responses", dict(part))
    media_type, data = split_data_url(url)
    extra = rest(part, _IMAGE)
    if media_type is None:
        return ImagePart(url=url, extra=extra)
    return ImagePart(data=data, media_type=media_type, extra=extra)


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
