"""The common form to a Responses body, whichever dialect it came in.

From this dialect each message becomes the item that it was. From another one, a message becomes an item for its text,
one for each call and result, and one for thinking that OpenAI can read again; all other thinking is left out. Nothing
is stored, as no client of another dialect would look there; thinking comes encrypted, to be sent back, where the client
asked for thinking; what becomes of fields that only its dialect has is for that to say. Stop sequences and several
answers are refused, as the API has neither.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from app.dialects.data_urls import data_url
from app.dialects.dialect import DIALECTS, RequestDialect, dialect_of
from app.dialects.openai_chat.wire import SHARED
from app.dialects.openai_responses.items import with_thoughts
from app.dialects.openai_responses.tools import encode_choice, encode_native_tool, encode_tool
from app.dialects.openai_responses.wire import (
    INSTRUCTIONS,
    ITEM,
    LOGPROBS,
    MIN_OUTPUT_TOKENS,
    NAME,
    PROVIDER,
    SHELL_TEXTS,
    TEXT,
)
from app.dialects.tool_calls import as_text
from app.dialects.translation.call_ids import CallIdForm, with_fitting_ids
from app.dialects.translation.encrypted_reasoning import unmarked
from app.dialects.translation.losses import ELSEWHERE, no_counterpart
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
    ToolResultPart,
)

ENCRYPTED = "reasoning.encrypted_content"
_CALL_IDS = CallIdForm(re.compile(".{1,64}", re.DOTALL), longest=64)
"""By the API's own error: "string too long. Expected a string with maximum length 64"."""
_Item = dict[str, Any]
_ItemPart = ToolCallPart | ToolResultPart | ThinkingPart | RedactedThinkingPart


def encode_request(request: Request) -> dict[str, Any]:
    client = dialect_of(request)
    same = client.name == NAME
    extra = request.extra if same else _carried_over(request, client)
    request = with_fitting_ids(request if same else client.openai_tools(request), _CALL_IDS)
    body: dict[str, Any] = {"model": request.model, **extra}
    native = request.native_messages(NAME)
    given = _encode_input(request) if native is None else native.get("input")
    if given not in (None, []):
        body["input"] = given
    body |= _options(request)
    if reasoning := _reasoning(request, same):
        body["reasoning"] = reasoning
    if (request.response_format is not None or "text" in extra) and (text := _text(request, extra)):
        body["text"] = text
    if request.tools:
        body["tools"] = request.native_tools(NAME) or _tools(request, client)
    if request.tool_choice is not None and may_choose_tools(request, same):
        body["tool_choice"] = encode_choice(request, request.tool_choice, extra.get("tool_choice", {}))
    if request.parallel_tool_calls is not None and may_choose_tools(request, same):
        body["parallel_tool_calls"] = request.parallel_tool_calls
    if request.stream:
        body["stream"] = True
    return body


def _tools(request: Request, client: RequestDialect) -> list[dict[str, Any]]:
    if client.name == NAME:
        return [encode_native_tool(tool) for tool in request.tools]
    return [encode_tool(tool, client, f"tools[{at}]") for at, tool in enumerate(request.tools)]


def _options(request: Request) -> dict[str, Any]:
    options = {
        "instructions": instructions(request),
        "max_output_tokens": _limit(request),
        "temperature": request.temperature,
        "top_p": request.top_p,
        "user": request.user,
    }
    return {name: value for name, value in options.items() if value is not None}


def _limit(request: Request) -> int | None:
    """The limit of tokens. A client of another API may ask for less than this one allows: one token shows a quota."""
    if request.max_tokens is None or request.dialect == NAME:
        return request.max_tokens
    return max(request.max_tokens, MIN_OUTPUT_TOKENS)


def _reasoning(request: Request, same: bool) -> dict[str, Any]:
    if request.reasoning is None:
        return {}
    word = effort(request.reasoning)
    extra = request.reasoning.extra if same else {}
    return extra if word is None else {**extra, "effort": word}


def _text(request: Request, extra: dict[str, Any]) -> dict[str, Any]:
    text = dict(extra.get("text", {}))
    match request.response_format:
        case {"type": "json_schema", "json_schema": dict(schema)}:
            text["format"] = {"type": "json_schema", **schema}
        case dict() as wanted:
            text["format"] = wanted
    return text


def _carried_over(request: Request, client: RequestDialect) -> dict[str, Any]:
    """The fields of `extra` of a client of another dialect, in the words of this one."""
    if request.stop:
        raise no_counterpart(client.field_names.get("stop", "stop"))
    if request.n is not None and request.n > 1:
        raise no_counterpart("n", "more than one answer")
    extra = client.carry_over(request, SHARED)
    include = [ENCRYPTED] if request.reasoning is not None and request.reasoning.enabled else []
    if extra.pop("logprobs", None):
        include.append(LOGPROBS)
    if "verbosity" in extra:
        extra["text"] = {"verbosity": extra.pop("verbosity")}
    return {"store": False, **extra, **({"include": include} if include else {})}


def _encode_input(request: Request) -> str | list[_Item]:
    client = dialect_of(request)
    encoder = _Encoder(client)
    if client.name != NAME:
        return [item for path, message in client.conversation(request) for item in encoder.items(message, path)]
    messages = [message for message in request.messages if message.extra.get("type") != INSTRUCTIONS]
    match messages:
        case [InputMessage(parts=(TextPart(text=text),), extra={"type": kind})] if kind == TEXT:
            return text
        case _:
            return [item for message in messages for item in encoder.items(message, "input")]


def instructions(request: Request) -> str | None:
    """The texts of the messages that were decoded from that field."""
    texts = [
        part.text
        for message in request.messages
        if message.extra.get("type") == INSTRUCTIONS
        for part in message.parts
        if isinstance(part, TextPart)
    ]
    return "\n\n".join(texts) if texts else None


class _Encoder:
    """Encodes one conversation: the result of a custom tool has a form of its own, so its calls are remembered."""

    def __init__(self, client: RequestDialect) -> None:
        self._client = client
        self._same = client.name == NAME
        self._custom: set[str] = set()

    def items(self, message: InputMessage, path: str) -> Iterator[_Item]:
        """The items for a message, in the order of its parts; those that are content go together."""
        if message.extra.get("type") == ITEM:
            yield from (part.raw for part in message.parts if isinstance(part, OpaquePart))
            return
        content: list[Part] = []
        paths = PartPaths(message, f"{path}.content")
        for part in message.parts:
            if not isinstance(part, _ItemPart):
                content.append(part)
                continue
            if content:
                yield from self._message(message, content, paths)
                content = []
            if (item := self._item(part, paths)) is not None:
                yield item
        if content or not message.parts:
            yield from self._message(message, content, paths)

    def _message(self, message: InputMessage, parts: Sequence[Part], paths: PartPaths) -> Iterator[_Item]:
        role = "user" if message.role == "tool" else message.role
        content = self._content(parts, role, paths)
        extra = message.extra if self._same and message.extra.get("type") != TEXT else {}
        if content or self._same or role != "assistant":
            yield {**extra, "role": role, "content": content}

    def _item(self, part: _ItemPart, paths: PartPaths) -> _Item | None:
        match part:
            case ToolCallPart():
                return self._call(part)
            case ToolResultPart():
                return self._result(part, paths)
            case ThinkingPart(signature=None) if self._same and part.extra:
                return with_thoughts(part.extra, part.thinking)
            case RedactedThinkingPart(data=data) if (encrypted := unmarked(data, NAME)) is not None:
                return {"type": "reasoning", "summary": [], "encrypted_content": encrypted}
            case _:
                return None

    def _call(self, call: ToolCallPart) -> _Item:
        extra = {name: value for name, value in call.extra.items() if name != "type"} if self._same else {}
        fields = {"call_id": call.id, "name": call.name}
        if call.extra.get("type") == "custom":
            self._custom.add(call.id)
            return {**extra, "type": "custom_tool_call", **fields, "input": call.arguments}
        return {
            **extra,
            "type": "function_call",
            **fields,
            "arguments": call.arguments if self._same else as_text(call.arguments),
        }

    def _result(self, result: ToolResultPart, paths: PartPaths) -> _Item:
        kind = result.extra.get("type") if self._same else None
        if kind == "shell_call_output":
            return _shell_output(result)
        if kind in ("local_shell_call_output", "apply_patch_call_output"):
            texts = _texts(result)
            return {**result.extra, **({"output": "".join(texts)} if texts else {})}
        if kind is None:
            kind = "custom_tool_call_output" if result.tool_call_id in self._custom else "function_call_output"
        given = result if self._same else with_error_in_text(result)
        output = self._content(given.content, "tool", paths)
        extra = result.extra if self._same else {}
        return {**extra, "type": kind, "call_id": result.tool_call_id, "output": output}

    def _content(self, parts: Sequence[Part], role: str, paths: PartPaths) -> str | list[_Item]:
        match parts:
            case [TextPart(text=text) as only] if not (self._same and only.extra):
                return text
            case [] if not self._same:
                return ""
            case _:
                encoded = [self._part(part, role, paths) for part in parts]
                return [part for part in encoded if part is not None]

    def _part(self, part: Part, role: str, paths: PartPaths) -> _Item | None:
        extra = part.extra if self._same and not isinstance(part, OpaquePart) else {}
        match part:
            case TextPart(text=text):
                return {"type": "output_text" if role == "assistant" else "input_text", **extra, "text": text}
            case RefusalPart(refusal=refusal):
                return {"type": "refusal", "refusal": refusal, **extra}
            case ImagePart():
                url = part.url if part.data is None else data_url(part.media_type or "image/png", part.data)
                detail = part.detail or (None if self._same else "auto")
                return {"type": "input_image", **({"detail": detail} if detail else {}), **extra, "image_url": url}
            case DocumentPart():
                return self._document(part, paths)
            case OpaquePart(dialect=dialect, raw=raw) if dialect == NAME or raw.get("type") == "input_audio":
                return raw
            case OpaquePart(dialect=dialect):
                if (known := DIALECTS[dialect].opaque_text(part)) is not None:
                    return self._part(TextPart(known), role, paths)
                DIALECTS[dialect].refuse_opaque(part, paths.of(part))
                return None
            case _:
                raise no_counterpart(paths.of(part), "a call or a result in this place")

    def _document(self, part: DocumentPart, paths: PartPaths) -> _Item:
        if part.text is not None:
            text = f"{part.title}\n\n{part.text}" if part.title else part.text
            return {"type": "input_text", "text": text}
        if part.file_id is not None and self._client.provider != PROVIDER:
            raise no_counterpart(paths.of(part), ELSEWHERE)
        data = part.data if part.media_type is None else data_url(part.media_type, part.data or "")
        # The API takes data under a name only.
        name = part.title or (None if self._same or data is None else "document.pdf")
        file = {"file_url": part.url, "file_data": data, "file_id": part.file_id, "filename": name}
        extra = part.extra if self._same else {}
        return {"type": "input_file", **extra, **{name: value for name, value in file.items() if value is not None}}


def _texts(result: ToolResultPart) -> list[str]:
    return [part.text for part in result.content if isinstance(part, TextPart)]


def _shell_output(result: ToolResultPart) -> _Item:
    """Put the texts back where they came from, in the order in which they were read."""
    texts = iter(_texts(result))
    output = [dict(entry) for entry in result.extra["output"]]
    for entry in output:
        entry |= {name: next(texts, "") for name in SHELL_TEXTS if isinstance(entry.get(name), str)}
    return {**result.extra, "output": output}
