"""Turns transactions that are under way, looked at again and again, and their recordings into events. Pure.

Each word is told once: of a request what it adds to the one it goes on from, of an answer what has come since it was
last looked at. What only fills a screen (system prompts, results of tools) is told in brief.
"""

import json
from collections import deque
from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from app.figures import counted
from app.live_view.speech import Speech, SpeechEvent, SpeechKind, TurnBegan, TurnEnded, TurnLost
from app.messages import (
    DocumentPart,
    ImagePart,
    InputMessage,
    OpaquePart,
    Part,
    RedactedThinkingPart,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
)
from app.recorder.capture import TransactionUnderWay
from app.recorder.recording import Recording, TokenCounts
from app.recorder.titles import is_reminder
from app.transcripts.answers import ReadAnswer, read_answer
from app.transcripts.changes import Fingerprints, changes, fingerprints, predecessor
from app.transcripts.requests import ReadRequest, read_request

_REMEMBERED = 16
"""Requests of which is known what was said in them."""
_OPENING = 4
"""Messages that are told of a request that goes on from none which is known."""
_TEXT_LIMIT, _BRIEF_LIMIT = 8_000, 400
"""Characters of a text of the request, and of what is told in brief."""
_BRIEF_LINES = 5
_ANSWER = 1_000_000
"""The number of an answer's first block; those of the request come before it."""


class _Turn:
    """How much of a turn was sent."""

    def __init__(self) -> None:
        self.has_request = False
        self.answer_bytes = -1
        self.characters: dict[int, int] = {}
        """By the number of the answer's part."""


class Follower:
    """Knows what was told of a conversation. With `masks` a request is told of once its answer has begun: before that
    no policy has looked at it, so all of it is masked."""

    def __init__(self, *, masks: bool = False) -> None:
        self._masks = masks
        self._open: dict[str, _Turn] = {}
        self._known: deque[Fingerprints] = deque(maxlen=_REMEMBERED)

    @property
    def open_turns(self) -> tuple[str, ...]:
        """The ids of transactions of whose end nothing was told yet."""
        return tuple(self._open)

    def remember(self, recording: Recording) -> None:
        """Take a recording for known, without telling of it."""
        self._known.append(fingerprints(read_request(recording.entry.api, recording.request)))

    def under_way(self, one: TransactionUnderWay) -> list[SpeechEvent]:
        id = one.transaction_id
        turn, events = self._turn(id, one.started_at, one.model, one.agent)
        if not turn.has_request and one.request.data and (one.answer or not self._masks):
            events += self._request(turn, id, read_request(one.api, one.request))
        size = sum(len(piece.data) for piece in one.answer)
        if size > turn.answer_bytes:
            turn.answer_bytes = size
            events += _answer(turn, id, read_answer(one.answer), is_whole=False)
        return events

    def recorded(self, recording: Recording) -> list[SpeechEvent]:
        """The turn to its end."""
        entry = recording.entry
        id = entry.transaction_id
        turn, events = self._turn(id, entry.started_at, entry.model, entry.agent)
        if not turn.has_request:
            events += self._request(turn, id, read_request(entry.api, recording.request))
        events += _answer(turn, id, read_answer(recording.answer), is_whole=True)
        self._open.pop(id)
        return [*events, _end(recording)]

    def lost(self, id: str) -> list[SpeechEvent]:
        """Nothing was recorded of a turn that was under way."""
        return [TurnLost(turn=id)] if self._open.pop(id, None) is not None else []

    def _turn(self, id: str, at: float, model: str, agent: str | None) -> tuple[_Turn, list[SpeechEvent]]:
        if id in self._open:
            return self._open[id], []
        turn = self._open[id] = _Turn()
        return turn, [TurnBegan(turn=id, at=at, model=model, agent=agent)]

    def _request(self, turn: _Turn, id: str, request: ReadRequest) -> list[SpeechEvent]:
        turn.has_request = True
        prints = fingerprints(request)
        before = predecessor(self._known, prints)
        messages = _new_messages(request, prints, None if before is None else self._known[before])
        self._known.append(prints)
        speech = [_note(text) for text in _preamble(request, len(messages))] if before is None else []
        names = {part.id: part.name for one in request.messages for part in one.parts if isinstance(part, ToolCallPart)}
        speech += [_speech(message.role, part, names) for message in messages for part in message.parts]
        if request.note is not None:
            speech.append(_note(request.note))
        return [replace(one, turn=id, block=at) for at, one in enumerate(speech) if one.text]


def _new_messages(request: ReadRequest, prints: Fingerprints, before: Fingerprints | None) -> tuple[InputMessage, ...]:
    """What nobody has been told of. Answers are left out: they were told of in their own turns."""
    messages = request.messages
    if before is None:
        return messages[request.first_turn :][-_OPENING:]
    steps = changes(before, prints).steps
    new = [messages[at] for step in steps if step.kind in ("added", "changed") for at in range(*step.now)]
    return tuple([message for message in new if message.role != "assistant"])


def _preamble(request: ReadRequest, count: int) -> Iterator[str]:
    """What stands before the messages that are told of."""
    system = sum(len(_text(part)) for message in request.system for part in message.parts)
    if system or request.tools:
        yield f"a system prompt of {counted(system, 'character')}, and {counted(len(request.tools), 'tool')}"
    if before := len(request.messages) - request.first_turn - count:
        yield f"{counted(before, 'message')} before these"


def _note(text: str) -> Speech:
    return Speech(turn="", block=0, role="note", kind="note", text=text)


def _speech(role: str, part: Part, names: Mapping[str, str]) -> Speech:
    text = _text(part)
    match part:
        case ToolCallPart():
            return Speech(turn="", block=0, role=role, kind="call", text=_arguments(text), name=part.name)
        case ToolResultPart():
            name = names.get(part.tool_call_id, "")
            return Speech(turn="", block=0, role="tool", kind="result", text=_first_lines(text), name=name)
        case ThinkingPart():
            kind: SpeechKind = "thinking"
        case RefusalPart():
            kind = "refusal"
        case TextPart() if role not in ("system", "developer") and not is_reminder(text):
            kind = "text"
        case _:
            return replace(_note(_first_lines(text)), role=role)
    return Speech(turn="", block=0, role=role, kind=kind, text=_brief(text, _TEXT_LIMIT))


def _text(part: Part) -> str:
    match part:
        case TextPart():
            return part.text
        case ThinkingPart():
            return part.thinking
        case RefusalPart():
            return part.refusal
        case ToolCallPart():
            return part.arguments
        case ToolResultPart():
            return "\n".join(map(_text, part.content))
        case RedactedThinkingPart():
            return "(thinking that only its provider can read)"
        case ImagePart():
            return "(an image)"
        case DocumentPart():
            return f"(a document{f', {part.title}' if part.title else ''})"
        case OpaquePart():
            return f"({part.raw.get('type', 'something')} of the provider)"


def _brief(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit].rstrip()} … and {len(text) - limit:,} more characters"


def _first_lines(text: str) -> str:
    lines = text.strip("\n").split("\n", _BRIEF_LINES)
    if len(lines) <= _BRIEF_LINES:
        return _brief(text.strip("\n"), _BRIEF_LIMIT)
    rest = lines.pop().count("\n") + 1
    first = _brief("\n".join(lines), _BRIEF_LIMIT)
    return f"{first}\n… and {rest:,} more line{'s' if rest > 1 else ''}"


def _arguments(arguments: str) -> str:
    """The arguments of a call on one line."""
    try:
        value = json.loads(arguments)
    except ValueError:
        return _brief(arguments, _BRIEF_LIMIT)
    if not isinstance(value, dict):
        return _brief(arguments, _BRIEF_LIMIT)
    return _brief(
        ", ".join(f"{name}={json.dumps(one, ensure_ascii=False)}" for name, one in value.items()), _BRIEF_LIMIT
    )


def _answer(turn: _Turn, id: str, answer: ReadAnswer, *, is_whole: bool) -> list[Speech]:
    """What has come of an answer since it was read last. A call is told of once its arguments are whole."""
    parts = answer.choices[0].parts if answer.choices else ()
    found: list[Speech] = []
    for at, part in enumerate(parts):
        is_over = is_whole or answer.is_complete or at < len(parts) - 1
        if not isinstance(part, TextPart | ThinkingPart | RefusalPart) and not is_over:
            continue
        speech = _speech("assistant", part, {})
        text = _text(part) if speech.kind in ("text", "thinking", "refusal") else speech.text
        sent = turn.characters.get(at, 0)
        if len(text) > sent:
            turn.characters[at] = len(text)
            found.append(replace(speech, turn=id, block=_ANSWER + at, text=text[sent:]))
    if is_whole and not parts and (text := answer.error or answer.plain or ""):
        found.append(replace(_note(_brief(text, _BRIEF_LIMIT)), turn=id, block=_ANSWER))
    return found


def _end(recording: Recording) -> TurnEnded:
    entry = recording.entry
    tokens = entry.tokens or TokenCounts()
    is_fault = entry.outcome != "ok"
    return TurnEnded(
        turn=entry.transaction_id,
        outcome=entry.outcome,
        duration_s=entry.duration_s,
        ttft_s=entry.ttft_s,
        input_tokens=tokens.input + tokens.cache_read + tokens.cache_write,
        cached_tokens=tokens.cache_read,
        output_tokens=tokens.output + tokens.reasoning,
        cost_usd=entry.cost_usd,
        detail=(recording.detail or entry.error_type or "") if is_fault else "",
    )
