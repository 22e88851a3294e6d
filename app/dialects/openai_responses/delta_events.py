"""The most frequent events of a streamed response: a piece of text, of thinking, or of a call's arguments."""

from msgspec import Struct


class TextDelta(
    Struct, frozen=True, gc=False, forbid_unknown_fields=True, tag_field="type", tag="response.output_text.delta"
):
    """Without log probabilities."""

    delta: str
    output_index: int
    content_index: int
    item_id: str = ""
    logprobs: tuple[()] | None = None
    sequence_number: int | None = None
    obfuscation: str = ""


class SummaryDelta(
    Struct,
    frozen=True,
    gc=False,
    forbid_unknown_fields=True,
    tag_field="type",
    tag="response.reasoning_summary_text.delta",
):
    delta: str
    output_index: int
    summary_index: int
    item_id: str = ""
    sequence_number: int | None = None
    obfuscation: str = ""


class ThoughtDelta(
    Struct, frozen=True, gc=False, forbid_unknown_fields=True, tag_field="type", tag="response.reasoning_text.delta"
):
    delta: str
    output_index: int
    content_index: int
    item_id: str = ""
    sequence_number: int | None = None
    obfuscation: str = ""


class ArgumentsDelta(
    Struct,
    frozen=True,
    gc=False,
    forbid_unknown_fields=True,
    tag_field="type",
    tag="response.function_call_arguments.delta",
):
    delta: str
    output_index: int
    item_id: str = ""
    sequence_number: int | None = None
    obfuscation: str = ""


DeltaEvent = TextDelta | SummaryDelta | ThoughtDelta | ArgumentsDelta
