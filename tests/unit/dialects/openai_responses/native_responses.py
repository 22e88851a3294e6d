"""Streams of the Responses API as providers send them; made by hypothesis.

Items come one after the other or side by side; some providers leave out that a call's arguments are complete, or send
a text only with its end.
"""

from typing import Any

from hypothesis import strategies as st

from tests.unit.dialects.native_streams import ARGUMENTS, TEXTS, Event, NativeStream, pieces

_KINDS = ["message", "message", "reasoning", "function_call", "custom_tool_call", "web_search_call", "x_new"]


def text_at_its_end() -> NativeStream:
    """One message, whose text comes only when it is done."""
    position = {"output_index": 0, "item_id": "message_0", "content_index": 0}
    begun = {"id": "message_0", "type": "message", "status": "in_progress", "role": "assistant", "content": []}
    item = {**begun, "status": "completed", "content": [_text_part("a")]}
    response = {"id": "resp_1", "object": "response", "created_at": 5, "model": "gpt", "output": []}
    return NativeStream(
        "openai_responses",
        [
            {"type": "response.created", "response": response},
            {"type": "response.output_item.added", "output_index": 0, "item": begun},
            {"type": "response.content_part.added", **position, "part": _text_part("")},
            {"type": "response.output_text.done", **position, "text": "a", "logprobs": []},
            {"type": "response.content_part.done", **position, "part": _text_part("a")},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": {**response, "status": "completed", "output": [item]}},
        ],
    )


@st.composite
def responses_streams(draw: st.DrawFn) -> NativeStream:
    kinds = draw(st.lists(st.sampled_from(_KINDS), max_size=4))
    made = [_item(draw, kind, at) for at, kind in enumerate(kinds)]
    response: Event = {"id": "resp_1", "object": "response", "created_at": 5, "model": "gpt", "status": "in_progress"}
    response |= {"output": [], "error": None, "incomplete_details": None, "usage": None, "tools": [], "x_response": 1}
    events: list[Event] = [{"type": f"response.{step}", "response": response} for step in ("created", "in_progress")]
    events += (
        _side_by_side([rows for rows, _ in made]) if draw(st.booleans()) else [row for rows, _ in made for row in rows]
    )
    reason = draw(st.sampled_from([None, "max_output_tokens"]))
    status = "incomplete" if reason else "completed"
    usage = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7, "x_usage": 1}
    ended = {"status": status, "incomplete_details": reason and {"reason": reason}, "usage": usage}
    output = [item for _, item in made]
    events.append({"type": f"response.{status}", "response": {**response, **ended, "output": output}})
    for number, event in enumerate(events):
        event["sequence_number"] = number
    return NativeStream("openai_responses", [*events])


def _side_by_side(rows: list[list[Event]]) -> list[Event]:
    """All begin in their order, then one event of each in turn."""
    begun = [row[0] for row in rows]
    rest = [row[1:] for row in rows]
    return begun + [row[at] for at in range(max(map(len, rest), default=0)) for row in rest if at < len(row)]


def _item(draw: st.DrawFn, kind: str, at: int) -> tuple[list[Event], Event]:
    """The events of one, and the item as it is in the end."""
    id = f"{kind}_{at}"
    position = {"output_index": at, "item_id": id}
    match kind:
        case "message":
            parts = draw(st.lists(st.lists(TEXTS, min_size=1, max_size=4), min_size=1, max_size=2))
            rows = [row for number, texts in enumerate(parts) for row in _part(draw, position, number, texts)]
            content = [_text_part("".join(texts)) for texts in parts]
            begun = {"id": id, "type": kind, "status": "in_progress", "role": "assistant", "content": []}
            item: Event = {**begun, "status": "completed", "content": content}
        case "reasoning":
            parts = draw(st.lists(st.lists(TEXTS, min_size=1, max_size=3), max_size=2))
            rows = [row for number, texts in enumerate(parts) for row in _summary(position, number, texts)]
            begun = {"id": id, "type": kind, "summary": []}
            summary = [{"type": "summary_text", "text": "".join(texts)} for texts in parts]
            item = {**begun, "summary": summary, **draw(st.sampled_from([{}, {"encrypted_content": "gAAA"}]))}
        case "function_call" | "custom_tool_call":
            rows, begun, item = _call(draw, kind, position)
        case _:
            rows = [
                {"type": f"response.{kind}.in_progress", **position},
                {"type": f"response.{kind}.completed", **position},
            ]
            begun = {"id": id, "type": kind, "status": "in_progress"}
            item = {**begun, "status": "completed", "action": {"query": "q"}}
    added = {"type": "response.output_item.added", "output_index": at, "item": {**begun, "x_item": 1}}
    return [added, *rows, {"type": "response.output_item.done", "output_index": at, "item": item}], item


def _part(draw: st.DrawFn, position: Event, number: int, texts: list[str]) -> list[Event]:
    position = {**position, "content_index": number}
    whole = "".join(texts)
    deltas = [{"type": "response.output_text.delta", **position, "delta": text, "logprobs": []} for text in texts]
    return [
        {"type": "response.content_part.added", **position, "part": _text_part("")},
        *(deltas if draw(st.integers(0, 3)) else []),
        {"type": "response.output_text.done", **position, "text": whole, "logprobs": []},
        {"type": "response.content_part.done", **position, "part": _text_part(whole)},
    ]


def _text_part(text: str) -> Event:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _summary(position: Event, number: int, texts: list[str]) -> list[Event]:
    position = {**position, "summary_index": number}
    stem, whole = "response.reasoning_summary", "".join(texts)
    return [
        {"type": f"{stem}_part.added", **position, "part": {"type": "summary_text", "text": ""}},
        *({"type": f"{stem}_text.delta", **position, "delta": text} for text in texts),
        {"type": f"{stem}_text.done", **position, "text": whole},
        {"type": f"{stem}_part.done", **position, "part": {"type": "summary_text", "text": whole}},
    ]


def _call(draw: st.DrawFn, kind: str, position: Event) -> tuple[list[Event], Event, Event]:
    written, stem = (
        ("arguments", "function_call_arguments") if kind == "function_call" else ("input", "custom_tool_call_input")
    )
    arguments: Any = draw(ARGUMENTS)
    at = position["output_index"]
    begun = {"id": position["item_id"], "type": kind, "call_id": f"c{at}", "name": f"tool{at}", written: ""}
    rows: list[Event] = [
        {"type": f"response.{stem}.delta", **position, "delta": piece}
        for piece in (pieces(arguments) if draw(st.integers(0, 3)) else [])
    ]
    if draw(st.integers(0, 3)):
        rows.append({"type": f"response.{stem}.done", **position, written: arguments})
    return rows, begun, {**begun, written: arguments, "status": "completed"}
