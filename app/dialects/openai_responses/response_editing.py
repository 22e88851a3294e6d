"""A provider's own response of which policies changed something: its items stay as they came, but for those. Pure.

Parts and items of which nothing is left are left out. What makes thinking fit to be sent back stays: only the provider
can read it.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from app.dialects.openai_responses.items import (
    ARGUMENTS,
    IN_COMMON_FORM,
    THOUGHT_BREAK,
    is_for_client,
    thoughts,
    with_thoughts,
)
from app.dialects.openai_responses.response_encoding import (
    call_item,
    ending,
    message_item,
    output_text,
    reasoning_item,
    refusal_part,
    text_part,
)
from app.dialects.openai_responses.usage import encode_usage
from app.dialects.response_edits import Object, ResponseEdit, edited_calls, spread, with_server_tools
from app.dialects.tool_calls import whole_calls
from app.dialects.translation.ids import with_prefix
from app.messages import ToolCall

_FIELDS = {"created": "created_at", "model": "model", "service_tier": "service_tier"}


def edit_response(body: Object, edit: ResponseEdit) -> Object:
    message_before, message_after = edit.messages()
    tools: Sequence[Any] = body.get("tools") or ()
    edited = dict(edit.without_copies(body))
    items: list[Object] = list(edited.get("output") or ())
    if message_after.content != message_before.content:
        items = _with_text(items, message_after.content or "", body, "output_text", edit.all_read)
    if message_after.refusal != message_before.refusal:
        items = _with_text(items, message_after.refusal or "", body, "refusal", edit.all_read)
    if message_after.reasoning_content != message_before.reasoning_content:
        items = _with_thinking(items, message_after.reasoning_content or "", body)
    if message_after.tool_calls != message_before.tool_calls:
        items = _with_calls(items, message_before.tool_calls, message_after.tool_calls, tools, str(body.get("id")))
    if message_after.extra.get("server_tools") != message_before.extra.get("server_tools"):
        items = with_server_tools(items, partial(_is_server_tool, tools=tools), message_after)
    if message_after.annotations != message_before.annotations:
        items = [_without_annotations(item) for item in items]
    before, after = edit.choices()
    ended = {} if after.finish_reason == before.finish_reason else ending(after.finish_reason)
    edited |= {**ended, "output": items, **output_text(body, items)}
    edit.patch(edited, _FIELDS)
    if edit.after.id != edit.before.id:
        edited["id"] = with_prefix(edit.after.id, "resp_")
    if edit.after.usage != edit.before.usage:
        edited["usage"] = edit.after.usage and encode_usage(edit.after.usage)
    return edited


def _parts(body: Mapping[str, Any], kind: str) -> list[str]:
    """The texts of all parts of a kind, in all messages."""
    name = "refusal" if kind == "refusal" else "text"
    messages = [item for item in body.get("output") or () if item.get("type") == "message"]
    parts = [part for item in messages for part in item.get("content") or () if _is(part, kind)]
    return [part.get(name) or "" for part in parts]


def _is(part: Mapping[str, Any], kind: str) -> bool:
    return (part.get("type") == "refusal") is (kind == "refusal")


def _with_text(items: Sequence[Object], text: str, body: Mapping[str, Any], kind: str, all_read: bool) -> list[Object]:
    texts = _parts(body, kind)
    if not texts:
        made = refusal_part(text) if kind == "refusal" else text_part(text)
        return _with_part(items, made)
    pieces = zip(texts, spread(text, texts), strict=True)

    def content(item: Object) -> Iterator[Object]:
        for part in item.get("content") or ():
            if not _is(part, kind):
                yield part
            elif made := _part(part, *next(pieces), all_read):
                yield made

    edited = [{**item, "content": list(content(item))} if item.get("type") == "message" else item for item in items]
    return [new for old, new in zip(items, edited, strict=True) if new.get("content") or not old.get("content")]


def _part(part: Object, old: str, new: str, all_read: bool) -> Object | None:
    """A part as it is to be; None if nothing is left of it. Log probabilities spell the text as it was."""
    name = "refusal" if part.get("type") == "refusal" else "text"
    if new == old:
        return {**part, name: old}
    if not new:
        return None
    if name == "refusal":
        return {**part, name: new} if all_read else refusal_part(new)
    kept = part if all_read else text_part("")
    return {**kept, name: new, **({"logprobs": []} if "logprobs" in kept else {})}


def _with_part(items: Sequence[Object], part: Object) -> list[Object]:
    """Add a part to the last message, or to a new one behind all items."""
    at = max((at for at, item in enumerate(items) if item.get("type") == "message"), default=None)
    if at is None:
        return [*items, message_item("msg_0", [part])]
    item = items[at]
    return [*items[:at], {**item, "content": [*(item.get("content") or ()), part]}, *items[at + 1 :]]


def _with_thinking(items: Sequence[Object], text: str, body: Mapping[str, Any]) -> list[Object]:
    texts = [thoughts(item) for item in body.get("output") or () if item.get("type") == "reasoning"]
    nonempty = [one for one in texts if one]
    if not nonempty:
        return [reasoning_item("rs_0", text), *items]
    # Between two of them stands a break, which belongs to the first.
    breaks = [*(one + THOUGHT_BREAK for one in nonempty[:-1]), nonempty[-1]]
    pieces = zip(nonempty, (piece.removesuffix(THOUGHT_BREAK) for piece in spread(text, breaks)), strict=True)
    original = iter(texts)
    edited = []
    for item in items:
        if item.get("type") == "reasoning" and next(original):
            old, new = next(pieces)
            edited.append(with_thoughts(item, old if new == old else new))
        else:
            edited.append(item)
    return edited


def _with_calls(
    items: Sequence[Object], before: Sequence[ToolCall], after: Sequence[ToolCall], tools: Sequence[Any], id: str
) -> list[Object]:
    kept, new = edited_calls(before, after)
    calls = zip(before, kept, strict=True)
    edited = [made for item in items for made in (_call(item, *next(calls)) if is_for_client(item, tools) else [item])]
    made = whole_calls(tuple(new), f"call_{id}")
    return [*edited, *(call_item(f"fc_{id}_{call.index}", call, call.function.arguments) for call in made)]


def _call(item: Object, old: ToolCall, new: ToolCall | None) -> list[Object]:
    if new is None or new == old:
        return [] if new is None else [item]
    return [{**item, "name": new.function.name, ARGUMENTS[str(item["type"])]: new.function.arguments}]


def _is_server_tool(item: Object, tools: Sequence[Any]) -> bool:
    kind = item.get("type")
    return not is_for_client(item, tools) and (kind not in IN_COMMON_FORM or kind in ARGUMENTS)


def _without_annotations(item: Object) -> Object:
    if item.get("type") != "message":
        return item
    return {
        **item,
        "content": [{**part, "annotations": []} if "annotations" in part else part for part in item["content"]],
    }
