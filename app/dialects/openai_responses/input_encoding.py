"""Messages of the common form to items of a Responses body.

From this dialect each message becomes the item that it was. From another one, a message becomes an item for its text,
one for each call and result, and one for thinking that OpenAI can read again; all other thinking is left out.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from app.dialects.crossing import no_counterpart, refuse_opaque
from app.dialects.encrypted import encrypted_of
from app.dialects.openai_responses.input_decoding import ITEM, SHELL_TEXTS
from app.dialects.openai_responses.reasoning import with_thoughts
from app.dialects.places import INSTRUCTIONS, TEXT, placed
from app.messages import (
    Dialect,
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

_Item = dict[str, Any]
_ItemPart = ToolCallPart | ToolResultPart | ThinkingPart | RedactedThinkingPart


def encode_input(request: Request) -> str | list[_Item]:
    encoder = _Encoder(request.dialect)
    if request.dialect != "openai_responses":
        return [item for place, message in placed(request) for item in encoder.items(message, place)]
    messages = [message for message in request.messages if message.extra.get("type") != INSTRUCTIONS]
    match messages:
        case [InputMessage(parts=(TextPart(text=text),), extra={"type": kind})] if kind == TEXT:
            return text
        case _:
            return [item for message in messages for item in encoder.items(message, "input")]


def instructions(request: Request) -> str | None:
    """The texts of the messages that stand for that field."""
    texts = [
        part.text
        for message in request.messages
        if message.extra.get("type") == INSTRUCTIONS
        for part in message.parts
        if isinstance(part, TextPart)
    ]
    return "\n\n".join(texts) if texts else None


class _Encoder:
    """Of one conversation: the result of a custom tool has a form of its own, so its calls are remembered."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._same = dialect == "openai_responses"
        self._custom: set[str] = set()

    def items(self, message: InputMessage, place: str) -> Iterator[_Item]:
        """In the order of the parts; those that are content go together."""
        if message.extra.get("type") == ITEM:
            yield from (part.raw for part in message.parts if isinstance(part, OpaquePart))
            return
        content: list[Part] = []
        for part in message.parts:
            if not isinstance(part, _ItemPart):
                content.append(part)
                continue
            if content:
                yield from self._message(message, content, place)
                content = []
            if (item := self._item(part, place)) is not None:
                yield item
        if content or not message.parts:
            yield from self._message(message, content, place)

    def _message(self, message: InputMessage, parts: Sequence[Part], place: str) -> Iterator[_Item]:
        role = "user" if message.role == "tool" else message.role
        content = self._content(parts, role, f"{place}.content")
        extra = message.extra if self._same and message.extra.get("type") != TEXT else {}
        if content or self._same or role != "assistant":
            yield {**extra, "role": role, "content": content}

    def _item(self, part: _ItemPart, place: str) -> _Item | None:
        match part:
            case ToolCallPart():
                return self._call(part)
            case ToolResultPart():
                return self._result(part, place)
            case ThinkingPart(signature=None) if self._same and part.extra:
                return with_thoughts(part.extra, part.thinking)
            case RedactedThinkingPart(data=data) if (encrypted := encrypted_of(data)) is not None:
                return {"type": "reasoning", "summary": [], "encrypted_content": encrypted}
            case _:
                return None

    def _call(self, call: ToolCallPart) -> _Item:
        extra = {name: value for name, value in call.extra.items() if name != "type"} if self._same else {}
        said = {"call_id": call.id, "name": call.name}
        if call.extra.get("type") == "custom":
            self._custom.add(call.id)
            return {**extra, "type": "custom_tool_call", **said, "input": call.arguments}
        return {**extra, "type": "function_call", **said, "arguments": call.arguments}

    def _result(self, result: ToolResultPart, place: str) -> _Item:
        kind = result.extra.get("type") if self._same else None
        if kind == "shell_call_output":
            return _shell_output(result)
        if kind in ("local_shell_call_output", "apply_patch_call_output"):
            texts = _texts(result)
            return {**result.extra, **({"output": "".join(texts)} if texts else {})}
        if kind is None:
            kind = "custom_tool_call_output" if result.tool_call_id in self._custom else "function_call_output"
        output = self._content(result.content, "tool", f"{place}.output")
        extra = result.extra if self._same else {}
        return {**extra, "type": kind, "call_id": result.tool_call_id, "output": output}

    def _content(self, parts: Sequence[Part], role: str, place: str) -> str | list[_Item]:
        match parts:
            case [TextPart(text=text) as only] if not (self._same and only.extra):
                return text
            case [] if not self._same:
                return ""
            case _:
                encoded = [self._part(part, role, place) for part in parts]
                return [part for part in encoded if part is not None]

    def _part(self, part: Part, role: str, place: str) -> _Item | None:
        extra = part.extra if self._same and not isinstance(part, OpaquePart) else {}
        match part:
            case TextPart(text=text):
                return {"type": "output_text" if role == "assistant" else "input_text", **extra, "text": text}
            case RefusalPart(refusal=refusal):
                return {"type": "refusal", "refusal": refusal, **extra}
            case ImagePart():
                url = part.url if part.data is None else f"data:{part.media_type or 'image/png'};base64,{part.data}"
                return {"type": "input_image", **({} if self._same else {"detail": "auto"}), **extra, "image_url": url}
            case DocumentPart():
                return self._document(part, place)
            case OpaquePart(dialect="openai_responses", raw=raw) | OpaquePart(raw={"type": "input_audio"} as raw):
                return raw
            case OpaquePart():
                refuse_opaque(part, place)
                return None
            case _:
                raise no_counterpart(place, "a call or a result in this place")

    def _document(self, part: DocumentPart, place: str) -> _Item:
        if part.text is not None:
            text = f"{part.title}\n\n{part.text}" if part.title else part.text
            return {"type": "input_text", "text": text}
        if part.file_id is not None and self._dialect == "anthropic_messages":
            raise no_counterpart(place, "a file that lies with another provider")
        data = part.data if part.media_type is None else f"data:{part.media_type};base64,{part.data}"
        # The API takes data under a name only.
        name = part.title or (None if self._same or data is None else "document.pdf")
        file = {"file_url": part.url, "file_data": data, "file_id": part.file_id, "filename": name}
        extra = part.extra if self._same else {}
        return {"type": "input_file", **extra, **{name: value for name, value in file.items() if value is not None}}


def _texts(result: ToolResultPart) -> list[str]:
    return [part.text for part in result.content if isinstance(part, TextPart)]


def _shell_output(result: ToolResultPart) -> _Item:
    """The texts go where they came from, in the order in which they were read."""
    texts = iter(_texts(result))
    output = [dict(entry) for entry in result.extra["output"]]
    for entry in output:
        entry |= {name: next(texts, "") for name in SHELL_TEXTS if isinstance(entry.get(name), str)}
    return {**result.extra, "output": output}
