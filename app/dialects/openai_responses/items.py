"""The items of a response's output, seen from the common form: what each kind of them is there. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from app.dialects.errors import ProviderFailed
from app.dialects.finish_reasons import Meaning, meaning_of
from app.dialects.openai_responses.wire import NAME
from app.dialects.translation.encrypted_reasoning import marked
from app.messages import Function, Message, ThinkingBlock, ToolCall

Item = Mapping[str, Any]

ARGUMENTS = {"function_call": "arguments", "custom_tool_call": "input"}
"""The kinds of item that are calls for the client, and where each has what it is called with."""
IN_COMMON_FORM = frozenset({"message", "reasoning", *ARGUMENTS})
"""The kinds that the common form has a place for. All others are the work of the provider's own tools, or for it."""

_INCOMPLETE: Mapping[Meaning | None, str | None] = {
    "length": "max_output_tokens",
    "content_filter": "content_filter",
    "stop": None,
    "tool_calls": None,
    "function_call": None,
}
THOUGHT_BREAK = "\n\n"
"""Between two parts of a summary, where they are one text: each begins with a title of its own."""


def is_for_client(item: Item, tools: Iterable[Any]) -> bool:
    """Some providers write down a call of their own tools as one of a custom tool, which the client never offered."""
    if item.get("type") != "custom_tool_call" or item.get("namespace"):
        return item.get("type") in ARGUMENTS
    offered = {tool.get("name") for tool in tools if isinstance(tool, dict) and tool.get("type") == "custom"}
    return item.get("name") in offered or not any(isinstance(tool, dict) for tool in tools)


def call_of(item: Item, index: int) -> ToolCall:
    kind = str(item["type"])
    function = Function(item.get("name") or None, item.get(ARGUMENTS[kind]) or "")
    written = "custom" if kind == "custom_tool_call" else "function"
    return ToolCall(index, item.get("call_id") or item.get("id"), written, function)


def whole_message(output: Iterable[Item], tools: Iterable[Any]) -> Message:
    """Join all items of an output to one message."""
    text: list[str] = []
    refusal: list[str] = []
    thinking: list[str] = []
    encrypted: list[ThinkingBlock] = []
    calls: list[ToolCall] = []
    notes: list[dict[str, Any]] = []
    server_tools: list[Item] = []
    chars = 0
    for item in output:
        kind = item.get("type")
        if kind == "message":
            for part in item.get("content") or ():
                piece = part.get("text") or ""
                found = (chat_annotation(note, chars) for note in part.get("annotations") or ())
                notes += [note for note in found if note is not None]
                chars += len(piece)
                text.append(piece)
                refusal.append(part.get("refusal") or "")
        elif kind == "reasoning":
            thinking.append(thoughts(item))
            if content := item.get("encrypted_content"):
                encrypted.append(ThinkingBlock(type="redacted_thinking", data=marked(content, NAME)))
        elif is_for_client(item, tools):
            calls.append(call_of(item, len(calls)))
        else:
            server_tools.append(item)
    return Message(
        content="".join(text) or None,
        refusal="".join(refusal) or None,
        reasoning_content=THOUGHT_BREAK.join(thought for thought in thinking if thought) or None,
        thinking_blocks=tuple(encrypted),
        tool_calls=tuple(calls),
        annotations=tuple(notes),
        extra={"server_tools": [{"index": at, **item} for at, item in enumerate(server_tools)]} if server_tools else {},
    )


def whole_logprobs(output: Iterable[Item]) -> dict[str, Any] | None:
    """The log probabilities of all texts of an output, as a choice has them; None where there are none."""
    parts = (part for item in output if item.get("type") == "message" for part in item.get("content") or ())
    found = [one for part in parts for one in part.get("logprobs") or ()]
    return {"content": found} if found else None


def finish_reason(status: str, response: Item, called: bool) -> str | None:
    """The finish reason of chat completions for how a response ended; None for one that has not. Raises ProviderFailed
    for one that failed or was cancelled."""
    match status:
        case "completed":
            return "tool_calls" if called else "stop"
        case "incomplete":
            reason = str((response.get("incomplete_details") or {}).get("reason") or "max_output_tokens")
            meaning = meaning_of(reason)
            if meaning in ("length", "content_filter"):
                return meaning
            return "length" if _INCOMPLETE.get(meaning, "") is None else reason
        case "in_progress" | "queued":
            return None
        case _:
            raise ProviderFailed(response.get("error") or {"message": f"The provider's response is {status[:32]}."})


def incomplete_reason(finish: str | None) -> str | None:
    """Why a response is incomplete, for a finish reason of any API; None if it is complete. One that nobody knows is
    not told as a good end: it stands there by its name."""
    if finish is None:
        return None
    meaning = meaning_of(finish)
    return _INCOMPLETE.get(meaning, finish)


def chat_annotation(fields: Mapping[str, Any], first_char: int) -> dict[str, Any] | None:
    """An annotation as chat completions have it, about the whole text, in which its own text begins at `first_char`.

    None for citations of files, which have no counterpart."""
    if fields.get("type") != "url_citation":
        return None
    citation: dict[str, Any] = {"url": fields.get("url") or "", "title": fields.get("title") or ""}
    for name in ("start_index", "end_index"):
        citation[name] = first_char + (fields.get(name) or 0)
    return {"type": "url_citation", "url_citation": citation}


def responses_annotation(fields: Mapping[str, Any]) -> dict[str, Any] | None:
    match fields:
        case {"type": "url_citation", "url_citation": dict(citation)}:
            return {"type": "url_citation", **citation}
        case _:
            return None


def thoughts(item: Item) -> str:
    texts = (part.get("text") for name in ("summary", "content") for part in item.get(name) or ())
    return THOUGHT_BREAK.join(text for text in texts if text)


def with_thoughts(item: Item, text: str) -> dict[str, Any]:
    """The item with `text` as its only reasoning; unchanged where it holds just that."""
    if thoughts(item) == text:
        return dict(item)
    if item.get("content"):
        return {**item, "summary": [], "content": [{"type": "reasoning_text", "text": text}] if text else []}
    return {**item, "summary": [{"type": "summary_text", "text": text}] if text else []}
