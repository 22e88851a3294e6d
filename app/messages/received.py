"""What came of a response: the common form, beside the provider's own bytes that say the same.

Theory of operation. A fast provider sends many events of one form at once: pieces of one text, which nobody between it
and its client looks into one by one. Those that come in one read, in a row, are one `Received`, a run: `chunk` says all
that they add, `native.raw` holds the bytes of them all, and `count` says how many they are. One event is a run of one,
so there is no other way for it. Whoever counts, measures or joins (the attempt's tokens, queues, gauges, the recorder,
captured content) takes a run as it is. Who needs each event by itself (a policy, a formatter that cannot send the
bytes as they came) takes it `apart`, which gives what the decoder would have given for each event alone.

What may stand in a run is the decoder's to say, which has looked at each event (`dialects/fast_path.py`): each adds
some text, all of them to the same text of the same choice, and nothing else in them differs.
"""

from collections.abc import Sequence
from itertools import pairwise
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from app.messages.requests import Dialect
from app.messages.responses import Choice, Function, Message, ModelResponse, part_of, text_size

_decode = msgspec.json.Decoder().decode
_END = b"\n\n"
_FIELD = len(b"\ndata: ")
_GROWTH = 8
"""How many times as many events as the one before a portion of a run has: of the usual run there are three or four."""


class Native(Struct, frozen=True, gc=False):
    """What the provider itself sent: an event of a stream, a run of events, or a whole body."""

    dialect: Dialect
    raw: bytes
    """A whole body; or, of a stream, every byte since the event before, framing and comments included."""
    sequence: int = 0
    """The event's position in its stream, counted from 0: a gap shows that something between was dropped or changed. Of
    a run it is the first one's."""
    data: bytes = b""
    """The JSON object that it carries; empty where there is none (`[DONE]`, comments), and for a run of several."""
    kind: str = ""
    """The object's `type`, where it has one."""
    is_plain: bool = False
    """The event holds no text but what the common form has of it."""
    position: tuple[int, int] | None = None
    """The provider's numbers of the item and of the part that a piece of text belongs to, in a stream of items."""

    @property
    def event(self) -> dict[str, Any] | None:
        """`data`, decoded anew by each call: few events are looked into once more."""
        event: dict[str, Any] | None = _decode(self.data) if self.data else None
        return event


class Received(Struct, frozen=True, gc=False):
    """A chunk, a run of chunks, or a whole response, beside the provider's bytes that say the same.

    The bytes belong to this very object: a policy is given the chunk alone, and what it sends on finds them only by
    being the same object. A changed copy cannot carry them.
    """

    chunk: ModelResponse
    native: Native | None = None
    limit_headers: dict[str, str] | None = None
    """What the provider's headers say of its rate limits, with a whole response or the first chunk of a stream; None
    where clients do not get them."""
    texts: tuple[str, ...] = ()
    """What each event of a run of several adds to the chunk's only text. Empty for anything else."""
    count: int = 1
    """The number of the provider's events."""

    def apart(self) -> "Batch":
        """Each event by itself, as if it had come alone."""
        return (self,) if self.count == 1 else self._cut(range(self.count))

    def portions(self) -> "Batch":
        """A run of several as a few shorter ones: its first event alone, which may change what becomes of the others,
        and then ever more at once."""
        starts, size = [0], 1
        while (start := starts[-1] + size) < self.count:
            starts.append(start)
            size *= _GROWTH
        return self._cut(starts)

    def _cut(self, starts: Sequence[int]) -> "list[Received]":
        """The events from each of these places on, up to the next."""
        native = self.native
        if native is None:
            return [self]
        events = native.raw.split(_END)
        parts: list[Received] = []
        for start, end in pairwise((*starts, self.count)):
            texts = self.texts[start:end]
            raw = events[start] if end == start + 1 else _END.join(events[start:end])
            data = raw[raw.rfind(b"\n") + _FIELD :] if end == start + 1 else b""
            position = native.position
            part = Native(
                native.dialect, raw + _END, native.sequence + start, data, native.kind, native.is_plain, position
            )
            chunk = _with_text(self.chunk, "".join(texts))
            parts.append(
                Received(
                    chunk, part, None if start else self.limit_headers, texts if len(texts) > 1 else (), end - start
                )
            )
        return parts

    def holding(self, chunk: ModelResponse) -> "Received":
        """`chunk`, with the provider's bytes if it is the very chunk that came with them."""
        return self if chunk is self.chunk else Received(chunk, None, self.limit_headers)

    def with_limits(self, headers: dict[str, str] | None) -> "Received":
        """This chunk or response, beside what the provider's headers say of its rate limits."""
        return replace(self, limit_headers=headers) if headers else self


Batch = Sequence[Received]
"""The chunks of a stream that came at once, at least one, in their order."""


count_of = attrgetter("count")
"""How many of the provider's events a `Received` stands for. As a function in C it costs next to nothing for each."""


def received_size(received: Received) -> int:
    """About how many bytes a chunk and what the provider sent of it hold."""
    native = received.native
    return text_size(received.chunk) if native is None else 256 * received.count + 2 * len(native.raw)


def _with_text(run: ModelResponse, text: str) -> ModelResponse:
    """The chunk of one event of a run, which adds `text`."""
    (choice,) = run.choices
    message = choice.delta or Message()
    if message.content is not None:
        piece = Message(message.role, text)
    elif message.reasoning_content is not None:
        piece = Message(message.role, reasoning_content=text)
    else:
        (call,) = message.tool_calls
        piece = Message(message.role, tool_calls=(replace(call, function=Function(arguments=text)),))
    return part_of(run, (Choice(choice.index, piece),))
