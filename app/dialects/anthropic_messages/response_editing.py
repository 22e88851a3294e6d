"""A provider's own message of which policies changed something: its blocks stay as they came, but for those. Pure.

A text block of which nothing is left goes, as an empty one would be refused in the next request; thinking that was
changed loses its signature, which holds only for the thinking as it was.
"""

from collections.abc import Sequence

from app.dialects.anthropic_messages.content_decoding import is_server_call, is_server_result
from app.dialects.anthropic_messages.ids import message_id
from app.dialects.anthropic_messages.response_encoding import encode_thinking, encode_tool_use, encode_usage
from app.dialects.anthropic_messages.stop_reasons import stop_reason
from app.dialects.response_edits import Object, ResponseEdit, edited_calls, spread, with_server_tools
from app.dialects.thinking import whole_thinking
from app.dialects.tool_calls import as_object, whole_calls
from app.dialects.translation.ids import behind_prefix
from app.messages import Message, ToolCall, Usage


def edit_response(body: Object, edit: ResponseEdit) -> Object:
    message_before, message_after = edit.messages()
    uncopied = edit.without_copies(body)
    blocks: list[Object] = list(uncopied["content"])
    if message_after.content != message_before.content:
        blocks = _with_text(blocks, message_after.content or "", _texts_of(body), edit.all_read)
    if message_after.refusal != message_before.refusal and message_after.refusal:
        blocks.append({"type": "text", "text": message_after.refusal})
    if (message_after.reasoning_content, message_after.thinking_blocks) != (
        message_before.reasoning_content,
        message_before.thinking_blocks,
    ):
        blocks = _with_thinking(blocks, message_before, message_after, _thoughts_of(body))
    if message_after.tool_calls != message_before.tool_calls:
        blocks = _with_calls(blocks, message_before.tool_calls, message_after.tool_calls, edit.before.id)
    if message_after.extra.get("server_tools") != message_before.extra.get("server_tools"):
        blocks = with_server_tools(blocks, _is_server_tool, message_after)
    if message_after.annotations != message_before.annotations:
        blocks = [{name: value for name, value in block.items() if name != "citations"} for block in blocks]
    edited = {**uncopied, "content": blocks, **_stop(edit)}
    edit.patch(edited, {"model": "model"})
    if edit.after.id != edit.before.id:
        edited["id"] = message_id(edit.after.id)
    if edit.after.usage != edit.before.usage:
        edited["usage"] = encode_usage(edit.after.usage or Usage())
    return edited


def _stop(edit: ResponseEdit) -> Object:
    before, after = edit.choices()
    message_before, message_after = edit.messages()
    same = (before.finish_reason, before.stop_sequence) == (after.finish_reason, after.stop_sequence)
    if same and bool(message_before.tool_calls) == bool(message_after.tool_calls):
        return {}
    reason = stop_reason(after.finish_reason, after.stop_sequence, bool(message_after.tool_calls))
    return {"stop_reason": reason, "stop_sequence": after.stop_sequence if reason == "stop_sequence" else None}


def _texts_of(body: Object) -> list[str]:
    return [block["text"] for block in body["content"] if block.get("type") == "text"]


def _thoughts_of(body: Object) -> list[str]:
    return [block["thinking"] for block in body["content"] if block.get("type") == "thinking"]


def _with_text(blocks: Sequence[Object], text: str, texts: Sequence[str], all_read: bool) -> list[Object]:
    if not texts:
        return [*blocks, {"type": "text", "text": text}]
    pieces = zip(texts, spread(text, texts), strict=True)
    return [
        made
        for block in blocks
        for made in (_text_block(block, *next(pieces), all_read) if _is(block, "text") else [block])
    ]


def _text_block(block: Object, old: str, new: str, all_read: bool) -> list[Object]:
    if new == old:
        return [{**block, "text": old}]
    beside = block if all_read else {}
    return [{**beside, "type": "text", "text": new}] if new else []


def _with_thinking(
    blocks: Sequence[Object], message_before: Message, message_after: Message, thoughts: Sequence[str]
) -> list[Object]:
    others = [block for block in blocks if not _is_thinking(block)]
    if message_after.reasoning_content == message_before.reasoning_content or not thoughts:
        # Signatures or redacted thinking were changed: all of it stands in front, where alone it may.
        return [*map(encode_thinking, whole_thinking(message_after)), *others]
    pieces = zip(thoughts, spread(message_after.reasoning_content or "", thoughts), strict=True)
    return [
        made for block in blocks for made in (_thinking(block, *next(pieces)) if _is(block, "thinking") else [block])
    ]


def _thinking(block: Object, old: str, new: str) -> list[Object]:
    if new == old:
        return [{**block, "thinking": old}]
    return [{"type": "thinking", "thinking": new, "signature": ""}] if new else []


def _with_calls(
    blocks: Sequence[Object], before: Sequence[ToolCall], after: Sequence[ToolCall], id: str
) -> list[Object]:
    kept, new = edited_calls(before, after)
    calls = zip(before, kept, strict=True)
    edited = [made for block in blocks for made in (_call(block, *next(calls)) if _is(block, "tool_use") else [block])]
    return [*edited, *map(encode_tool_use, whole_calls(tuple(new), f"toolu_{behind_prefix(id)}"))]


def _call(block: Object, old: ToolCall, new: ToolCall | None) -> list[Object]:
    if new is None or new == old:
        return [] if new is None else [block]
    return [{**block, "name": new.function.name, "input": as_object(new.function.arguments)}]


def _is_server_tool(block: Object) -> bool:
    return is_server_call(block.get("type")) or is_server_result(block.get("type"))


def _is(block: Object, kind: str) -> bool:
    return block.get("type") == kind


def _is_thinking(block: Object) -> bool:
    return block.get("type") in ("thinking", "redacted_thinking")
