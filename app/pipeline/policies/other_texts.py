"""The texts of a response that are no content, thinking or arguments: refusals, transcripts, citations, names, what the
provider's built-in tools did, and the values of fields that nobody knows.

A chunk and the provider's event behind it hold the same texts; both are read, and both are changed. A text that comes
in pieces (`Pieces`) is kept back until all of it is there: a piece alone shows nothing.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from app.bodies import SMALL, Bodies
from app.bodies.json_decoding import decode_again
from app.bodies.json_encoding import encode
from app.errors import PolicyBlocked
from app.messages import Choice, Dialect, ModelResponse, Native, Received, ThinkingBlock, received_size
from app.pipeline.policies.logprobs import without_others
from app.pipeline.policies.text_pieces import Pieces, piece_of
from app.text_fields import Dropped, Opaque, TextMap, is_symbol
from app.time_slices import SLICE, TimeSlices, cost_of

Change = Callable[[str], Awaitable[str]]
Event = dict[str, Any]

_EVENT_NAME = re.compile(rb"^event: ?([^\r\n]*)", re.MULTILINE)
_LINES = 10
"""Bytes of an event beside its data and its name: `data: ` and two line breaks."""
_NAME_LINE = 9
_REMEMBERED = 256
"""Texts of which is known what becomes of them: a provider repeats some several times."""


class OtherTexts:
    """Shows one policy the other texts of one stream. `feed` takes a chunk that is not plain and gives what goes on of
    it, `finish` gives what was still kept back. `change` calls the policy; what it raises is raised here, too.

    What is large is looked into beside the event loop; between the calls of `change` others have their turns.
    """

    __slots__ = (
        "_bodies",
        "_change",
        "_dialect",
        "_heads",
        "_known",
        "_opaque",
        "_pieces",
        "_slices",
        "skipped",
    )

    def __init__(
        self, change: Change, dialect: Dialect, opaque: Opaque | None, bodies: Bodies, slices: TimeSlices
    ) -> None:
        self.skipped: dict[str, int] = {}
        """Counts of data that nobody could read, by kind, since they were last taken."""
        self._change = change
        self._dialect = dialect
        self._opaque = opaque
        self._bodies = bodies
        self._slices = slices
        self._known: dict[str, str] = {}
        self._pieces = Pieces()
        self._heads: set[tuple[str | None, ...]] = set()

    def is_plain(self, received: Received) -> bool:
        """Whether it holds nothing but what other hooks are called for."""
        chunk, native = received.chunk, received.native
        if native is None:
            plain = not chunk.extra and all(map(_is_plain_choice, chunk.choices))
        else:
            plain = native.is_plain and (len(native.raw) - len(native.data) <= _LINES or _is_bare(native))
        if not plain:
            return False
        role = chunk.choices[0].delta.role if chunk.choices and chunk.choices[0].delta is not None else None
        head = (chunk.id, chunk.model, chunk.system_fingerprint, chunk.service_tier, role)
        return head in self._heads or self._is_plain_head(head)

    async def feed(self, received: Received) -> list[Received]:
        size = received_size(received)
        return await self.read(received, await self._bodies.work(size, self._event, received.native), size)

    async def read(self, received: Received, event: Event | None, size: int) -> list[Received]:
        """As `feed`, with the provider's event, where it is of the client's dialect, and about its size in bytes."""
        chunk = received.chunk
        out = [one for held, text in self._pieces.ended_by(chunk, event) for one in await self._release(held, text)]
        if (piece := await self._bodies.work(size, piece_of, received, event, _owned(chunk))) is not None:
            self._pieces.hold(received, piece)
            return out
        return [*out, await self._looked_at(received, event, size)]

    async def finish(self) -> list[Received]:
        return [one for held, text in self._pieces.all() for one in await self._release(held, text)]

    def take_skipped(self) -> dict[str, int]:
        taken, self.skipped = self.skipped, {}
        return taken

    def give_up(self) -> list[Received]:
        """Take everything that was kept back, as it came."""
        return [received for held, _ in self._pieces.all() for received, _ in held]

    async def _release(self, held: list[tuple[Received, str]], text: str) -> list[Received]:
        """What goes on of the pieces of a text: as they came where the policy leaves the text, else all of the changed
        text in the last of them."""
        changed = await self._known_change(text)
        if changed != text:
            instead = [*([""] * (len(held) - 1)), changed]
            held = [
                (self._applied(one.chunk, one.native, self._event(one.native), {piece: new}), new)
                for (one, piece), new in zip(held, instead, strict=True)
            ]
        return [await self._looked_at(one, self._event(one.native), received_size(one), piece) for one, piece in held]

    def _is_plain_head(self, head: tuple[str | None, ...]) -> bool:
        """Whether the fields that all chunks of a stream repeat are words and identifiers."""
        plain = all(is_symbol(word) for word in head if word)
        if plain and len(self._heads) < _REMEMBERED:
            self._heads.add(head)
        return plain

    def _event(self, native: Native | None) -> Event | None:
        """The provider's event, where it is of the client's dialect and may reach the client."""
        return event_of(native) if native is not None and native.dialect == self._dialect else None

    async def _looked_at(self, received: Received, event: Event | None, size: int, seen: str = "") -> Received:
        """What goes on of a chunk. `seen` is a text that the policy has read already."""
        native = received.native
        is_clients = native is not None and native.dialect == self._dialect
        read = await self._bodies.work(size, _read, received, event, is_clients)
        for kind, count in read.opaque.items():
            self.skipped[kind] = self.skipped.get(kind, 0) + count
        read.texts.pop(seen, None)
        changes = await self._changes(read.texts)
        drops = bool(read.opaque) and self._opaque == "drop"
        if not (changes or drops or read.is_cut):
            return received
        return await self._bodies.work(size, self._applied, read.chunk, native, read.event, changes)

    async def _changes(self, texts: Iterable[str]) -> dict[str, str]:
        """The new text for each that does not stay as it is. An event may have any number of texts: between slices
        others get a turn."""
        changes: dict[str, str] = {}
        spent = 0
        for text in texts:
            if (new := await self._known_change(text)) != text:
                changes[text] = new
            spent += cost_of(text)
            if spent >= SLICE:
                spent = 0
                await self._slices.next()
        return changes

    async def _known_change(self, text: str) -> str:
        known = self._known.get(text)
        if known is None:
            known = await self._change(text)
            if len(self._known) < _REMEMBERED:
                self._known[text] = known
        return known

    def _applied(
        self, chunk: ModelResponse, native: Native | None, event: Event | None, changes: dict[str, str]
    ) -> Received:
        """The chunk and the provider's event with the same changes in both."""
        walked = _walked(chunk, event, lambda text: changes.get(text, text), drop=self._opaque == "drop")
        if native is None or native.dialect != self._dialect or walked.event is None:
            return Received(walked.chunk)
        return Received(walked.chunk, _with_event(native, walked.event, changes))


def event_of(native: Native | None) -> Event | None:
    """The JSON object that a provider's event, or its whole body, is."""
    if native is None:
        return None
    event = native.event if len(native.data) <= SMALL else decode_again(native.data)
    return event if isinstance(event, dict) else None


def blocked(kinds: Mapping[str, int]) -> PolicyBlocked:
    """The error for data of these kinds, which a policy refuses because it cannot read it."""
    return PolicyBlocked(f"Data that no policy can read is not let through here: {', '.join(sorted(kinds))}.")


class _Read(Struct, frozen=True):
    """What is to be read of a chunk and its event, once the log probabilities of other texts are cut."""

    chunk: ModelResponse
    event: Event | None
    is_cut: bool
    texts: dict[str, None]
    opaque: dict[str, int]


def _read(received: Received, event: Event | None, is_clients: bool) -> _Read:
    """`is_clients`: its event is of the client's dialect, and may reach the client."""
    native = received.native
    chunk, kept = without_others(received, event)
    texts: dict[str, None] = {}
    opaque = _walked(chunk, kept, lambda text: texts.setdefault(text) or text, wholly=False).opaque
    if native is not None and is_clients:
        texts |= dict.fromkeys(_unread(native, kept))
    return _Read(chunk, kept, chunk is not received.chunk or kept is not event, texts, opaque)


def _is_bare(native: Native) -> bool:
    """Whether an event's bytes are its data and a name that repeats its `type`: no comment, no id, no other field."""
    besides = len(native.raw) - len(native.data)
    if besides <= _LINES:
        return True
    return besides <= _LINES + _NAME_LINE + len(native.kind) and native.raw.startswith(
        b"event: %b" % native.kind.encode()
    )


def _is_plain_choice(choice: Choice) -> bool:
    return choice.finish_reason is None and _is_plain_beside_its_end(choice)


def _is_plain_beside_its_end(choice: Choice) -> bool:
    """Whether a choice holds nothing but what other hooks are called for, and perhaps a word for why it ended."""
    delta, reason = choice.delta, choice.finish_reason
    return (
        choice.logprobs is None
        and (reason is None or (not choice.stop_sequence and is_symbol(reason)))
        and (
            delta is None
            or not (delta.refusal or delta.annotations or delta.extra or delta.tool_calls or delta.thinking_blocks)
        )
    )


def _owned(chunk: ModelResponse) -> set[str]:
    """The texts that other hooks are called for: those hooks decide on them wherever they stand."""
    texts: set[str | None] = set()
    for choice in chunk.choices:
        if (delta := choice.delta) is not None:
            texts.update((delta.content, delta.reasoning_content))
            texts.update([block.thinking for block in delta.thinking_blocks] if delta.thinking_blocks else ())
            texts.update([call.function.arguments for call in delta.tool_calls] if delta.tool_calls else ())
    return {text for text in texts if text}


class _Walked(NamedTuple):
    chunk: ModelResponse
    event: Event | None
    opaque: dict[str, int]


def _walked(
    chunk: ModelResponse, event: Event | None, change: Callable[[str], str], drop: bool = False, wholly: bool = True
) -> _Walked:
    """A chunk and its event with their other texts changed. In the event, the texts that other hooks are called for
    stay: it goes on only if those hooks let it. Not `wholly` spares a plain chunk, whose texts are its event's."""
    owned = _owned(chunk)
    form = TextMap(change, drop_opaque=drop)
    native = TextMap(lambda text: text if text in owned else change(text), drop_opaque=drop)
    if wholly or event is None or not all(map(_is_plain_beside_its_end, chunk.choices)):
        chunk = replace(
            chunk,
            choices=tuple([_choice(choice, form) for choice in chunk.choices]),
            usage=chunk.usage and replace(chunk.usage, extra=form.fields(chunk.usage.extra)),
            extra=form.fields(chunk.extra),
            **_fields(chunk, ("id", "model", "system_fingerprint", "service_tier"), form),
        )
    event = None if event is None else native.fields({"event": event}).get("event")
    return _Walked(chunk, event, native.opaque or form.opaque)


def _choice(choice: Choice, texts: TextMap) -> Choice:
    delta = choice.delta
    stopped = _fields(choice, ("finish_reason", "stop_sequence", "logprobs"), texts)
    if delta is None:
        return replace(choice, **stopped)
    calls = [
        replace(
            call,
            function=replace(call.function, **_fields(call.function, ("name",), texts)),
            **_fields(call, ("id", "thought_signature"), texts),
        )
        for call in delta.tool_calls
    ]
    changed = replace(
        delta,
        **_fields(delta, ("role", "refusal"), texts),
        thinking_blocks=tuple(_blocks(delta.thinking_blocks, texts)),
        annotations=texts.value(delta.annotations, "annotations"),
        tool_calls=tuple(calls),
        extra=texts.fields(delta.extra),
    )
    return replace(choice, delta=changed, **stopped)


def _blocks(blocks: tuple[ThinkingBlock, ...], texts: TextMap) -> Iterator[ThinkingBlock]:
    for block in blocks:
        try:
            data = texts.value(block.data, "data", "redacted_thinking")
            yield replace(block, signature=texts.value(block.signature, "signature"), data=data)
        except Dropped:
            continue


def _fields(of: Struct, names: tuple[str, ...], texts: TextMap) -> dict[str, Any]:
    return {name: _field(getattr(of, name), name, texts) for name in names}


def _field(value: Any, name: str, texts: TextMap) -> Any:
    """The value with its texts changed; an empty one where it is opaque data that is to be left out."""
    try:
        return texts.value(value, name)
    except Dropped:
        return type(value)()


def _unread(native: Native, event: Event | None) -> list[str]:
    """The texts that stand around an event's data, and data that is no event."""
    found = [native.data] if event is None and native.data else []
    if not _is_bare(native):
        found += [_EVENT_NAME.sub(rb"\1", line) for line in native.raw.splitlines() if not line.startswith(b"data:")]
    return [text.decode(errors="replace") for text in found if text]


def _with_event(native: Native, event: Event, changes: dict[str, str]) -> Native:
    data = encode(event, len(native.data))
    name = _EVENT_NAME.search(native.raw)
    known = name[1].decode(errors="replace") if name else ""
    head = b"event: %b\n" % changes.get(known, known).encode() if name else b""
    return replace(native, raw=b"%bdata: %b\n\n" % (head, data), data=data)
