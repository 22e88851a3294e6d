"""The provider's own events about items, in a stream that may have been changed. Pure.

`follow` only takes note of those that went out as they came. `take` gives each the numbers that come next, and puts
into those that repeat a text what the client has of it; an event is dropped if the client was never sent its item.

What went out of a stream as it came is kept as briefly as can be (`PassthroughLog`), as only after an edit does anybody
ask for it: pieces of one text as their text alone, of every other event the chunk with the provider's own bytes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from app.dialects.openai_responses.item_writer import ItemWriter
from app.dialects.openai_responses.items import ARGUMENTS
from app.dialects.openai_responses.numbering import PARTS
from app.dialects.openai_responses.output_state import INPUTS, TEXTS, Event, Item, Part, TextPieces
from app.dialects.passthrough import Held
from app.dialects.tool_calls import CallOrder
from app.messages import Message, ModelResponse, Native


@dataclass(slots=True)
class TextRun:
    """Neighbouring pieces of one text, joined. `position` is the provider's numbers of the item and of the part."""

    kind: str
    position: tuple[int, int]
    count: int = 0
    pieces: TextPieces = field(default_factory=TextPieces)


class PassthroughLog:
    """The events of a stream that went out as they came, in their order, pieces of one text joined."""

    def __init__(self) -> None:
        self._events: list[Held | TextRun] = []
        self._run: TextRun | None = None

    def take(self) -> list[Held | TextRun]:
        """Return the logged events and forget them."""
        events, self._events = self._events, []
        return events

    def add(self, chunk: ModelResponse, native: Native, count: int = 1) -> None:
        """`count`: the number of events that say this."""
        position = native.position or _position(native)
        if position is None:
            self._events.append((chunk, native))
            self._run = None
            return
        message = chunk.choices[0].delta if chunk.choices else None
        text = _text(message) if message is not None else ""
        run = self._run
        if run is None or run.position != position or run.kind != native.kind:
            run = self._run = TextRun(native.kind, position)
            self._events.append(run)
        run.count += count
        run.pieces.add(text)


def _position(native: Native) -> tuple[int, int] | None:
    """Output and content index of a piece of text that has no fields but the known ones."""
    event = native.event if native.kind == "response.output_text.delta" else None
    if event is None or event.get("logprobs"):
        return None
    item, part = event.get("output_index"), event.get("content_index")
    return (item, part) if isinstance(item, int) and isinstance(part, int) else None


def _text(message: Message) -> str:
    if message.content is not None:
        return message.content
    if message.reasoning_content is not None:
        return message.reasoning_content
    return message.tool_calls[0].function.arguments if message.tool_calls else ""


class NativeItems:
    """Gives each of a provider's item events the numbers and texts that fit what the client has been sent."""

    def __init__(self, writer: ItemWriter, calls: CallOrder) -> None:
        self._writer = writer
        self._calls = calls
        self._items: dict[Any, Item] = {}
        """Items by the provider's `output_index`."""

    def gap(self) -> None:
        """Note that an event of the provider is missing: no open part has its whole text from here on."""
        for item in self._items.values():
            for part in item.parts:
                part.is_whole = part.is_whole and not part.is_open

    def knows(self, native_event: Event) -> bool:
        item = self._items.get(native_event.get("output_index"))
        return item is not None and item.is_open

    def open_part(self, native_event: Event) -> bytes:
        """Begin the part of a text that comes in its `done` event alone. Empty where the part has begun already."""
        stem = str(native_event.get("type")).removesuffix(".done")
        kind = next((kind for kind, events in TEXTS.items() if events.stem == stem), None)
        item = self._items.get(native_event.get("output_index"))
        if kind is None or item is None or self._part(native_event, TEXTS[kind].index_name) is not None:
            return b""
        return self._writer.add_part(item, kind, native_index=native_event.get(TEXTS[kind].index_name))[1]

    def take(self, native_event: Event, chunk: ModelResponse) -> bytes | None:
        """Return the event with the client's numbers. None if it is about something that the client was not sent."""
        take = _TAKERS.get(str(native_event.get("type")))
        if take is not None:
            return take(self, native_event, chunk)
        if "output_index" not in native_event:
            return self._writer.event(native_event)
        item = self._items.get(native_event["output_index"])
        return None if item is None or not item.is_open else self._event(native_event, item)

    def follow_run(self, run: TextRun) -> None:
        """Note pieces of one text, or of one call's arguments, that went out as they came."""
        stem = run.kind.removesuffix(".delta")
        events = next((events for events in TEXTS.values() if events.stem == stem), None)
        part_index = {} if events is None else {events.index_name: run.position[1]}
        item = self._items.get(run.position[0])
        if item is not None and events is None:
            item.input.add(run.pieces.text)
        elif item is not None:
            self._follow_text_event(
                {"output_index": run.position[0], **part_index, "delta": run.pieces.text}, stem, "delta"
            )

    def follow(self, native_event: Event, chunk: ModelResponse) -> None:
        kind = str(native_event.get("type"))
        stem, _, step = kind.rpartition(".")
        item = self._items.get(native_event.get("output_index"))
        if kind == "response.output_item.added":
            self._begin(native_event, chunk, native_event["output_index"], adopt=True)
        elif item is None:
            return
        elif kind == "response.output_item.done":
            item.done = native_event["item"]
        elif kind == "response.output_text.annotation.added":
            if (part := self._part(native_event, "content_index")) is not None:
                part.annotations.append(native_event["annotation"])
        elif stem in PARTS:
            self._follow_part_event(native_event, step, PARTS[stem])
        elif stem in INPUTS.values():
            self._follow_input(item, native_event, step)
        else:
            self._follow_text_event(native_event, stem, step)

    def _follow_part_event(self, native_event: Event, step: str, index_name: str) -> None:
        part = self._part(native_event, index_name)
        if part is None and step == "added":
            part = self._follow_part(native_event, str(native_event["part"].get("type")), index_name)
            if part is not None:
                part.native = native_event["part"]
        if part is not None and step == "done":
            part.is_open = False

    def _follow_part(self, native_event: Event, kind: str, index_name: str) -> Part | None:
        item = self._items.get(native_event.get("output_index"))
        if item is None:
            return None
        part = Part(item, kind, native_event[index_name], {"type": kind}, native_event[index_name])
        self._writer.begin_part(part)
        return part

    def _follow_input(self, item: Item, native_event: Event, step: str) -> None:
        if step == "delta":
            item.input.add(native_event["delta"])
        elif not item.input.text:
            item.input.add(native_event.get(ARGUMENTS.get(item.kind, "")) or "")
        item.is_input_done = step == "done"

    def _follow_text_event(self, native_event: Event, stem: str, step: str) -> None:
        for kind, events in TEXTS.items():
            if events.stem != stem:
                continue
            part = self._part(native_event, events.index_name) or self._follow_part(
                native_event, kind, events.index_name
            )
            if part is None:
                return
            if step == "delta":
                part.add(native_event["delta"])
                part.logprobs += native_event.get("logprobs") or ()
            elif step == "done":
                part.is_done = True
                if not part.text:
                    part.add(native_event.get(events.whole) or "")

    def _begin(self, native_event: Event, chunk: ModelResponse, index: int, *, adopt: bool) -> Item | None:
        message = native_event["item"]
        item = Item(index, str(message["type"]), message, False)
        call = next((call for choice in chunk.choices if choice.delta for call in choice.delta.tool_calls), None)
        if call is not None:
            item.call = call.index
            if adopt:
                self._calls.adopt(call)
            else:
                piece = self._calls.add(call)
                if piece is None or piece.call is None:
                    return None
                item.call = piece.position
        if item.kind in ARGUMENTS and message.get(ARGUMENTS[item.kind]):
            item.input.add(message[ARGUMENTS[item.kind]])
        self._items[native_event["output_index"]] = item
        self._writer.begin(item)
        return item

    def _part(self, native_event: Event, index_name: str) -> Part | None:
        item = self._items.get(native_event.get("output_index"))
        return None if item is None else item.part(index_name, native_event.get(index_name))

    def take_added(self, native_event: Event, chunk: ModelResponse) -> bytes | None:
        if native_event["output_index"] in self._items:
            return None
        closed = self._writer.close_ours()
        item = self._begin(native_event, chunk, self._writer.next_index, adopt=False)
        return closed if item is None else closed + self._event(native_event, item)

    def take_part_added(self, native_event: Event, chunk: ModelResponse) -> bytes | None:
        index_name = "summary_index" if "summary_index" in native_event else "content_index"
        item = self._items.get(native_event["output_index"])
        if item is None or not item.is_open or item.part(index_name, native_event[index_name]) is not None:
            return None
        kind = str(native_event["part"].get("type"))
        part = Part(item, kind, len(item.among(kind)), native_event["part"], native_event[index_name])
        self._writer.begin_part(part)
        return self._event(native_event, item, part)

    def take_text(self, native_event: Event, chunk: ModelResponse) -> bytes | None:
        kind, index_name = _text_of(native_event)
        item, before = self._items.get(native_event["output_index"]), b""
        if item is None or not item.is_open:
            return None
        part = item.part(index_name, native_event.get(index_name))
        if part is None:
            part, before = self._writer.add_part(item, kind, native_index=native_event.get(index_name))
        if not part.takes_text:
            return None
        part.add(native_event["delta"])
        if native_event.get("logprobs"):
            part.logprobs += native_event["logprobs"]
        return before + self._event(native_event, item, part)

    def take_text_done(self, native_event: Event, chunk: ModelResponse) -> bytes | None:
        kind, index_name = _text_of(native_event)
        part = self._part(native_event, index_name)
        if part is None or not part.is_open or part.is_done:
            return None
        part.is_done = True
        whole = TEXTS[kind].whole
        changed: Event = {}
        if not part.is_whole or native_event.get(whole) != part.text:
            changed = {whole: part.text, **({"logprobs": part.logprobs} if "logprobs" in native_event else {})}
        return self._event({**native_event, **changed}, part.item, part)

    def take_part_done(self, native_event: Event, chunk: ModelResponse) -> bytes | None:
        part = self._part(native_event, "summary_index" if "summary_index" in native_event else "content_index")
        if part is None or not part.is_open:
            return None
        message = self._writer.finish_text(part)
        part.is_open = False
        return message + self._event({**native_event, "part": part.complete(native_event["part"])}, part.item, part)

    def take_annotation(self, native_event: Event, chunk: ModelResponse) -> bytes | None:
        part = self._part(native_event, "content_index")
        if part is None or not part.is_open:
            return None
        part.annotations.append(native_event["annotation"])
        return self._event({**native_event, "annotation_index": len(part.annotations) - 1}, part.item, part)

    def take_input(self, native_event: Event, chunk: ModelResponse) -> bytes | None:
        item = self._items.get(native_event["output_index"])
        if item is None or not item.takes_input:
            return None
        item.input.add(native_event["delta"])
        return self._event(native_event, item)

    def take_input_done(self, native_event: Event, chunk: ModelResponse) -> bytes | None:
        item = self._items.get(native_event["output_index"])
        if item is None or not item.takes_input:
            return None
        item.is_input_done = True
        return self._event({**native_event, ARGUMENTS.get(item.kind, "arguments"): item.input.text}, item)

    def take_item_done(self, native_event: Event, chunk: ModelResponse) -> bytes | None:
        item = self._items.get(native_event["output_index"])
        if item is None or not item.is_open:
            return None
        before = self._writer.close_parts(item)
        item.done = item.complete(native_event["item"])
        return before + self._event({**native_event, "item": item.done}, item)

    def _event(self, native_event: Event, item: Item, part: Part | None = None) -> bytes:
        renumbered = {**native_event, "output_index": item.index}
        if part is not None:
            renumbered["summary_index" if part.kind == "summary_text" else "content_index"] = part.index
        return self._writer.event(renumbered)


def _text_of(native_event: Event) -> tuple[str, str]:
    stem = str(native_event["type"]).rpartition(".")[0]
    return next((kind, events.index_name) for kind, events in TEXTS.items() if events.stem == stem)


_Taker = Callable[[NativeItems, Event, ModelResponse], bytes | None]


def _takers() -> dict[str, _Taker]:
    takers: dict[str, _Taker] = {
        "response.output_item.added": NativeItems.take_added,
        "response.output_item.done": NativeItems.take_item_done,
        "response.output_text.annotation.added": NativeItems.take_annotation,
    }
    for stem in PARTS:
        takers |= {f"{stem}.added": NativeItems.take_part_added, f"{stem}.done": NativeItems.take_part_done}
    for events in TEXTS.values():
        takers |= {f"{events.stem}.delta": NativeItems.take_text, f"{events.stem}.done": NativeItems.take_text_done}
    for stem in INPUTS.values():
        takers |= {f"{stem}.delta": NativeItems.take_input, f"{stem}.done": NativeItems.take_input_done}
    return takers


_TAKERS = _takers()
"""What takes an event, by its type. For all streams: bound methods kept by their object would make a cycle of each."""
