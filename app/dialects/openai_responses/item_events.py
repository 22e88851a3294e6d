"""What a provider's events about items say, one by one: pieces of a message, and which block is complete. Pure.

What a policy reads comes from the deltas; a provider that sends none has said it all in its `done` events. Items of the
provider's own tools never look like calls for the client: they stand in the message's `extra`, under `server_tools`,
when they are done.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.dialects.openai_responses.items import ARGUMENTS, SAID, call_of, chat_annotation, is_for_client, whole_message
from app.dialects.openai_responses.reasoning import THOUGHT_BREAK
from app.messages import Ended, Function, Message, ToolCall

Event = dict[str, Any]
_NOTHING = Message()


@dataclass(slots=True)
class Open:
    """An item that has begun. `call`: the number of the client's call that it is."""

    kind: str
    call: int | None = None
    said: bool = False
    """Some of its text, or of its arguments, has come."""
    part_said: bool = False
    """Likewise of the part at hand."""

    def more(self, arguments: str) -> ToolCall:
        """A piece of the call."""
        kind = "custom" if self.kind == "custom_tool_call" else "function"
        return ToolCall(self.call or 0, None, kind, Function(None, arguments))

    @property
    def ends(self) -> Ended | None:
        return self.call if self.call is not None else _ENDS.get(self.kind)


_ENDS: dict[str, Ended] = {"message": "content", "reasoning": "thinking"}


class ItemEvents:
    """Of one stream, which may have several items open at once."""

    def __init__(self) -> None:
        self.tools: list[Any] = []
        """Those that were offered, as the provider repeats them."""
        self.open: dict[Any, Open] = {}
        self.calls = 0
        self.chars = 0
        """Of text, so far."""
        self.has_thought = False
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
        """One whose beginning was not told begins here."""
        at = event.get("output_index")
        item = self.open.get(at)
        if item is None:
            item = self.open[at] = Open(kind)
        return item

    def _added(self, event: Event) -> Message | None:
        said = event["item"]
        item = self.open[event.get("output_index")] = Open(said["type"])
        if not is_for_client(said, self.tools):
            return None
        call = call_of(said, self.calls)
        item.call, item.said = call.index, bool(call.function.arguments)
        self.calls += 1
        return Message(tool_calls=(call,))

    def _part_added(self, event: Event) -> Message | None:
        is_thought = event["part"].get("type") in ("summary_text", "reasoning_text")
        self._item(event, "reasoning" if is_thought else "message").part_said = False
        if not is_thought:
            self._part_start = self.chars
            return None
        return Message(reasoning_content=THOUGHT_BREAK) if self.has_thought else None

    def _arguments(self, event: Event, text: str) -> Message | None:
        item = self._item(event, "function_call")
        if item.call is None or not text:
            return None
        item.said = True
        return Message(tool_calls=(item.more(text),))

    def text(self, event: Event, text: str) -> Message | None:
        item = self._item(event, "message")
        item.said = item.part_said = True
        self.chars += len(text)
        return Message(content=text) if text else None

    def _refusal(self, event: Event, text: str) -> Message | None:
        item = self._item(event, "message")
        item.said = item.part_said = True
        return Message(refusal=text) if text else None

    def _thought(self, event: Event, text: str) -> Message | None:
        item = self._item(event, "reasoning")
        item.said = item.part_said = True
        self.has_thought = self.has_thought or bool(text)
        return Message(reasoning_content=text) if text else None

    def done(self, kind: str, event: Event) -> tuple[Message | None, Ended | None]:
        """What has not come in pieces, and what is complete now."""
        match kind:
            case "response.output_text.done":
                return self._unless_said(self.text, event, "message", event.get("text")), "content"
            case "response.refusal.done":
                return self._unless_said(self._refusal, event, "message", event.get("refusal")), None
            case "response.reasoning_summary_text.done" | "response.reasoning_text.done":
                return self._unless_said(self._thought, event, "reasoning", event.get("text")), "thinking"
            case "response.function_call_arguments.done" | "response.custom_tool_call_input.done":
                item = self._item(event, "function_call")
                text = event.get(ARGUMENTS.get(item.kind, "")) or ""
                return None if item.said else self._arguments(event, text), item.call
            case "response.output_item.done":
                return self._item_done(event)
        return None, None

    def _unless_said(
        self, tell: Callable[[Event, str], Message | None], event: Event, kind: str, text: str | None
    ) -> Message | None:
        return None if self._item(event, kind).part_said or not text else tell(event, text)

    def _item_done(self, event: Event) -> tuple[Message | None, Ended | None]:
        said, begun = event["item"], None
        if event.get("output_index") not in self.open:
            begun = self._added(event)
        item = self._item(event, said["type"])
        rest = self._rest(said, item)
        return begun or rest, item.ends

    def _rest(self, said: Event, item: Open) -> Message | None:
        """What of a complete item has not been told."""
        if item.call is not None:
            text = said.get(ARGUMENTS[item.kind]) or ""
            return None if item.said or not text else Message(tool_calls=(item.more(text),))
        if item.kind not in SAID or item.kind in ARGUMENTS:
            self._server_tools += 1
            return Message(extra={"server_tools": [{"index": self._server_tools - 1, **said}]})
        if item.said:
            said = {"type": item.kind, "encrypted_content": said.get("encrypted_content")}
        whole = whole_message((said,), ())
        self.chars += len(whole.content or "")
        self.has_thought = self.has_thought or bool(whole.reasoning_content)
        return None if whole == _NOTHING else whole
