"""The items of a response's output, seen from the common form: what each kind of them is there. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from app.dialects.encrypted import data_of
from app.dialects.openai_responses.reasoning import THOUGHT_BREAK, thoughts
from app.messages import Function, Message, ThinkingBlock, ToolCall

Item = Mapping[str, Any]

ARGUMENTS = {"function_call": "arguments", "custom_tool_call": "input"}
"""The kinds of item that are calls for the client, and where each has what it is called with."""
SAID = frozenset({"message", "reasoning", *ARGUMENTS})
"""The kinds that the common form has a place for. All others are the work of the provider's own tools, or for it."""

_REASONS = {"max_output_tokens": "length", "content_filter": "content_filter"}
_INCOMPLETE = {word: reason for reason, word in _REASONS.items()}


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
    """All of an output, as one message."""
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
                said = part.get("text") or ""
                found = (chat_annotation(note, chars) for note in part.get("annotations") or ())
                notes += [note for note in found if note is not None]
                chars += len(said)
                text.append(said)
                refusal.append(part.get("refusal") or "")
        elif kind == "reasoning":
            thinking.append(thoughts(item))
            if said := item.get("encrypted_content"):
                encrypted.append(ThinkingBlock(type="redacted_thinking", data=data_of(said)))
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


def finish_reason(status: str, response: Item, called: bool) -> str | None:
    """The word of chat completions for how a response ended; None for one that has not."""
    match status:
        case "completed":
            return "tool_calls" if called else "stop"
        case "incomplete":
            reason = str((response.get("incomplete_details") or {}).get("reason") or "max_output_tokens")
            return _REASONS.get(reason, reason)
        case _:
            return None


def incomplete_reason(finish: str | None) -> str | None:
    """The other way round; None where the response is complete."""
    return _INCOMPLETE.get(finish or "")


def chat_annotation(said: Mapping[str, Any], first_char: int) -> dict[str, Any] | None:
    """As chat completions have it, about the whole of the text, of which what it is about begins at `first_char`; None
    for places in files, which have no counterpart."""
    if said.get("type") != "url_citation":
        return None
    place: dict[str, Any] = {"url": said.get("url") or "", "title": said.get("title") or ""}
    for name in ("start_index", "end_index"):
        place[name] = first_char + (said.get(name) or 0)
    return {"type": "url_citation", "url_citation": place}


def own_annotation(said: Mapping[str, Any]) -> dict[str, Any] | None:
    match said:
        case {"type": "url_citation", "url_citation": dict(place)}:
            return {"type": "url_citation", **place}
        case _:
            return None
