"""The common form to a chat completions body, whichever dialect it came in.

From another dialect: `top_k`, cache marks, citations and a thinking that is switched off have no counterpart and are
dropped; what becomes of the rest is for the client's dialect to say. That a tool failed, and what is said by blocks
that no part here stands for, goes as text. Thinking has no counterpart at OpenAI, but fields that others have added: it
stands there, and who asks a provider takes out what that one does not take. The name of the token limit is the client's
own, else the one that every current OpenAI model takes.

Tool results that stand in a user message (Anthropic) become `tool` messages of their own, before the rest of it. Those
take text only: an image or a file in a result goes to a user message after it, under a line that names its call.
"""

from collections.abc import Sequence
from typing import Any, assert_never

from msgspec.structs import replace

from app.dialects.data_urls import data_url
from app.dialects.dialect import DIALECTS, RequestDialect, dialect_of, numbered
from app.dialects.openai_chat.custom_tools import nested
from app.dialects.openai_chat.wire import NAME, SHARED
from app.dialects.tool_calls import as_text
from app.dialects.translation.call_signatures import as_extra_content
from app.dialects.translation.custom_tools import KIND, is_custom, with_functions
from app.dialects.translation.encrypted_reasoning import is_anthropics
from app.dialects.translation.losses import AT_A_URL, ELSEWHERE, no_counterpart
from app.dialects.translation.part_paths import PartPaths
from app.dialects.translation.reasoning_effort import effort
from app.dialects.translation.tool_choices import may_choose_tools
from app.dialects.translation.tool_errors import with_error_in_text
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
    ToolChoice,
    ToolDefinition,
    ToolResultPart,
)

_DETAILS = {"original": "high"}
"""Words for an image's detail that the Responses API alone has, and what comes nearest."""


def encode_request(request: Request, custom_tools: bool = True) -> dict[str, Any]:
    """Encode for a provider of this API; `custom_tools`: it has tools that are called with plain text."""
    client = dialect_of(request)
    same = client.name == NAME
    carried: dict[str, Any] = {}
    if not same:
        carried = client.carry_over(request, SHARED)
        request = client.openai_tools(request)
    if not custom_tools:
        request = with_functions(request)
    extra = request.extra if same else carried
    body: dict[str, Any] = {"model": request.model, "messages": _encode_messages(request, client), **extra}
    _add_options(body, request)
    if request.max_tokens is not None:
        body[_max_tokens_name(extra)] = request.max_tokens
    if request.tools:
        native = request.native_tools(NAME)
        body["tools"] = native or [_tool(tool, client, f"tools[{at}]") for at, tool in enumerate(request.tools)]
    if request.tool_choice is not None and may_choose_tools(request, same):
        body["tool_choice"] = _tool_choice(request, request.tool_choice, extra.get("tool_choice", {}))
    if request.parallel_tool_calls is not None and may_choose_tools(request, same):
        body["parallel_tool_calls"] = request.parallel_tool_calls
    if request.stream:
        body["stream"] = True
    if request.include_usage:
        body["stream_options"] = {**extra.get("stream_options", {}), "include_usage": True}
    return body


def _add_options(body: dict[str, Any], request: Request) -> None:
    if request.n is not None:
        body["n"] = request.n
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.top_p is not None:
        body["top_p"] = request.top_p
    if request.stop:
        body["stop"] = list(request.stop)
    if request.reasoning is not None and (word := effort(request.reasoning)) is not None:
        body["reasoning_effort"] = word
    if request.response_format is not None:
        body["response_format"] = request.response_format
    if request.user is not None:
        body["user"] = request.user


def _max_tokens_name(extra: dict[str, Any]) -> str:
    return "max_tokens" if "max_tokens" in extra and "max_completion_tokens" not in extra else "max_completion_tokens"


def _tool(tool: ToolDefinition, client: RequestDialect, path: str) -> dict[str, Any]:
    same = client.name == NAME
    if tool.raw is not None:
        if same:
            return tool.raw
        if (custom := client.custom_tool(tool.raw)) is None:
            raise no_counterpart(path, "a tool of the provider's own")
        return nested(custom)
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.parameters is not None:
        function["parameters"] = tool.parameters
    if tool.strict is not None:
        function["strict"] = tool.strict
    extra = tool.extra if same else {}
    return {"type": "function", **extra, "function": {**function, **extra.get("function", {})}}


def _tool_choice(request: Request, choice: ToolChoice, extra: dict[str, Any]) -> str | dict[str, Any]:
    if choice.mode != "named":
        return choice.mode
    kind = extra.get("type") or (KIND if is_custom(request, choice.name) else "function")
    return {**extra, "type": kind, kind: {"name": choice.name}}


def _encode_messages(request: Request, client: RequestDialect) -> list[dict[str, Any]]:
    if (native := request.native_messages(NAME)) is not None:
        messages: list[dict[str, Any]] = native["messages"]
        return messages
    same = client.name == NAME
    conversation = numbered(request.messages) if same else client.conversation(request)
    return [encoded for path, message in conversation for encoded in _encode(message, same, f"{path}.content")]


def _encode(message: InputMessage, same: bool, path: str) -> list[dict[str, Any]]:
    paths = PartPaths(message, path)
    if message.role == "assistant":
        return [_assistant(message, same, paths)]
    results = [part for part in message.parts if isinstance(part, ToolResultPart)]
    others: list[Part] = [part for part in message.parts if not isinstance(part, ToolResultPart)]
    encoded = [_tool_message(result, message, same, paths) for result in results]
    if not same:
        others = [*(part for result in results for part in _moved(result)), *others]
    if others or not results:
        role = "user" if message.role == "tool" else message.role
        extra = message.extra if same and not results else {}
        content = _content(others, same, paths)
        encoded.append({"role": role, "content": "" if content is None else content, **extra})
    return encoded


def _tool_message(result: ToolResultPart, message: InputMessage, same: bool, paths: PartPaths) -> dict[str, Any]:
    given = result if same else with_error_in_text(result)
    parts = given.content if same else [part for part in given.content if not _is_moved(part)]
    content = _content(parts, same, paths)
    extra = message.extra if same and message.role == "tool" else {}
    if extra.get("role") == "function":
        return {"name": result.tool_call_id, "content": content, **extra}
    return {"role": "tool", "tool_call_id": result.tool_call_id, "content": "" if content is None else content, **extra}


def _is_moved(part: Part) -> bool:
    return isinstance(part, ImagePart) or (isinstance(part, DocumentPart) and part.text is None)


def _moved(result: ToolResultPart) -> list[Part]:
    moved = [part for part in result.content if _is_moved(part)]
    return [TextPart(f"Output of tool call {result.tool_call_id}:"), *moved] if moved else []


def _assistant(message: InputMessage, same: bool, paths: PartPaths) -> dict[str, Any]:
    extra = message.extra if same else {}
    content = [part for part in message.parts if not isinstance(part, _BESIDE_CONTENT)]
    encoded: dict[str, Any] = {"role": "assistant", "content": None, **extra}
    match content:
        case [RefusalPart(refusal=refusal, extra={}) as only] if not only.extra:
            encoded["refusal"] = refusal
        case _:
            encoded["content"] = _content(content, same, paths)
    encoded |= _thinking(message.parts) if same else _others_thinking(message.parts)
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


def _others_thinking(parts: Sequence[Part]) -> dict[str, Any]:
    """Thinking from a client of another API: its text, and the blocks that Anthropic's models will know again."""
    text = "\n\n".join(part.thinking for part in parts if isinstance(part, ThinkingPart) and part.thinking)
    blocks = [
        _thinking_block(replace(part, extra={}))
        for part in parts
        if (isinstance(part, ThinkingPart) and is_anthropics(part.signature))
        or (isinstance(part, RedactedThinkingPart) and is_anthropics(part.data))
    ]
    return ({"reasoning_content": text} if text else {}) | ({"thinking_blocks": blocks} if blocks else {})


def _thinking_block(part: ThinkingPart | RedactedThinkingPart) -> dict[str, Any]:
    if isinstance(part, RedactedThinkingPart):
        return {"type": "redacted_thinking", "data": part.data, **part.extra}
    signature = {} if part.signature is None else {"signature": part.signature}
    return {"type": "thinking", "thinking": part.thinking, **signature, **part.extra}


def _add_call(message: dict[str, Any], call: ToolCallPart, same: bool) -> None:
    kind = {"type": "custom"} if call.extra.get("type") == "custom" else {}
    extra: dict[str, Any] = call.extra if same else kind
    function = {"name": call.name, "arguments": as_text(call.arguments)}
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
    if not same and call.thought_signature is not None:
        encoded["extra_content"] = as_extra_content(call.thought_signature)
    message.setdefault("tool_calls", []).append(encoded)


def _content(parts: Sequence[Part], same: bool, paths: PartPaths) -> str | list[dict[str, Any]] | None:
    match parts:
        case [TextPart(text=text) as only] if not (same and only.extra):
            return text
        case _:
            encoded = [_part(part, same, paths) for part in parts]
            return [part for part in encoded if part is not None] or None


def _part(part: Part, same: bool, paths: PartPaths) -> dict[str, Any] | None:
    extra = part.extra if same and not isinstance(part, OpaquePart) else {}
    match part:
        case TextPart(text=text):
            return {"type": "text", "text": text, **extra}
        case RefusalPart(refusal=refusal):
            return {"type": "refusal", "refusal": refusal, **extra}
        case ImagePart():
            url = part.url if part.data is None else data_url(part.media_type or "image/png", part.data)
            detail = {} if part.detail is None else {"detail": _DETAILS.get(part.detail, part.detail)}
            return {"type": "image_url", **extra, "image_url": {"url": url, **detail, **extra.get("image_url", {})}}
        case DocumentPart():
            return _document(part, same, paths)
        case OpaquePart(dialect=dialect, raw=raw) if dialect == NAME or raw.get("type") == "input_audio":
            return raw
        case OpaquePart(dialect=dialect):
            if (known := DIALECTS[dialect].opaque_text(part)) is not None:
                return {"type": "text", "text": known}
            DIALECTS[dialect].refuse_opaque(part, paths.of(part))
            return None
        case ThinkingPart() | RedactedThinkingPart():
            return None
        case ToolCallPart() | ToolResultPart():
            raise no_counterpart(paths.of(part), "a tool call or result in this place")
        case _:
            assert_never(part)


def _document(part: DocumentPart, same: bool, paths: PartPaths) -> dict[str, Any]:
    if part.text is not None:
        return {"type": "text", "text": f"{part.title}\n\n{part.text}" if part.title else part.text}
    if not same and part.data is None:
        raise no_counterpart(paths.of(part), AT_A_URL if part.url is not None else ELSEWHERE)
    extra = part.extra if same else {}
    data = part.data if part.media_type is None else data_url(part.media_type, part.data or "")
    file = {
        "file_data": data,
        "file_id": part.file_id,
        "filename": part.title if same else part.title or "document.pdf",
    }
    file = {name: value for name, value in file.items() if value is not None}
    return {"type": "file", **extra, "file": {**file, **extra.get("file", {})}}
