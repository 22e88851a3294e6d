"""The form of a request's prompt, as it came and as the policies left it. Pure."""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

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
from app.prompt_forms.blocks import CACHE_MARK, INSTRUCTIONS, Marks, encode, hash_of_text, without_mark
from telemetry import PromptForm, PromptForms
from telemetry.prompt_cache import packed

LEAST_SIZE = 4 * 1024
"""Bytes of a request below which its prompt is not looked at: about a thousand tokens, and no provider caches less."""
_TTL = 300.0
"""Seconds. Anthropic's, and the least that OpenAI speaks of: https://docs.claude.com/en/docs/build-with-claude/prompt-caching
and https://platform.openai.com/docs/guides/prompt-caching."""
_TTL_HOUR = 3_600.0
_TTL_DAY = 86_400.0


def prompt_forms_of(asked: Request, sent: Request, conversation: str = "") -> PromptForms:
    """The prompt of a request: `asked` as the client's, `sent` as the policies left it. `conversation` is its id, where
    the client names one; else requests that begin with the same message belong together."""
    marks = Marks()
    client = _form(asked, marks)
    last = client if sent is asked else _form(sent, Marks())
    begun = conversation or client.messages[:8]
    return PromptForms(hash((asked.caller, asked.model, begun)), client, last, _ttl(sent, marks))


def cache_lifetime(request: Request) -> float:
    """Seconds for which a provider keeps the request's prompt in a cache, by what it asks for."""
    marks = Marks()
    marks.note(request.extra.get(CACHE_MARK))
    for tool in request.tools:
        marks.note((tool.raw or tool.extra).get(CACHE_MARK))
    for message in request.messages:
        marks.note(message.extra.get(CACHE_MARK))
        for part in message.parts:
            marks.note((getattr(part, "extra", None) or {}).get(CACHE_MARK))
    return _ttl(request, marks)


def _ttl(request: Request, marks: Marks) -> float:
    if request.extra.get("prompt_cache_retention") == "24h":
        return _TTL_DAY
    return _TTL_HOUR if marks.hour else _TTL


def _form(request: Request, marks: Marks) -> PromptForm:
    marks.note(request.extra.get(CACHE_MARK))
    tools = [_tool(tool, marks) for tool in request.tools]
    first = next((at for at, one in enumerate(request.messages) if one.role not in INSTRUCTIONS), len(request.messages))
    system = [_part(part, marks) for message in request.messages[:first] for part in message.parts]
    messages = [_message(message, marks) for message in request.messages[first:]]
    return PromptForm(
        tools=packed(tools),
        system=packed(system),
        parameters=packed((hash(encode(request.tool_choice)), hash(encode(request.reasoning)), int(marks.found))),
        messages=packed(messages),
    )


def _tool(tool: ToolDefinition, marks: Marks) -> int:
    if tool.raw is not None:
        return hash(encode(without_mark(tool.raw, marks)))
    extra = without_mark(tool.extra, marks) if tool.extra else tool.extra
    return hash(encode((tool.name, tool.description, tool.parameters, tool.strict, extra)))


def _message(message: InputMessage, marks: Marks) -> int:
    parts = [_part(part, marks) for part in message.parts]
    return hash((message.role, _extra(message.extra, marks) if message.extra else 0, *parts))


def _part(part: Part, marks: Marks) -> int:
    """The hash of a part. Most of a prompt are texts and what tools were called with and gave: these are hashed as they
    are, for the way round JSON takes longer."""
    extra: dict[str, Any] | None = getattr(part, "extra", None)
    rest = _extra(extra, marks) if extra else 0
    content = _HASHES[type(part)](part, marks)
    return hash((content, rest)) if rest else content


def _tool_result(part: ToolResultPart, marks: Marks) -> int:
    return hash((part.tool_call_id, part.is_error, *[_part(inner, marks) for inner in part.content]))


def _file(part: ImagePart | DocumentPart, marks: Marks) -> int:
    bare = replace(part, url=None, data=None, extra={})
    return hash((hash_of_text(part.url or ""), hash_of_text(part.data or ""), encode(bare)))


_HASHES: dict[type[Part], Callable[[Any, Marks], int]] = {
    TextPart: lambda part, _: hash_of_text(part.text),
    ToolCallPart: lambda part, _: hash((part.id, part.name, hash_of_text(part.arguments))),
    ToolResultPart: _tool_result,
    ImagePart: _file,
    DocumentPart: _file,
    ThinkingPart: lambda part, _: hash((hash_of_text(part.thinking), part.signature)),
    RedactedThinkingPart: lambda part, _: hash_of_text(part.data),
    RefusalPart: lambda part, _: hash_of_text(part.refusal),
    OpaquePart: lambda part, marks: hash(encode(without_mark(part.raw, marks))),
}
"""The hash of what a part of each type says, without what stands beside it."""


def _extra(extra: dict[str, Any], marks: Marks) -> int:
    """The hash of what else stands beside a part; 0 for nothing."""
    rest = without_mark(extra, marks)
    return hash(encode(rest)) if rest else 0
