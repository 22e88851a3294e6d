"""Message content for those who opted in: collected within a bound, scrubbed of keys, given out as JSON text.

Nothing here is made when content is not captured. A text over the bound becomes a JSON string of its beginning, so what
stands in an attribute is JSON in any case; what was cut is said and counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from telemetry.names.spans import Attribute
from telemetry.recording.chunks import Choice, Chunk, Message, ToolCall
from telemetry.redact import TEXT_LIMIT, Scrubber, clean

CaptureMode = Literal["none", "span", "event", "both"]
_COLLECT_LIMIT = 2 * TEXT_LIMIT
_PARTS = {
    "system_instructions": Attribute.SYSTEM_INSTRUCTIONS,
    "input_messages": Attribute.INPUT_MESSAGES,
    "tool_definitions": Attribute.TOOL_DEFINITIONS,
}


@dataclass
class _Choice:
    """One choice of a response, put together from its chunks."""

    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    calls: dict[int, list[str]] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    finish_reason: str | None = None

    def as_message(self) -> dict[str, object]:
        parts: list[dict[str, str]] = []
        if self.reasoning:
            parts.append({"type": "reasoning", "content": "".join(self.reasoning)})
        if self.text:
            parts.append({"type": "text", "content": "".join(self.text)})
        for index, pieces in self.calls.items():
            parts.append({"type": "tool_call", "name": self.names.get(index, ""), "arguments": "".join(pieces)})
        return {"role": "assistant", "parts": parts, "finish_reason": self.finish_reason}


class Conversation:
    """The messages of a request and of its response, within a bound."""

    def __init__(self) -> None:
        self._asked: object = None
        self._answers: dict[int, _Choice] = {}
        self._room = _COLLECT_LIMIT
        self._cut = False

    def ask(self, content: object) -> None:
        self._asked = content

    def answer(self, chunk: Chunk) -> None:
        for choice in chunk.choices:
            if self._room <= 0:
                self._cut = True
                return
            self._collect(choice)

    def attributes(self, scrub: Scrubber) -> dict[str, str | bool]:
        texts = {key: msgspec.json.encode(value, enc_hook=str).decode() for key, value in self._parts().items()}
        found: dict[str, str | bool] = {}
        for key, text in texts.items():
            cleaned = clean(scrub, text, TEXT_LIMIT)
            if len(text) > TEXT_LIMIT:
                self._cut = True
                cleaned = _beginning(cleaned)
            found[key] = cleaned
        if self._cut:
            found[Attribute.CONTENT_TRUNCATED] = True
        return found

    @property
    def cut(self) -> bool:
        return self._cut

    def _parts(self) -> dict[str, object]:
        parts: dict[str, object] = {}
        if isinstance(self._asked, Mapping) and self._asked.keys() <= _PARTS.keys():
            parts = {_PARTS[key]: value for key, value in self._asked.items() if value}
        elif self._asked is not None:
            parts = {Attribute.INPUT_MESSAGES: self._asked}
        if self._answers:
            parts[Attribute.OUTPUT_MESSAGES] = [answer.as_message() for answer in self._answers.values()]
        return parts

    def _collect(self, choice: Choice) -> None:
        answer = self._answers.setdefault(choice.index, _Choice())
        answer.finish_reason = choice.finish_reason or answer.finish_reason
        message = choice.delta or choice.message
        if message is not None:
            self._collect_message(answer, message)

    def _collect_message(self, answer: _Choice, message: Message) -> None:
        for pieces, text in (
            (answer.reasoning, message.reasoning_content),
            (answer.text, message.content or message.refusal),
        ):
            if text:
                self._append(pieces, text)
        for call in message.tool_calls:
            self._collect_call(answer, call)

    def _collect_call(self, answer: _Choice, call: ToolCall) -> None:
        if call.function.name:
            answer.names[call.index] = call.function.name[:256]
        self._append(answer.calls.setdefault(call.index, []), call.function.arguments)

    def _append(self, pieces: list[str], text: str) -> None:
        if len(text) > self._room:
            self._cut = True
        pieces.append(text[: max(0, self._room)])
        self._room -= len(text)


def _beginning(text: str) -> str:
    """The beginning of a text as a JSON string, which stays within the limit once it is escaped."""
    length = TEXT_LIMIT - 2
    while len(encoded := msgspec.json.encode(text[:length]).decode()) > TEXT_LIMIT:
        length -= len(encoded) - TEXT_LIMIT
    return encoded
