"""A provider's own text completion of which policies changed something: all else stays as it came. Pure."""

from app.dialects.openai_chat.response_editing import edit_completion
from app.dialects.openai_completions.response_encoding import encode_choice, reason, text_of
from app.dialects.response_edits import Object, ResponseEdit, patch_extra


def edit_response(body: Object, edit: ResponseEdit) -> Object:
    return edit_completion(body, edit, "cmpl-", _choice, encode_choice)


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
