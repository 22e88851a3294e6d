"""The provider's own events about items, in a stream that may have been changed. Pure.

`follow` only takes note of those that went out as they came. `take` gives each the numbers that come next, and puts
into those that repeat a text what the client has of it; one whose item the client was never told of is dropped.
"""

from collections.abc import Callable
from typing import Any

from app.dialects.openai_responses.followed import Run
from app.dialects.openai_responses.item_writer import ItemWriter
from app.dialects.openai_responses.items import ARGUMENTS
from app.dialects.openai_responses.numbering import PARTS
from app.dialects.openai_responses.sent import INPUTS, TEXTS, Event, Item, Part
from app.dialects.tool_calls import CallOrder
from app.messages import ModelResponse


class NativeItems:
    def __init__(self, writer: ItemWriter, calls: CallOrder) -> None:
        self._writer = writer
        self._calls = calls
        self._items: dict[Any, Item] = {}
        """By the provider's own numbers."""
        self._take: dict[str, Callable[[Event, ModelResponse], bytes | None]] = {
            "response.output_item.added": self._take_added,
            "response.output_item.done": self._take_item_done,
            "response.output_text.annotation.added": self._take_annotation,
        }
        for stem in PARTS:
            self._take[f"{stem}.added"] = self._take_part_added
            self._take[f"{stem}.done"] = self._take_part_done
        for events in TEXTS.values():
            self._take[f"{events.stem}.delta"] = self._take_text
            self._take[f"{events.stem}.done"] = self._take_text_done
        for stem in INPUTS.values():
            self._take[f"{stem}.delta"] = self._take_input
            self._take[f"{stem}.done"] = self._take_input_done

    def gap(self) -> None:
        """Something of the provider's is missing here."""
        for item in self._items.values():
            for part in item.parts:
                part.is_whole = part.is_whole and not part.is_open

    def knows(self, own: Event) -> bool:
        item = self._items.get(own.get("output_index"))
        return item is not None and item.is_open

    def open_part(self, own: Event) -> bytes:
        """For a text that comes with its end only, where the beginning of its part is missing."""
        stem = str(own.get("type")).removesuffix(".done")
        kind = next((kind for kind, events in TEXTS.items() if events.stem == stem), None)
        item = self._items.get(own.get("output_index"))
        if kind is None or item is None or self._part(own, TEXTS[kind].place) is not None:
            return b""
        return self._writer.add_part(item, kind, own_index=own.get(TEXTS[kind].place))[1]

    def take(self, own: Event, chunk: ModelResponse) -> bytes | None:
        """None if it has no place in what the client was sent."""
        take = self._take.get(str(own.get("type")))
        if take is not None:
            return take(own, chunk)
        if "output_index" not in own:
            return self._writer.event(own)
        item = self._items.get(own["output_index"])
        return None if item is None or not item.is_open else self._event(own, item)

    def follow_run(self, run: Run) -> None:
        """Pieces of one text, or of one call's arguments."""
        stem = run.kind.removesuffix(".delta")
        events = next((events for events in TEXTS.values() if events.stem == stem), None)
        place = {} if events is None else {events.place: run.place[1]}
        item = self._items.get(run.place[0])
        if item is not None and events is None:
            item.input.append(run.text)
        elif item is not None:
            self._follow_text_event({"output_index": run.place[0], **place, "delta": run.text}, stem, "delta")

    def follow(self, own: Event, chunk: ModelResponse) -> None:
        kind = str(own.get("type"))
        stem, _, step = kind.rpartition(".")
        item = self._items.get(own.get("output_index"))
        if kind == "response.output_item.added":
            self._begin(own, chunk, own["output_index"], adopt=True)
        elif item is None:
            return
        elif kind == "response.output_item.done":
            item.done = own["item"]
        elif kind == "response.output_text.annotation.added":
            if (part := self._part(own, "content_index")) is not None:
                part.annotations.append(own["annotation"])
        elif stem in PARTS:
            self._follow_part_event(own, step, PARTS[stem])
        elif stem in INPUTS.values():
            self._follow_input(item, own, step)
        else:
            self._follow_text_event(own, stem, step)

    def _follow_part_event(self, own: Event, step: str, place: str) -> None:
        part = self._part(own, place)
        if part is None and step == "added":
            part = self._follow_part(own, str(own["part"].get("type")), place)
            if part is not None:
                part.own = own["part"]
        if part is not None and step == "done":
            part.is_open = False

    def _follow_part(self, own: Event, kind: str, place: str) -> Part | None:
        item = self._items.get(own.get("output_index"))
        if item is None:
            return None
        part = Part(item, kind, own[place], {"type": kind}, own[place])
        self._writer.begin_part(part)
        return part

    def _follow_input(self, item: Item, own: Event, step: str) -> None:
        if step == "delta":
            item.input.append(own["delta"])
        elif not item.input:
            item.input.append(own.get(ARGUMENTS.get(item.kind, "")) or "")
        item.is_input_said = step == "done"

    def _follow_text_event(self, own: Event, stem: str, step: str) -> None:
        for kind, events in TEXTS.items():
            if events.stem != stem:
                continue
            part = self._part(own, events.place) or self._follow_part(own, kind, events.place)
            if part is None:
                return
            if step == "delta":
                part.add(own["delta"])
                part.logprobs += own.get("logprobs") or ()
            elif step == "done":
                part.is_said = True
                if not part.text:
                    part.add(own.get(events.whole) or "")

    def _begin(self, own: Event, chunk: ModelResponse, index: int, *, adopt: bool) -> Item | None:
        said = own["item"]
        item = Item(index, str(said["type"]), said, False)
        call = next((call for choice in chunk.choices if choice.delta for call in choice.delta.tool_calls), None)
        if call is not None:
            item.call = call.index
            if adopt:
                self._calls.adopt(call)
            else:
                piece = self._calls.place(call)
                if piece is None or piece.call is None:
                    return None
                item.call = piece.position
        if item.kind in ARGUMENTS and said.get(ARGUMENTS[item.kind]):
            item.input.append(said[ARGUMENTS[item.kind]])
        self._items[own["output_index"]] = item
        self._writer.begin(item)
        return item

    def _part(self, own: Event, place: str) -> Part | None:
        item = self._items.get(own.get("output_index"))
        return None if item is None else item.part(place, own.get(place))

    def _take_added(self, own: Event, chunk: ModelResponse) -> bytes | None:
        if own["output_index"] in self._items:
            return None
        closed = self._writer.close_ours()
        item = self._begin(own, chunk, self._writer.next_index, adopt=False)
        return closed if item is None else closed + self._event(own, item)

    def _take_part_added(self, own: Event, chunk: ModelResponse) -> bytes | None:
        place = "summary_index" if "summary_index" in own else "content_index"
        item = self._items.get(own["output_index"])
        if item is None or not item.is_open or item.part(place, own[place]) is not None:
            return None
        kind = str(own["part"].get("type"))
        part = Part(item, kind, len(item.among(kind)), own["part"], own[place])
        self._writer.begin_part(part)
        return self._event(own, item, part)

    def _take_text(self, own: Event, chunk: ModelResponse) -> bytes | None:
        kind, place = _text_of(own)
        item, before = self._items.get(own["output_index"]), b""
        if item is None or not item.is_open:
            return None
        part = item.part(place, own.get(place))
        if part is None:
            part, before = self._writer.add_part(item, kind, own_index=own.get(place))
        if not part.takes_text:
            return None
        part.add(own["delta"])
        if own.get("logprobs"):
            part.logprobs += own["logprobs"]
        return before + self._event(own, item, part)

    def _take_text_done(self, own: Event, chunk: ModelResponse) -> bytes | None:
        kind, place = _text_of(own)
        part = self._part(own, place)
        if part is None or not part.is_open or part.is_said:
            return None
        part.is_said = True
        whole = TEXTS[kind].whole
        changed: Event = {}
        if not part.is_whole or own.get(whole) != part.text:
            changed = {whole: part.text, **({"logprobs": part.logprobs} if "logprobs" in own else {})}
        return self._event({**own, **changed}, part.item, part)

    def _take_part_done(self, own: Event, chunk: ModelResponse) -> bytes | None:
        part = self._part(own, "summary_index" if "summary_index" in own else "content_index")
        if part is None or not part.is_open:
            return None
        said = self._writer.say_whole(part)
        part.is_open = False
        return said + self._event({**own, "part": part.complete(own["part"])}, part.item, part)

    def _take_annotation(self, own: Event, chunk: ModelResponse) -> bytes | None:
        part = self._part(own, "content_index")
        if part is None or not part.is_open:
            return None
        part.annotations.append(own["annotation"])
        return self._event({**own, "annotation_index": len(part.annotations) - 1}, part.item, part)

    def _take_input(self, own: Event, chunk: ModelResponse) -> bytes | None:
        item = self._items.get(own["output_index"])
        if item is None or not item.takes_input:
            return None
        item.input.append(own["delta"])
        return self._event(own, item)

    def _take_input_done(self, own: Event, chunk: ModelResponse) -> bytes | None:
        item = self._items.get(own["output_index"])
        if item is None or not item.takes_input:
            return None
        item.is_input_said = True
        return self._event({**own, ARGUMENTS.get(item.kind, "arguments"): "".join(item.input)}, item)

    def _take_item_done(self, own: Event, chunk: ModelResponse) -> bytes | None:
        item = self._items.get(own["output_index"])
        if item is None or not item.is_open:
            return None
        before = self._writer.close_parts(item)
        item.done = item.complete(own["item"])
        return before + self._event({**own, "item": item.done}, item)

    def _event(self, own: Event, item: Item, part: Part | None = None) -> bytes:
        placed = {**own, "output_index": item.index}
        if part is not None:
            placed["summary_index" if part.kind == "summary_text" else "content_index"] = part.index
        return self._writer.event(placed)


def _text_of(own: Event) -> tuple[str, str]:
    stem = str(own["type"]).rpartition(".")[0]
    return next((kind, events.place) for kind, events in TEXTS.items() if events.stem == stem)
