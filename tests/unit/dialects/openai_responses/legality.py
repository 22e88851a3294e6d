"""Whether a body is a legal stream of the Responses API: written from the protocol, without a line of the formatter.

`check_responses` raises `AssertionError` at the first event that the official SDK or the provider's own streams would
not allow, and returns what the body says when its deltas are added up. `native`: part of the stream is a provider's
own, which may hold items and events that nobody knows, and leave out that a call's arguments are complete. `ours`:
every event is numbered by the gateway, or by a provider that counts well.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.unit.dialects.legality import Event, events

_TEXTS = {
    "response.output_text": ("output_text", "content_index", "text"),
    "response.refusal": ("refusal", "content_index", "refusal"),
    "response.reasoning_text": ("reasoning_text", "content_index", "text"),
    "response.reasoning_summary_text": ("summary_text", "summary_index", "text"),
}
_INPUTS = {
    "response.function_call_arguments": ("function_call", "arguments"),
    "response.custom_tool_call_input": ("custom_tool_call", "input"),
}
_PARTS = {"response.content_part": "content_index", "response.reasoning_summary_part": "summary_index"}
_KNOWN = ("message", "reasoning", "function_call", "custom_tool_call")


@dataclass
class SentPart:
    kind: str
    text: str = ""
    annotations: list[Any] = field(default_factory=list)
    is_text_done: bool = False
    is_done: bool = False


@dataclass
class SentItem:
    kind: str
    announced: dict[str, Any]
    content: list[SentPart] = field(default_factory=list)
    summary: list[SentPart] = field(default_factory=list)
    input: str = ""
    is_input_done: bool = False
    done: dict[str, Any] | None = None

    def parts(self, index_name: str) -> list[SentPart]:
        return self.summary if index_name == "summary_index" else self.content


@dataclass
class ResponsesStream:
    response: dict[str, Any] | None = None
    """As it ended."""
    items: list[SentItem] = field(default_factory=list)
    error: dict[str, Any] | None = None

    def text(self, kind: str = "output_text") -> str:
        return "".join(part.text for item in self.items for part in (*item.content, *item.summary) if part.kind == kind)

    def thinking(self) -> str:
        return self.text("summary_text") + self.text("reasoning_text")

    def calls(self) -> list[dict[str, Any]]:
        calls = [item for item in self.items if item.kind in ("function_call", "custom_tool_call")]
        return [
            {"id": item.announced["call_id"], "name": item.announced["name"], "arguments": item.input} for item in calls
        ]


def check_responses(body: bytes, ended: bool = True, native: bool = False, ours: bool = True) -> ResponsesStream:
    """`ended`: the stream is complete, by a terminal event or by an error."""
    checker = _Checker(native, ours)
    for event in events(body):
        checker.take(event)
    if ended:
        assert checker.is_over, "neither a terminal event nor an error"
    return checker.stream


class _Checker:
    def __init__(self, native: bool, ours: bool) -> None:
        self._native = native
        self._ours = ours
        self.stream = ResponsesStream()
        self.is_over = False
        self._created: dict[str, Any] | None = None
        self._count = 0

    def take(self, event: Event) -> None:
        data = json.loads(event.data)
        kind = data["type"]
        assert event.name in (kind, None), "the event's name is its type"
        assert not self.is_over or (self.stream.error is not None and kind == "response.failed"), (
            f"{kind} after the end"
        )
        assert not self._ours or data["sequence_number"] == self._count, "sequence numbers are contiguous from 0"
        self._count += 1
        stem, _, step = kind.rpartition(".")
        if kind == "error":
            assert data["message"] == data["error"]["message"]
            self.stream.error, self.is_over = data["error"], True
        elif kind == "response.created":
            assert self._created is None, "response.created comes once"
            self._begin(data["response"])
        else:
            assert self._created is not None, f"{kind} before response.created"
            self._after_begin(kind, stem, step, data)

    def _begin(self, response: dict[str, Any]) -> None:
        assert response["id"]
        assert response["object"] == "response"
        assert response["status"] in ("in_progress", "queued")
        assert response["output"] == []
        self._created = response

    def _after_begin(self, kind: str, stem: str, step: str, data: dict[str, Any]) -> None:
        if kind in ("response.in_progress", "response.queued"):
            assert self._native or not self.stream.items
        elif kind in ("response.completed", "response.incomplete", "response.failed"):
            self._end(step, data["response"])
        elif kind == "response.output_item.added":
            self._item_added(data)
        elif kind == "response.output_item.done":
            self._item_done(data)
        elif kind == "response.output_text.annotation.added":
            part = self._part(data, "content_index")
            assert data["annotation_index"] == len(part.annotations)
            part.annotations.append(data["annotation"])
        elif stem in _PARTS:
            self._part_event(step, _PARTS[stem], data)
        elif stem in _TEXTS:
            self._text_event(step, *_TEXTS[stem], data)
        elif stem in _INPUTS:
            self._input_event(step, *_INPUTS[stem], data)
        else:
            assert self._native, f"unknown event {kind}"
            if "output_index" in data:
                self._item(data)

    def _item(self, data: dict[str, Any]) -> SentItem:
        assert 0 <= data["output_index"] < len(self.stream.items), "an item that was not begun"
        item: SentItem = self.stream.items[data["output_index"]]
        assert item.done is None, "something of an item that is done"
        assert data.get("item_id", item.announced.get("id")) == item.announced.get("id")
        return item

    def _part(self, data: dict[str, Any], index_name: str) -> SentPart:
        parts = self._item(data).parts(index_name)
        assert 0 <= data[index_name] < len(parts), "a part that was not begun"
        part: SentPart = parts[data[index_name]]
        assert not part.is_done, "something of a part that is done"
        return part

    def _item_added(self, data: dict[str, Any]) -> None:
        announced = data["item"]
        assert data["output_index"] == len(self.stream.items), "items are numbered from 0"
        assert announced["id"] not in [item.announced["id"] for item in self.stream.items], "two items of one id"
        match announced["type"]:
            case "message":
                assert announced["content"] == []
                assert announced["role"] == "assistant"
            case "reasoning":
                assert announced["summary"] == []
            case "function_call" | "custom_tool_call" as kind:
                assert announced["call_id"]
                assert announced["name"]
                assert announced["arguments" if kind == "function_call" else "input"] == ""
            case kind:
                assert self._native or kind.endswith("_call"), f"unknown item {kind}"
        self.stream.items.append(SentItem(announced["type"], announced))

    def _part_event(self, step: str, index_name: str, data: dict[str, Any]) -> None:
        announced = data["part"]
        if step == "added":
            item = self._item(data)
            parts = item.parts(index_name)
            assert data[index_name] == len(parts), "parts are numbered from 0"
            assert item.kind == ("message" if announced["type"] in ("output_text", "refusal") else "reasoning")
            assert announced[_whole(announced["type"])] == ""
            parts.append(SentPart(announced["type"]))
            return
        part = self._part(data, index_name)
        assert part.is_text_done, "a part is done before its text"
        _check_part(part, announced)
        part.is_done = True

    def _text_event(self, step: str, kind: str, index_name: str, whole: str, data: dict[str, Any]) -> None:
        part = self._part(data, index_name)
        assert part.kind == kind
        assert not part.is_text_done, "more of a text that is complete"
        if step == "delta":
            part.text += data["delta"]
        else:
            # A provider may send it whole.
            part.text = part.text or (data[whole] if self._native else "")
            assert data[whole] == part.text, "a text is not what was sent of it"
            part.is_text_done = True

    def _input_event(self, step: str, kind: str, field_: str, data: dict[str, Any]) -> None:
        item = self._item(data)
        assert item.kind == kind
        assert not item.is_input_done
        if step == "delta":
            item.input += data["delta"]
        else:
            # A provider may send them whole.
            item.input = item.input or (data[field_] if self._native else "")
            assert data[field_] == item.input, "arguments are not what was sent of them"
            item.is_input_done = True

    def _item_done(self, data: dict[str, Any]) -> None:
        item, announced = self._item(data), data["item"]
        assert announced["type"] == item.kind
        assert announced.get("id") == item.announced.get("id")
        parts = [*item.content, *item.summary]
        assert all(part.is_done for part in parts), "an item is done before its parts"
        if item.kind == "message":
            _check_parts(item.content, announced["content"])
        if item.kind == "reasoning":
            _check_parts(item.summary, announced["summary"])
            _check_parts(item.content, announced.get("content") or [])
        if item.kind in ("function_call", "custom_tool_call"):
            assert self._native or item.is_input_done
            given = announced["arguments" if item.kind == "function_call" else "input"]
            item.input = item.input or (given if self._native else "")
            assert given == item.input, "arguments are not what was sent of them"
        item.done = announced

    def _end(self, status: str, response: dict[str, Any]) -> None:
        assert self._created is not None
        assert response["status"] == status
        assert response["id"] == self._created["id"]
        assert (status == "incomplete") == bool(response.get("incomplete_details"))
        if status != "failed":
            assert all(item.done for item in self.stream.items if item.kind in _KNOWN), "an item is not done"
            output = [item.done for item in self.stream.items if item.done]
            assert [one for one in response["output"] if one in output] == output, "the output is not what was sent"
            assert len(response["output"]) == len(self.stream.items)
            usage = response["usage"]
            assert usage is None or usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
        else:
            assert response["error"]["message"]
        self.stream.response, self.is_over = response, True


def _whole(kind: str) -> str:
    return "refusal" if kind == "refusal" else "text"


def _check_parts(parts: list[SentPart], announced: list[dict[str, Any]]) -> None:
    assert len(parts) == len(announced), "parts that were not sent, or are gone"
    for part, one in zip(parts, announced, strict=True):
        _check_part(part, one)


def _check_part(part: SentPart, announced: dict[str, Any]) -> None:
    assert announced["type"] == part.kind
    assert announced[_whole(part.kind)] == part.text, "a part is not what was sent of it"
    assert announced.get("annotations", []) == part.annotations
