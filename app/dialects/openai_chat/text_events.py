"""The most frequent event of a streamed chat completion: a piece of one choice's text, and nothing else.

Fields that providers fill with null in every such event are named here; with another value it is not such an event.
"""

from typing import Literal

from msgspec import Struct


class TextDelta(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    content: str
    role: str | None = None
    refusal: None = None
    tool_calls: None = None
    function_call: None = None
    reasoning: None = None
    reasoning_content: None = None


class TextChoice(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    delta: TextDelta
    index: int = 0
    finish_reason: None = None
    logprobs: None = None


class TextEvent(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    choices: tuple[TextChoice]
    id: str = ""
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int = 0
    model: str = ""
    usage: None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None
    obfuscation: str = ""
