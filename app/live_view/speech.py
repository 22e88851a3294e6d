"""What is said in a conversation, as it travels from the console to a terminal: turns, and in them pieces of speech."""

from typing import Literal

import msgspec
from msgspec import Struct

from telemetry.names import Outcome

SpeechKind = Literal["text", "thinking", "call", "result", "refusal", "note"]


class ConversationFound(Struct, frozen=True, tag="conversation", kw_only=True):
    """Comes first: which conversation is followed."""

    conversation: str


class TurnBegan(Struct, frozen=True, tag="began", kw_only=True):
    turn: str
    """The id of the transaction."""
    at: float
    """Unix seconds."""
    model: str
    agent: str | None = None


class Speech(Struct, frozen=True, tag="speech", kw_only=True):
    """A piece of what somebody says. One with the block of the piece before it goes on where that ended."""

    turn: str
    block: int
    role: str
    kind: SpeechKind
    text: str
    name: str = ""
    """The tool of a call or a result."""


class TurnEnded(Struct, frozen=True, tag="ended", kw_only=True):
    turn: str
    outcome: Outcome
    duration_s: float
    ttft_s: float | None = None
    input_tokens: int = 0
    """Tokens of the prompt, those in a cache included."""
    cached_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    detail: str = ""
    """What went wrong."""


class TurnLost(Struct, frozen=True, tag="lost", kw_only=True):
    """A turn ended, and the recorder kept nothing of it."""

    turn: str


SpeechEvent = ConversationFound | TurnBegan | Speech | TurnEnded | TurnLost

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(SpeechEvent).decode


def encode_event(event: SpeechEvent) -> str:
    return _encode(event).decode()


def decode_event(data: str) -> SpeechEvent:
    """Raises msgspec.MsgspecError."""
    event: SpeechEvent = _decode(data)
    return event
