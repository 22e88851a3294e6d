"""A recorded answer as it reads: thinking, text, calls and refusals in their order, why it stopped, what it cost. Pure.

Which API an answer is written in is seen from itself, so that it does not matter whose it is, the provider's or the
gateway's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from app.backends.direct.codec import StreamDecoder
from app.backends.error_reports import is_error, report_in, report_of
from app.dialects import DIALECTS
from app.dialects.anthropic_messages import response_decoding as anthropic
from app.dialects.errors import ProviderFailed
from app.dialects.openai_chat import response_decoding as chat
from app.dialects.openai_completions import response_decoding as completions
from app.dialects.openai_embeddings import decode_response as decode_embeddings
from app.dialects.openai_responses import response_decoding as responses
from app.errors import GatewayError
from app.messages import (
    Choice,
    Dialect,
    Message,
    ModelResponse,
    OpaquePart,
    Part,
    RedactedThinkingPart,
    RefusalPart,
    TextPart,
    ThinkingBlock,
    ThinkingPart,
    ToolCall,
    ToolCallPart,
    Usage,
)
from app.recorder.recording import Piece
from app.transcripts.server_events import ServerEvent, is_event_stream, joined_bytes, json_in, server_events

_STREAMS: Mapping[Dialect, Callable[[], StreamDecoder]] = {
    "openai_chat": chat.ResponseDecoder,
    "anthropic_messages": anthropic.ResponseDecoder,
    "openai_responses": responses.ResponseDecoder,
    "openai_completions": completions.ResponseDecoder,
}
_BODIES: Mapping[Dialect, Callable[[dict[str, Any]], ModelResponse]] = {
    "openai_chat": chat.decode_response,
    "anthropic_messages": anthropic.decode_response,
    "openai_responses": responses.decode_response,
    "openai_completions": completions.decode_response,
    "openai_embeddings": decode_embeddings,
}
_ODD = (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError)
"""Errors that a decoder raises for an event or a body of an unknown form."""
_DONE = b"[DONE]"
_ANTHROPIC = frozenset(
    {"message", "message_start", "message_delta", "message_stop", "content_block_start", "content_block_delta", "ping"}
)


class ReadChoice(Struct, frozen=True):
    """One answer of perhaps several. `reason` is why it ended, in the provider's word."""

    parts: tuple[Part, ...] = ()
    reason: str | None = None
    stop_sequence: str | None = None
    annotations: tuple[dict[str, Any], ...] = ()

    @property
    def text(self) -> str:
        return "".join([part.text for part in self.parts if isinstance(part, TextPart)])


class ReadAnswer(Struct, frozen=True, kw_only=True):
    """An answer as it reads. `note` says why it could not be read, or not to its end."""

    api: Dialect | None = None
    id: str = ""
    model: str = ""
    choices: tuple[ReadChoice, ...] = ()
    usage: Usage | None = None
    error: str | None = None
    """What an error in it says."""
    note: str | None = None
    events: int = 0
    """How many events of a stream it is, comments not counted; 0 for a whole body."""
    is_complete: bool = False
    """Whether its own end was in it."""
    plain: str = ""
    """The body as text, where it is no answer of a known form."""

    @property
    def text(self) -> str:
        return "\n".join([choice.text for choice in self.choices])


def dialect_of_answer(value: Mapping[str, Any]) -> Dialect | None:
    """The API of an event or of a body, by what it says of itself; None where that is nothing known."""
    kind, form = value.get("type"), value.get("object")
    if kind in _ANTHROPIC:
        return "anthropic_messages"
    if form == "response" or (isinstance(kind, str) and kind.startswith("response.")):
        return "openai_responses"
    if form == "text_completion":
        return "openai_completions"
    if form == "list" and "data" in value:
        return "openai_embeddings"
    return "openai_chat" if "choices" in value else None


def read_answer(pieces: Sequence[Piece]) -> ReadAnswer:
    """Read an answer of any API, streamed or whole, an error included."""
    if not any(piece.data for piece in pieces):
        return ReadAnswer(note="Nothing was sent.")
    start = next(piece.data for piece in pieces if piece.data)
    return _stream(server_events(pieces)) if is_event_stream(start) else _whole(joined_bytes(pieces))


def _whole(body: bytes) -> ReadAnswer:
    value = json_in(body)
    if not isinstance(value, dict):
        return ReadAnswer(plain=body.decode("utf-8", "replace"), note="The body is not a JSON object.")
    if is_error(value):
        return ReadAnswer(error=_words(value, body), is_complete=True)
    if (api := dialect_of_answer(value)) is None:
        return ReadAnswer(plain=body.decode("utf-8", "replace"), note=None, is_complete=True)
    try:
        response = _BODIES[api](value)
    except ProviderFailed as failure:
        return ReadAnswer(api=api, error=_words(failure.error), plain=body.decode("utf-8", "replace"))
    except (GatewayError, *_ODD) as error:
        return ReadAnswer(api=api, plain=body.decode("utf-8", "replace"), note=_unread("The body", error))
    growing = _Growing()
    growing.add(response)
    return _in_order(replace(growing.answer(api), is_complete=True), value)


def _in_order(answer: ReadAnswer, body: Mapping[str, Any]) -> ReadAnswer:
    """The answer with its parts in the order of its blocks or items: read as what they will be in the request that
    follows."""
    request: dict[str, Any]
    match answer.api:
        case "anthropic_messages":
            message = {"role": "assistant", "content": body.get("content")}
            request = {"model": "any", "max_tokens": 1, "messages": [message]}
        case "openai_responses":
            request = {"model": "any", "input": body.get("output")}
        case _:
            return answer
    try:
        messages = DIALECTS[answer.api].decode_request(request, {}).messages
    except (GatewayError, *_ODD):
        return answer
    parts = tuple([part for message in messages for part in message.parts])
    return replace(answer, choices=(replace(answer.choices[0], parts=parts),)) if parts else answer


def _stream(events: Sequence[ServerEvent]) -> ReadAnswer:
    reading = _StreamReading()
    for event in events:
        reading.feed(event)
    return reading.answer()


class _StreamReading:
    """Reads one stream, event by event, and goes on after what it cannot read."""

    def __init__(self) -> None:
        self._growing = _Growing()
        self._decoder: StreamDecoder | None = None
        self._api: Dialect | None = None
        self._events = 0
        self._unknown: list[bytes] = []
        """Events of no API that is known here."""
        self._is_done = False
        self._error: str | None = None
        self._note: str | None = None

    def feed(self, event: ServerEvent) -> None:
        if event.is_comment:
            return
        self._events += 1
        if self._decoder is not None and (piece := self._decoder.quick(event.name.encode(), (event.data,))) is not None:
            self._growing.add(piece.chunk)
        elif event.data.startswith(_DONE):
            self._is_done = True
        elif (value := event.value) is None:
            self._note = f"The event at {event.at:.3f} s carries no JSON object."
        elif event.name == "error" or is_error(value):
            self._error = _words(value, event.data)
        elif (decoder := self._decoder_for(value)) is None:
            self._unknown.append(event.raw)
        else:
            self._take(decoder, event, value)

    def answer(self) -> ReadAnswer:
        is_known = self._decoder is not None or self._error is not None
        return replace(
            self._growing.answer(self._api),
            error=self._error,
            note=self._note or (None if is_known else "The stream is of no API that is known here."),
            events=self._events,
            is_complete=self._is_done or (self._decoder is not None and self._decoder.ended),
            plain="" if is_known else b"".join(self._unknown).decode("utf-8", "replace"),
        )

    def _decoder_for(self, value: dict[str, Any]) -> StreamDecoder | None:
        if self._decoder is None and (api := dialect_of_answer(value)) is not None and api in _STREAMS:
            self._api, self._decoder = api, _STREAMS[api]()
        return self._decoder

    def _take(self, decoder: StreamDecoder, event: ServerEvent, value: dict[str, Any]) -> None:
        try:
            decoder.mend(value)
            self._growing.add(decoder.chunk(value))
        except ProviderFailed as failure:
            self._error = _words(failure.error)
        except (GatewayError, *_ODD) as error:
            self._note = _unread(f"The event at {event.at:.3f} s", error)


def _unread(what: str, error: Exception) -> str:
    return f"{what} could not be read ({type(error).__name__})."


def _words(error: Mapping[str, Any], raw: bytes = b"") -> str:
    message = report_of(error).message or (report_in(raw).message if raw else "")
    return message or "an error that says nothing"


@dataclass(slots=True)
class _Part:
    """A part as it grows: what kind it is, and the pieces of its text. `call` is the first piece of a call."""

    kind: str
    pieces: list[str] = field(default_factory=list)
    call: ToolCall | None = None
    signature: str | None = None
    data: Any = None

    def part(self, api: Dialect | None) -> Part:
        text = "".join(self.pieces)
        match self.kind:
            case "thinking":
                return ThinkingPart(text, self.signature)
            case "refusal":
                return RefusalPart(text)
            case "redacted":
                return RedactedThinkingPart(str(self.data or ""))
            case "opaque":
                return OpaquePart(api or "openai_chat", self.data)
            case "call" if self.call is not None:
                extra = {"type": "custom"} if self.call.type == "custom" else {}
                return ToolCallPart(self.call.id or "", self.call.function.name or "", text, extra)
            case _:
                return TextPart(text)


@dataclass(slots=True)
class _GrowingChoice:
    parts: list[_Part] = field(default_factory=list)
    calls: dict[int, _Part] = field(default_factory=dict)
    reason: str | None = None
    stop_sequence: str | None = None
    annotations: list[dict[str, Any]] = field(default_factory=list)
    is_closed: bool = True
    """Whether the last part is complete, so that what follows is one of its own."""

    def add(self, choice: Choice) -> None:
        self.reason = choice.finish_reason or self.reason
        self.stop_sequence = choice.stop_sequence or self.stop_sequence
        if (message := choice.delta or choice.message) is None:
            return
        for kind, text in (
            ("thinking", message.reasoning_content),
            ("text", message.content),
            ("refusal", message.refusal),
        ):
            if text:
                self._current(kind).pieces.append(text)
        for block in message.thinking_blocks:
            self._block(block)
        for call in message.tool_calls:
            self._call(call)
        self._rest(message)

    def _rest(self, message: Message) -> None:
        self.annotations += message.annotations
        for one in message.extra.get("server_tools") or ():
            if isinstance(one, dict):
                self._new("opaque").data = {name: value for name, value in one.items() if name != "index"}

    def _current(self, kind: str) -> _Part:
        if not self.is_closed and self.parts and self.parts[-1].kind == kind:
            return self.parts[-1]
        return self._new(kind)

    def _new(self, kind: str) -> _Part:
        self.parts.append(_Part(kind))
        self.is_closed = False
        return self.parts[-1]

    def _block(self, block: ThinkingBlock) -> None:
        if block.data is not None:
            self._new("redacted").data = block.data
        elif block.signature:
            last = next((part for part in reversed(self.parts) if part.kind == "thinking"), None)
            part = self._new("thinking") if last is None or last.signature else last
            part.signature = block.signature

    def _call(self, piece: ToolCall) -> None:
        part = self.calls.get(piece.index)
        if part is None:
            part = self.calls[piece.index] = self._new("call")
            part.call = piece
        elif part.call is not None and not part.call.function.name and piece.function.name:
            part.call = replace(piece, id=part.call.id or piece.id)
        part.pieces.append(piece.function.arguments)


class _Growing:
    """An answer as it grows, chunk by chunk."""

    def __init__(self) -> None:
        self._id = ""
        self._model = ""
        self._usage: Usage | None = None
        self._choices: dict[int, _GrowingChoice] = {}

    def add(self, chunk: ModelResponse) -> None:
        self._id = self._id or chunk.id
        self._model = self._model or chunk.model
        self._usage = chunk.usage or self._usage
        for choice in chunk.choices:
            self._choices.setdefault(choice.index, _GrowingChoice()).add(choice)
        if chunk.ends is not None and 0 in self._choices:
            self._choices[0].is_closed = True

    def answer(self, api: Dialect | None) -> ReadAnswer:
        choices = [
            ReadChoice(
                tuple([part.part(api) for part in choice.parts]),
                choice.reason,
                choice.stop_sequence,
                tuple(choice.annotations),
            )
            for _, choice in sorted(self._choices.items())
        ]
        return ReadAnswer(api=api, id=self._id, model=self._model, usage=self._usage, choices=tuple(choices))
