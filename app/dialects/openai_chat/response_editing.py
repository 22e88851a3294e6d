"""A provider's own completion of which policies changed something: all else stays as it came. Pure."""

from collections.abc import Callable, Sequence
from typing import Any

from app.dialects.openai_chat.reasoning_decoding import REASONING_FIELDS
from app.dialects.openai_chat.response_encoding import encode_call, encode_choice, encode_usage
from app.dialects.response_edits import Object, ResponseEdit, edited_calls, patch_extra
from app.dialects.tool_calls import whole_calls
from app.dialects.translation.ids import behind_prefix, with_prefix
from app.dialects.translation.stop_reasons import finish_reason
from app.messages import Choice, Message, ToolCall

_FIELDS = {name: name for name in ("created", "model", "system_fingerprint", "service_tier")}


def edit_response(body: Object, edit: ResponseEdit) -> Object:
    return edit_completion(body, edit, "chatcmpl-", _choice, encode_choice)


def edit_completion(
    body: Object,
    edit: ResponseEdit,
    id_prefix: str,
    edit_choice: Callable[[Object, ResponseEdit, int], Object],
    encode_choice: Callable[[Choice], Object],
) -> Object:
    """Edit a body with `choices`: one that the provider sent is edited, and one that is new is encoded."""
    edited = dict(edit.without_copies(body))
    native = {choice.get("index") or 0: choice for choice in edited["choices"]}
    edited["choices"] = [
        edit_choice(native[choice.index], edit, choice.index) if choice.index in native else encode_choice(choice)
        for choice in edit.after.choices
    ]
    edit.patch(edited, _FIELDS)
    if edit.after.id != edit.before.id:
        edited["id"] = with_prefix(edit.after.id, id_prefix)
    if edit.after.usage != edit.before.usage:
        edited["usage"] = edit.after.usage and encode_usage(edit.after.usage)
    return edited


def _choice(native: Object, edit: ResponseEdit, index: int) -> Object:
    before, after = edit.choices(index)
    message_before, message_after = edit.messages(index)
    edited = {
        **native,
        "message": _message(native["message"], message_before, message_after, f"{edit.before.id}_{index}"),
    }
    if (after.finish_reason, bool(message_after.tool_calls)) != (before.finish_reason, bool(message_before.tool_calls)):
        edited["finish_reason"] = finish_reason(after.finish_reason, bool(message_after.tool_calls))
    if (message_after.content, message_after.refusal) != (message_before.content, message_before.refusal):
        # They spell the text as it was.
        edited["logprobs"] = None
    elif after.logprobs != before.logprobs:
        edited["logprobs"] = after.logprobs
    return edited


def _message(native: Object, message_before: Message, message_after: Message, id: str) -> Object:
    edited = dict(native)
    if message_after.content != message_before.content:
        edited["content"] = message_after.content
    if message_after.refusal != message_before.refusal:
        edited["refusal"] = message_after.refusal
    in_parts = (
        "content" in edited
        and not isinstance(native.get("content"), str | None)
        and message_after.content != message_before.content
    )
    if in_parts or (message_after.reasoning_content, message_after.thinking_blocks) != (
        message_before.reasoning_content,
        message_before.thinking_blocks,
    ):
        _set_reasoning(edited, message_before, message_after)
    if message_after.tool_calls != message_before.tool_calls:
        _set_calls(edited, message_before.tool_calls, message_after.tool_calls, id)
    if message_after.annotations != message_before.annotations:
        edited["annotations"] = list(message_after.annotations)
    patch_extra(edited, message_before, message_after)
    return edited


def _set_reasoning(message: Object, message_before: Message, message_after: Message) -> None:
    """Under one name: every other one says it as it was. Parts of thinking in the content say it, too."""
    for name in REASONING_FIELDS:
        message.pop(name, None)
    if message_after.content == message_before.content and not isinstance(message.get("content"), str | None):
        message["content"] = message_after.content
    made: dict[str, Any] = encode_choice(Choice(message=message_after))["message"]
    message |= {name: made[name] for name in ("reasoning_content", "thinking_blocks") if name in made}


def _set_calls(message: Object, before: Sequence[ToolCall], after: Sequence[ToolCall], id: str) -> None:
    native = list(message.get("tool_calls") or ())
    # The old `function_call` is the last of the calls in the common form.
    legacy = message.pop("function_call", None)
    native += [{"type": "function", "function": legacy}] if legacy else []
    kept, new = edited_calls(before, after)
    calls = [_call(raw, *pair) for raw, pair in zip(native, zip(before, kept, strict=True), strict=False)]
    made = whole_calls(tuple(new), f"call_{behind_prefix(id)}")
    message["tool_calls"] = [call for call in calls if call is not None] + [encode_call(call) for call in made]
    if not message["tool_calls"]:
        del message["tool_calls"]


def _call(native: Object, old: ToolCall, new: ToolCall | None) -> Object | None:
    if new is None or new == old:
        return None if new is None else native
    made = encode_call(new)
    kind = made["type"]
    beside = native.get(kind)
    return {**native, **made, kind: {**(beside if isinstance(beside, dict) else {}), **made[kind]}}
