"""Decodes a provider's item events, one by one, to pieces of a message and the block that is complete. Pure.

What a policy reads comes from the deltas; for a provider that sends none, from its `done` events. Items of the
provider's own tools never look like calls for the client: they stand in the message's `extra`, under `server_tools`,
when they are done.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from app.dialects.openai_responses.items import (
    ARGUMENTS,
    IN_COMMON_FORM,
    THOUGHT_BREAK,
    call_of,
    chat_annotation,
    is_for_client,
    whole_message,
)
from app.messages import BlockEnd, Function, Message, ToolCall

Event = dict[str, Any]
_NOTHING = Message()


@dataclass(slots=True)
class Open:
    """An item that has begun. `call` is the index of the client's tool call that it is, if any."""

    kind: str
    call: int | None = None
    is_announced: bool = False
    """The event of its beginning has come."""
    streamed: bool = False
    """Some of the item's text or arguments has come."""
    part_streamed: bool = False
    """Some of the text of its current part has come."""

    def more(self, arguments: str) -> ToolCall:
        """Return a piece of the call that adds these arguments."""
        kind = "custom" if self.kind == "custom_tool_call" else "function"
        return ToolCall(self.call or 0, None, kind, Function(None, arguments))

    @property
    def ends(self) -> BlockEnd | None:
        return self.call if self.call is not None else _ENDS.get(self.kind)


_ENDS: dict[str, BlockEnd] = {"message": "content", "reasoning": "thinking"}


class ItemEvents:
    """Decodes the events of one stream, in which several items may be open at once."""

    def __init__(self) -> None:
        self.tools: list[Any] = []
        """The tools of the request, as the provider repeats them."""
        self.open: dict[Any, Open] = {}
        self.calls = 0
        self.chars = 0
        """Characters of text so far."""
        self.has_thought = False
        self._call_ids: set[str | None] = set()
        self._server_tools = 0
        self._part_start = 0

    def piece(self, kind: Any, event: Event) -> Message | None:
        match kind:
            case "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta":
                return self._arguments(event, event["delta"])
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                return self._thought(event, event["delta"])
            case "response.refusal.delta":
                return self._refusal(event, event["delta"])
            case "response.output_item.added":
                return self._added(event)
            case "response.content_part.added" | "response.reasoning_summary_part.added":
                return self._part_added(event)
            case "response.output_text.annotation.added":
                note = chat_annotation(event["annotation"], self._part_start)
                return None if note is None else Message(annotations=(note,))
        return None

    def _item(self, event: Event, kind: str) -> Open:
        """The item of an event; a new one if the event of its beginning is missing."""
        at = event.get("output_index")
        item = self.open.get(at)
        if item is None:
            item = self.open[at] = Open(kind)
        return item

    def _added(self, event: Event) -> Message | None:
        native_item = event["item"]
        item = self.open[event.get("output_index")] = Open(native_item["type"], is_announced=True)
        if not is_for_client(native_item, self.tools):
            return None
        call = call_of(native_item, self.calls)
        item.call, item.streamed = call.index, bool(call.function.arguments)
        self._call_ids.add(call.id)
        self.calls += 1
        return Message(tool_calls=(call,))

    def _part_added(self, event: Event) -> Message | None:
        is_thought = event["part"].get("type") in ("summary_text", "reasoning_text")
        self._item(event, "reasoning" if is_thought else "message").part_streamed = False
        if not is_thought:
            self._part_start = self.chars
            return None
        return Message(reasoning_content=THOUGHT_BREAK) if self.has_thought else None

    def _arguments(self, event: Event, text: str) -> Message | None:
        item = self._item(event, "function_call")
        item.streamed = item.streamed or bool(text)
        if item.call is None or not text:
            return None
        return Message(tool_calls=(item.more(text),))

    def text(self, event: Event, text: str) -> Message | None:
        item = self._item(event, "message")
        item.streamed = item.part_streamed = True
        self.chars += len(text)
        return Message(content=text) if text else None

    def _refusal(self, event: Event, text: str) -> Message | None:
        item = self._item(event, "message")
        item.streamed = item.part_streamed = True
        return Message(refusal=text) if text else None

    def _thought(self, event: Event, text: str) -> Message | None:
        item = self._item(event, "reasoning")
        item.streamed = item.part_streamed = True
        self.has_thought = self.has_thought or bool(text)
        return Message(reasoning_content=text) if text else None

    def done(self, kind: str, event: Event) -> tuple[Message | None, BlockEnd | None]:
        """Decode a `done` event: the text that had not come in pieces, and the block that is complete now."""
        match kind:
            case "response.output_text.done":
                return self._unless_streamed(self.text, event, "message", event.get("text")), "content"
            case "response.refusal.done":
                return self._unless_streamed(self._refusal, event, "message", event.get("refusal")), None
            case "response.reasoning_summary_text.done" | "response.reasoning_text.done":
                return self._unless_streamed(self._thought, event, "reasoning", event.get("text")), "thinking"
            case "response.function_call_arguments.done" | "response.custom_tool_call_input.done":
                item = self._item(event, "function_call")
                text = event.get(ARGUMENTS.get(item.kind, "")) or ""
                return None if item.streamed else self._arguments(event, text), item.call
            case "response.output_item.done":
                return self._item_done(event)
        return None, None

    def _unless_streamed(
        self, handle: Callable[[Event, str], Message | None], event: Event, kind: str, text: str | None
    ) -> Message | None:
        return None if self._item(event, kind).part_streamed or not text else handle(event, text)

    def _item_done(self, event: Event) -> tuple[Message | None, BlockEnd | None]:
        native_item, begun = event["item"], None
        known = self.open.get(event.get("output_index"))
        if known is None or (native_item["type"] in ARGUMENTS and not known.is_announced):
            # Whose pieces came before nobody knew what they belong to has all of them here.
            begun = self._added(event)
        item = self._item(event, native_item["type"])
        rest = self._rest(native_item, item)
        return begun or rest, item.ends

    def _rest(self, native_item: Event, item: Open) -> Message | None:
        """The rest of a complete item, beyond the pieces that came before."""
        if item.call is not None:
            text = native_item.get(ARGUMENTS[item.kind]) or ""
            return None if item.streamed or not text else Message(tool_calls=(item.more(text),))
        if item.kind not in IN_COMMON_FORM or item.kind in ARGUMENTS:
            self._server_tools += 1
            return Message(extra={"server_tools": [{"index": self._server_tools - 1, **native_item}]})
        has_pieces, item.streamed = item.streamed, True
        if has_pieces:
            if not (encrypted := native_item.get("encrypted_content")):
                return None
            native_item = {"type": item.kind, "encrypted_content": encrypted}
        whole = whole_message((native_item,), ())
        self.chars += len(whole.content or "")
        self.has_thought = self.has_thought or bool(whole.reasoning_content)
        return None if whole == _NOTHING else whole

    def last(self, output: Iterable[Event]) -> Message:
        """The items of a response that ended, as far as no event has told of them. Raises ValueError where pieces have
        come of a call that nothing names."""
        untold = [item for item in output if not self.open or self._is_untold(item)]
        message = whole_message(untold, self.tools) if untold else _NOTHING
        calls = tuple([replace(call, index=self.calls + at) for at, call in enumerate(message.tool_calls)])
        self.calls += len(calls)
        nameless = (item.kind in ARGUMENTS and not item.is_announced for item in self.open.values())
        if any(nameless) and not calls:
            raise ValueError("arguments of no call")
        return replace(message, tool_calls=calls) if calls else message

    def _is_untold(self, native_item: Event) -> bool:
        kind = native_item.get("type")
        if kind in ARGUMENTS:
            return (native_item.get("call_id") or native_item.get("id")) not in self._call_ids
        return kind in _ENDS and not any(item.kind == kind and item.streamed for item in self.open.values())
