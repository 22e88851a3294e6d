"""The pieces of a simulated answer: each is what one chunk carries."""

import re
from dataclasses import dataclass
from typing import assert_never

from app.messages import Function, Message, ThinkingBlock, ToolCall

_WORDS = re.compile(r"\s*\S+(?:\s+$)?")
_CALL_COST = 4


@dataclass(frozen=True)
class Thought:
    text: str


@dataclass(frozen=True)
class Signature:
    text: str


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Refusal:
    text: str


@dataclass(frozen=True)
class CallStart:
    index: int
    id: str
    name: str


@dataclass(frozen=True)
class CallArguments:
    index: int
    text: str


Piece = Thought | Signature | Text | Refusal | CallStart | CallArguments


def words(text: str) -> list[str]:
    """With the space before each; joined they are the text again."""
    return _WORDS.findall(text)


def split(text: str, size: int | None) -> list[str]:
    if size is None:
        return words(text)
    return [text[start : start + size] for start in range(0, len(text), size)]


def cost(piece: Piece) -> int:
    match piece:
        case Thought(text) | Text(text) | Refusal(text):
            return max(1, len(words(text)))
        case CallStart() | CallArguments():
            return _CALL_COST
        case Signature():
            return 0
        case other:
            assert_never(other)


def delta(piece: Piece) -> Message:
    match piece:
        case Thought(text):
            return Message(reasoning_content=text)
        case Signature(text):
            return Message(thinking_blocks=(ThinkingBlock(signature=text),))
        case Text(text):
            return Message(content=text)
        case Refusal(text):
            return Message(refusal=text)
        case CallStart(index, id, name):
            return Message(tool_calls=(ToolCall(index=index, id=id, function=Function(name=name)),))
        case CallArguments(index, text):
            return Message(tool_calls=(ToolCall(index=index, function=Function(arguments=text)),))
        case other:
            assert_never(other)
