"""A provider's own text completion of which policies changed something: all else stays as it came. Pure."""

from app.dialects.openai_chat.response_encoding import encode_usage
from app.dialects.openai_completions.response_encoding import encode_choice, reason, text_of
from app.dialects.response_edits import Object, ResponseEdit, patch_extra
from app.dialects.translation.ids import with_prefix

_FIELDS = {name: name for name in ("created", "model", "system_fingerprint", "service_tier")}


def edit_response(body: Object, edit: ResponseEdit) -> Object:
    edited = dict(edit.without_copies(body))
    native = {choice.get("index") or 0: choice for choice in edited["choices"]}
    edited["choices"] = [
        _choice(native[choice.index], edit, choice.index) if choice.index in native else encode_choice(choice)
        for choice in edit.after.choices
    ]
    edit.patch(edited, _FIELDS)
    if edit.after.id != edit.before.id:
        edited["id"] = with_prefix(edit.after.id, "cmpl-")
    if edit.after.usage != edit.before.usage:
        edited["usage"] = edit.after.usage and encode_usage(edit.after.usage)
    return edited


def _choice(native: Object, edit: ResponseEdit, index: int) -> Object:
    before, after = edit.choices(index)
    edited = dict(native)
    if text_of(after) != text_of(before):
        # Log probabilities spell the text as it was.
        edited |= {"text": text_of(after), "logprobs": None}
    elif after.logprobs != before.logprobs:
        edited["logprobs"] = after.logprobs
    if after.finish_reason != before.finish_reason:
        edited["finish_reason"] = reason(after.finish_reason)
    patch_extra(edited, *edit.messages(index))
    return edited
