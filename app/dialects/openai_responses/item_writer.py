"""Events of our own making about items and their parts. Pure.

Items are numbered from where the last one ended, and so are the parts of an item. At most one item of ours that holds
text or thinking is open; calls stay open until their arguments are whole, as they may come interleaved. What is put
into a stream of the provider's goes into its part that is at hand, if that is of the same kind.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from app.dialects.openai_responses.items import ARGUMENTS
from app.dialects.openai_responses.output_state import INPUTS, TEXTS, Event, Item, Part
from app.dialects.openai_responses.response_encoding import call_item, message_item, reasoning_item, text_part
from app.dialects.openai_responses.wire import NAME
from app.dialects.tool_calls import NO_ARGUMENTS, CallPiece, are_none, parsed_object
from app.dialects.translation.encrypted_reasoning import unmarked
from app.messages import ThinkingBlock

_encode = msgspec.json.Encoder().encode
_TEXT_TAIL = b',"logprobs":[],"sequence_number":%d}\n\n'
_OTHER_TAIL = b',"sequence_number":%d}\n\n'


class ItemWriter:
    """Writes the numbered events of one stream's items; each method returns the bytes to send."""

    def __init__(self, transaction_id: str) -> None:
        self.items: list[Item] = []
        self.sequence = 0
        """The number of the next event."""
        self.next_index = 0
        self.call_items: dict[int, Item] = {}
        self.names: Mapping[str, Event] = {}
        """The fields that name a tool for the client, by the name that the provider knows it by."""
        self._id = transaction_id.removeprefix("txn_")
        self._at_hand: dict[str, Item] = {}
        """The item that began last of each kind that holds text: `message` and `reasoning`."""
        self._part: dict[str, Part] = {}

    @property
    def has_open_thinking(self) -> bool:
        part = self._part.get("reasoning")
        return part is not None and part.takes_text

    def event(self, data: Event) -> bytes:
        """Encode an event with the next sequence number."""
        numbered = {**data, "sequence_number": self.sequence}
        self.sequence += 1
        return b"event: %b\ndata: %b\n\n" % (str(data["type"]).encode(), _encode(numbered))

    def begin(self, item: Item) -> None:
        self.items.append(item)
        self.next_index = max(self.next_index, item.index + 1)
        if item.kind in ("message", "reasoning"):
            self._at_hand[item.kind] = item
            self._part.pop(item.kind, None)
        if item.call is not None:
            self.call_items[item.call] = item

    def begin_part(self, part: Part) -> None:
        part.item.among(part.kind).append(part)
        self._part[part.item.kind] = part

    def write_text(self, text: str, kind: str = "output_text", logprobs: list[Any] | None = None) -> bytes:
        """Add text to the open part of its kind, or to a new one."""
        holder = "message" if kind in ("output_text", "refusal") else "reasoning"
        part, before = self._part.get(holder), b""
        if part is None or not part.takes_text or (part.kind != kind and holder == "message"):
            part, before = self._open_part(kind, holder)
        if not logprobs:
            return before + self._add_texts(part, (text,))
        part.logprobs += logprobs
        part.add(text)
        part.is_whole = False
        self.sequence += 1
        tail = b',"logprobs":%b,"sequence_number":%d}\n\n' % (_encode(logprobs), self.sequence - 1)
        return b"".join((before, part.head or _head(part), _encode(text), tail))

    def write_texts(self, texts: Sequence[str], holder: str, kind: str | None = None) -> bytes | None:
        """Add each text, by an event of its own, to the open part of a `message` or of `reasoning`, where it has to be
        of a kind; None if none is open."""
        part = self._part.get(holder)
        if part is None or not part.takes_text or kind not in (None, part.kind):
            return None
        return self._add_texts(part, texts)

    def _add_texts(self, part: Part, texts: Sequence[str]) -> bytes:
        """This is the hot path of a stream of another dialect."""
        part.add("".join(texts))
        part.is_whole = False
        head = part.head or _head(part)
        tail = _TEXT_TAIL if part.kind == "output_text" else _OTHER_TAIL
        number = self.sequence
        self.sequence += len(texts)
        return b"".join([b"%b%b%b" % (head, _encode(text), tail % at) for at, text in enumerate(texts, number)])

    def write_annotation(self, note: Event) -> bytes:
        """Add an annotation to the open text. Nothing is sent if its text has ended."""
        part = self._part.get("message")
        if part is None or not part.is_open or part.kind != "output_text":
            return b""
        part.annotations.append(note)
        part.is_whole = False
        fields = {"annotation_index": len(part.annotations) - 1, "annotation": note}
        return self.event({"type": "response.output_text.annotation.added", **_index_of(part), **fields})

    def write_encrypted(self, block: ThinkingBlock) -> bytes:
        """Add encrypted reasoning to the open reasoning item of the gateway, or as a new item, and close that item."""
        item = self._at_hand.get("reasoning")
        encrypted = reasoning_item("", "", block).get("encrypted_content")
        stands_alone = block.data is not None and unmarked(block.data, NAME) is None
        before = b""
        if item is None or not item.is_ours or not item.is_open or stands_alone:
            before = self.close_ours()
            item, begun = self._begin_ours(reasoning_item(self.new_id("rs"), ""))
            before += begun
        item.native["encrypted_content"] = encrypted
        return before + self.close_item(item)

    def write_call(self, piece: CallPiece) -> bytes:
        """Begin a call, or add arguments to it."""
        before = b""
        if piece.call is not None:
            before = self.close_ours() + self._close_whole_calls()
            made = call_item(self.new_id("fc"), piece.call, "", "in_progress")
            _, begun = self._begin_ours(made | self.names.get(made["name"], {}), piece.position)
            before += begun
        item = self.call_items.get(piece.position)
        if item is None or not item.takes_input or not piece.arguments:
            return before
        return before + self._add_input(item, piece.arguments)

    def _add_input(self, item: Item, arguments: str) -> bytes:
        item.input.add(arguments)
        fields = {"item_id": item.id, "output_index": item.index, "delta": arguments}
        return self.event({"type": f"{INPUTS[item.kind]}.delta", **fields})

    def write_item(self, item: Event) -> bytes:
        """Begin and end an item that is complete already."""
        before = self.close_ours() + self._close_whole_calls()
        began, begun = self._begin_ours({**item, "status": "in_progress"})
        began.native = item
        return before + begun + self.close_item(began)

    def close_ours(self) -> bytes:
        return b"".join([self.close_item(item) for item in self._at_hand.values() if item.is_ours and item.is_open])

    def close_all(self, status: str = "completed") -> bytes:
        return b"".join([self.close_item(item, status) for item in self.items if item.is_open and _may_end(item)])

    def close_item(self, item: Item, status: str = "completed") -> bytes:
        out = [self.close_parts(item)]
        ended = {} if item.kind == "reasoning" else {"status": status}
        item.done = {**item.complete(), **ended}
        out.append(self.event({"type": "response.output_item.done", "output_index": item.index, "item": item.done}))
        return b"".join(out)

    def close_parts(self, item: Item) -> bytes:
        """Write what precedes an item's end: the ends of its open parts and of a call's arguments."""
        out = [self.close_part(part) for part in item.parts if part.is_open]
        if item.kind in ARGUMENTS and not item.is_input_done:
            item.is_input_done = True
            if item.is_ours and item.kind == "function_call" and are_none(item.input.text):
                out.append(self._add_input(item, NO_ARGUMENTS))
            fields = {"item_id": item.id, "output_index": item.index, ARGUMENTS[item.kind]: item.input.text}
            out.append(self.event({"type": f"{INPUTS[item.kind]}.done", **fields}))
        return b"".join(out)

    def close_part(self, part: Part) -> bytes:
        out = self.finish_text(part)
        part.is_open = False
        events = TEXTS.get(part.kind)
        stem = "response.content_part" if events is None else events.part_stem
        return out + self.event({"type": f"{stem}.done", **_index_of(part), "part": part.complete()})

    def finish_text(self, part: Part) -> bytes:
        """Write the event that completes the part's text. Empty if it was sent before or the part holds no text."""
        events = TEXTS.get(part.kind)
        if events is None or part.is_done:
            return b""
        part.is_done = True
        beside = {"logprobs": part.logprobs} if part.kind == "output_text" else {}
        return self.event({"type": f"{events.stem}.done", **_index_of(part), events.whole: part.text, **beside})

    def _open_part(self, kind: str, holder: str) -> tuple[Part, bytes]:
        item, part = self._at_hand.get(holder), self._part.get(holder)
        out = b""
        if item is None or not item.is_open or (part is not None and part.is_open and not item.is_ours):
            out = self.close_ours()
            if holder == "message":
                made = message_item(self.new_id("msg"), (), "in_progress")
            else:
                made = reasoning_item(self.new_id("rs"), "")
            item, begun = self._begin_ours(made)
            out += begun
        elif part is not None and part.is_open:
            out = self.close_part(part)
        return self.add_part(item, kind, out)

    def add_part(
        self, item: Item, kind: str, before: bytes = b"", native_index: int | None = None
    ) -> tuple[Part, bytes]:
        events = TEXTS[kind]
        empty = text_part("") if kind == "output_text" else {"type": kind, events.whole: ""}
        part = Part(item, kind, len(item.among(kind)), empty, native_index)
        self.begin_part(part)
        return part, before + self.event({"type": f"{events.part_stem}.added", **_index_of(part), "part": empty})

    def _begin_ours(self, fields: Event, call: int | None = None) -> tuple[Item, bytes]:
        item = Item(self.next_index, str(fields["type"]), fields, True, call)
        self.begin(item)
        return item, self.event({"type": "response.output_item.added", "output_index": item.index, "item": fields})

    def _close_whole_calls(self) -> bytes:
        """End each call whose arguments are complete, so that consecutive calls do not overlap."""
        calls = [item for item in self.call_items.values() if item.is_ours and item.is_open]
        return b"".join([self.close_item(item) for item in calls if _is_whole_call(item)])

    def new_id(self, prefix: str) -> str:
        return f"{prefix}_{self._id}_{self.next_index}"


def _is_whole_call(item: Item) -> bool:
    return item.kind == "function_call" and parsed_object(item.input.text) is not None


def _may_end(item: Item) -> bool:
    """Whether the gateway may end the item: only the provider knows how a call of its own tools ended."""
    return item.is_ours or item.kind in ("message", "reasoning", *ARGUMENTS)


def _index_of(part: Part) -> Event:
    events = TEXTS.get(part.kind)
    index_name = "content_index" if events is None else events.index_name
    return {"item_id": part.item.id, "output_index": part.item.index, index_name: part.index}


def _head(part: Part) -> bytes:
    kind = f"{TEXTS[part.kind].stem}.delta"
    start = _encode({"type": kind, **_index_of(part)})[:-1]
    part.head = b'event: %b\ndata: %b,"delta":' % (kind.encode(), start)
    return part.head
