"""The most frequent events of a streamed message: a piece of text or of thinking."""

from typing import Literal

from msgspec import Struct


class TextDelta(Struct, frozen=True, gc=False, forbid_unknown_fields=True, tag="text_delta"):
    text: str


class ThinkingDelta(Struct, frozen=True, gc=False, forbid_unknown_fields=True, tag="thinking_delta"):
    thinking: str


class DeltaEvent(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    type: Literal["content_block_delta"]
    index: int
    delta: TextDelta | ThinkingDelta
