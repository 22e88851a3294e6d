"""One stream in a client's dialect: the provider's own bytes as long as that is possible, events of ours afterwards.

Theory of operation. The provider's events are numbered from 0, and each comes as a chunk beside its bytes (`Received`).
The formatter of a stream is in one of three modes:

FOLLOWING  The next event is the one that is expected, of the client's own dialect, with its bytes: they are the body.
           The encoder only takes note of what went out (`follow`). Which events wait is the dialect's to say (`step`):
           the end of an answer is held back, so that what a policy says last comes before it; so is the announcement
           of something that may never come. Whatever is held goes out, as it came, before the next event that is sent.
ENCODING   From the first event that is missing, changed, put in or of another dialect on, for good, and from one that
           no client could make sense of without events that its provider left out. The encoder takes
           over (`take_over`) and makes every event, the held ones first, under numbers of its own: a provider's event
           that nobody touched keeps all else that it says (`encode_event`), any other chunk is written from the common
           form (`encode`). The encoder holds back the end of the answer by itself.
           A run of events that adds to what is open is one step in both: its bytes, or as many events as it has. Any
           other is cut into ever smaller portions until it does or is a single event.
ENDED      After `finish` or `fail`, from either mode. Nothing comes out any more.

    FOLLOWING --(gap, edit, insertion, other dialect, events left out)--> ENCODING
    FOLLOWING, ENCODING --(finish, fail)--> ENDED

`finish` in FOLLOWING sends what is held as it came if the provider's own end is there (`is_complete`); else, and in
ENCODING, the encoder makes the end. `fail` is the same in every dialect and mode: what is held is handed to the
encoder, which sends what there is in it of the answer and keeps back what would end it, and the error comes last. So no
piece of the answer is lost to an error, and no stream that failed looks like one that ended well.
"""

from collections.abc import Sequence
from enum import Enum, auto
from typing import Any, Literal, Protocol

from app.dialects.blank_lines import LONGEST_BLANK_LINE, missing_blank_line
from app.errors import GatewayError
from app.messages import Dialect, ModelResponse, Native, Received

Event = dict[str, Any]
"""A provider's event as JSON."""
Held = tuple[ModelResponse, Native]


class Mode(Enum):
    FOLLOWING = auto()
    ENCODING = auto()
    ENDED = auto()


_FOLLOWING, _ENCODING, _ENDED = Mode
"""As names of the module they are found in a tenth of the time, several times for each chunk."""

Step = Literal["send", "hold", "hold_alone", "drop", "encode"]
"""What becomes of an event that follows the one before: it goes out, after what is held; it waits, with what is held or
after that has gone out; it is left out; or it and all that follows is encoded."""


class StreamEncoder(Protocol):
    """What only a dialect can say about one stream; pure. `native` is always of this dialect."""

    dialect: Dialect

    def follow_piece(self, received: Received) -> bool:
        """Take note of a frequent event, or of a run of them, that adds a piece to what is open and goes out as it
        came. False, with nothing noted, if it may be anything else."""

    def step(self, chunk: ModelResponse, native: Native, holding: bool) -> Step:
        """Decide on any other event in FOLLOWING; `holding` says whether others wait."""

    def follow(self, chunk: ModelResponse, native: Native) -> None:
        """Take note of an event that went out as it came."""

    def is_complete(self, held: Sequence[Held]) -> bool:
        """Whether what followed and what is held are a whole stream, with its end."""

    def take_over(self) -> None:
        """Be ready to go on after what followed."""

    def gap(self) -> None:
        """Take note that the provider's event before the next one is missing."""

    def encode(self, chunk: ModelResponse) -> bytes:
        """Events for a chunk that has no bytes of this dialect."""

    def encode_texts(self, chunk: ModelResponse, texts: Sequence[str]) -> bytes | None:
        """An event for each of the pieces of the chunk's text, as `encode` makes them of each alone. None, with nothing
        noted, where they are not simply added to what is open."""

    def encode_event(self, chunk: ModelResponse, event: Event) -> bytes:
        """Events for one of a provider's own that nobody changed."""

    def finish(self) -> bytes:
        """The end of a stream that is encoded."""

    def fail(self, error: GatewayError) -> bytes:
        """The events of an error."""


class StreamFormatter:
    """Turns the chunks of one stream into a client's SSE; pure. Each call returns bytes to send, possibly none, in a
    legal order."""

    __slots__ = ("_dialect", "_encode_chunk", "_encoder", "_expected", "_follow_piece", "_held", "_sent", "mode")

    def __init__(self, encoder: StreamEncoder) -> None:
        self.mode = Mode.FOLLOWING
        self._encoder = encoder
        self._follow_piece = encoder.follow_piece
        self._encode_chunk = encoder.encode
        self._dialect = encoder.dialect
        self._expected = 0
        """The position of the provider's event that would come without a gap."""
        self._held: list[Held] = []
        self._sent = b""
        """The end of the event that went out last, in FOLLOWING."""

    @property
    def has_ended(self) -> bool:
        return self.mode is _ENDED

    def format(self, received: Received) -> bytes:
        chunk, native = received.chunk, received.native
        if native is None or native.dialect != self._dialect:
            if self.mode is _ENCODING:
                return self._encode_chunk(chunk) if received.count == 1 else self._encode_run(received)
            native = None
        elif native.sequence == self._expected and self.mode is _FOLLOWING:
            if not self._held and self._follow_piece(received):
                self._expected += received.count
                self._sent = native.raw[-LONGEST_BLANK_LINE:]
                return native.raw
            if received.count == 1:
                self._expected += 1
                return self._follow(chunk, native)
        if self.mode is _ENDED:
            return b""
        if received.count > 1:
            return self._in_portions(received)
        return self._take_over() + self._encode(chunk, native)

    def finish(self) -> bytes:
        """Return a clean end, whatever came before: the provider's own if it came through whole."""
        if self.mode is _ENDED:
            return b""
        if self.mode is _FOLLOWING and self._encoder.is_complete(self._held):
            out = b"".join([native.raw for _, native in self._held])
        else:
            out = self._take_over() + self._encoder.finish()
        self._end()
        return out

    def fail(self, error: GatewayError) -> bytes:
        """Return an error as the stream's end."""
        if self.mode is _ENDED:
            return b""
        out = self._take_over() + self._encoder.fail(error)
        self._end()
        return out

    def keepalive(self) -> bytes:
        """Return a comment that no client takes for an event; nothing once the stream has ended."""
        return b"" if self.mode is _ENDED else missing_blank_line(self._sent) + b": keepalive\n\n"

    def _follow(self, chunk: ModelResponse, native: Native) -> bytes:
        step = self._encoder.step(chunk, native, bool(self._held))
        if step == "drop":
            return b""
        if step == "encode":
            # One back: the event is no gap.
            self._expected = native.sequence
            return self._take_over() + self._encode(chunk, native)
        if step == "hold":
            self._held.append((chunk, native))
            return b""
        out = b""
        for one, its_native in self._held:
            self._encoder.follow(one, its_native)
            out += its_native.raw
        self._held = []
        if step == "send":
            self._encoder.follow(chunk, native)
            out += native.raw
        else:
            self._held.append((chunk, native))
        self._sent = out[-LONGEST_BLANK_LINE:] or self._sent
        return out

    def _take_over(self) -> bytes:
        """Leave FOLLOWING for ENCODING: the events that were held."""
        if self.mode is not _FOLLOWING:
            return b""
        self.mode = Mode.ENCODING
        self._encoder.take_over()
        held, self._held = self._held, []
        if held:
            self._expected = held[0][1].sequence
        separator, self._sent = missing_blank_line(self._sent), b""
        return separator + b"".join([self._encode(chunk, native) for chunk, native in held])

    def _encode(self, chunk: ModelResponse, native: Native | None) -> bytes:
        if native is None:
            return self._encode_chunk(chunk)
        if native.sequence != self._expected:
            self._encoder.gap()
        self._expected = native.sequence + 1
        event = native.event
        return b"" if event is None else self._encoder.encode_event(chunk, event)

    def _encode_run(self, received: Received) -> bytes:
        """Events for a run of another dialect, as many as it stands for."""
        events = self._encoder.encode_texts(received.chunk, received.texts)
        return self._in_portions(received) if events is None else events

    def _in_portions(self, received: Received) -> bytes:
        """What is not simply added to what is open: its first event may open what the others are added to."""
        return b"".join(map(self.format, received.portions()))

    def _end(self) -> None:
        self.mode = Mode.ENDED
        self._held = []
