"""Message content for those who opted in: a prompt and the answers to it, collected within a bound.

Prompt and answers have the shape of OpenTelemetry's conventions for GenAI: messages with parts, each of a type.
Nothing here is made when content is not captured; what becomes of it is in `content_attributes`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from telemetry.recording.chunks import Choice, Chunk, Message, ToolCall
from telemetry.recording.excerpts import LeftOut

Part = dict[str, Any]
"""`type`, and what a part of that type has: `content` of a text, `name` and `arguments` of a tool call."""
_OF_ANSWERS = 2
"""How many times the limit of an attribute is kept of answers: the end of one is worth more than its middle."""
_LONGEST_NAME = 256
_REASONS = {
    **dict.fromkeys(("tool_calls", "tool_use", "function_call"), "tool_call"),
    **dict.fromkeys(("end_turn", "stop_sequence"), "stop"),
    **dict.fromkeys(("max_tokens", "max_output_tokens"), "length"),
    "refusal": "content_filter",
}
"""The conventions' words for the end of an answer; others stay as the provider wrote them."""


@dataclass(frozen=True, slots=True)
class JsonText:
    """JSON as a model or a client wrote it, which may be none."""

    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model was asked, within a bound. `system` has the parts of instructions that stand apart from the
    conversation; `size` is about how many characters all of it holds."""

    system: Sequence[Part] = ()
    messages: Sequence[dict[str, Any] | LeftOut] = ()
    tools: Sequence[dict[str, Any] | LeftOut] = ()
    size: int = 0


@dataclass(slots=True)
class _Text:
    kind: Literal["text", "reasoning"]
    pieces: list[str] = field(default_factory=list)

    def as_part(self) -> Part:
        return {"type": self.kind, "content": "".join(self.pieces)}


@dataclass(slots=True)
class _Call:
    id: str | None = None
    name: str = ""
    pieces: list[str] = field(default_factory=list)

    def as_part(self) -> Part:
        return {"type": "tool_call", "id": self.id, "name": self.name, "arguments": JsonText("".join(self.pieces))}


@dataclass(slots=True)
class _ChoiceParts:
    """One choice of a response, put together from its chunks, its parts in the order in which they began."""

    parts: list[_Text | _Call] = field(default_factory=list)
    calls: dict[int, _Call] = field(default_factory=dict)
    finish_reason: str | None = None

    def text(self, kind: Literal["text", "reasoning"]) -> list[str]:
        last = self.parts[-1] if self.parts else None
        if not isinstance(last, _Text) or last.kind != kind:
            last = _Text(kind)
            self.parts.append(last)
        return last.pieces

    def call(self, piece: ToolCall) -> _Call:
        call = self.calls.get(piece.index)
        # Some providers number all of their calls 0.
        if call is None or (piece.id and call.id and piece.id != call.id):
            call = self.calls[piece.index] = _Call()
            self.parts.append(call)
        call.id = call.id or piece.id
        call.name = call.name or (piece.function.name or "")[:_LONGEST_NAME]
        return call

    def as_message(self) -> dict[str, Any]:
        # One that did not end was broken off, by whomever.
        reason = self.finish_reason or "error"
        return {
            "role": "assistant",
            "parts": [part.as_part() for part in self.parts],
            "finish_reason": _REASONS.get(reason, reason),
        }


class Conversation:
    """A prompt and the answers to it. Attributes made of it have at most `limit` bytes each."""

    def __init__(self, prompt: Prompt, limit: int) -> None:
        self.prompt = prompt
        self.limit = limit
        self.is_cut = False
        """Whether the end of an answer is missing."""
        self._answers: dict[int, _ChoiceParts] = {}
        self._room = _OF_ANSWERS * limit

    @property
    def size(self) -> int:
        """About how many characters it holds."""
        return self.prompt.size + _OF_ANSWERS * self.limit - self._room

    def add(self, chunk: Chunk) -> None:
        """Add what a chunk of the answer, or a whole one, holds."""
        for choice in chunk.choices:
            if self._room <= 0:
                self.is_cut = True
                return
            self._collect(choice)

    def answers(self) -> list[dict[str, Any]]:
        """The answers as messages, one for each choice."""
        return [self._answers[index].as_message() for index in sorted(self._answers)]

    def _collect(self, choice: Choice) -> None:
        answer = self._answers.setdefault(choice.index, _ChoiceParts())
        answer.finish_reason = choice.finish_reason or answer.finish_reason
        message = choice.delta or choice.message
        if message is not None:
            self._collect_message(answer, message)

    def _collect_message(self, answer: _ChoiceParts, message: Message) -> None:
        if message.reasoning_content:
            self._append(answer.text("reasoning"), message.reasoning_content)
        if text := message.content or message.refusal:
            self._append(answer.text("text"), text)
        for piece in message.tool_calls:
            self._append(answer.call(piece).pieces, piece.function.arguments)

    def _append(self, pieces: list[str], text: str) -> None:
        if len(text) > self._room:
            self.is_cut = True
            text = text[: max(0, self._room)]
        self._room -= len(text)
        pieces.append(text)
