"""A provider's Responses events, written by hand."""

from typing import Any

from tests.unit.dialects.native_streams import Event, NativeStream

FRAME: Event = {
    "id": "resp_1",
    "object": "response",
    "created_at": 5,
    "model": "gpt",
    "status": "in_progress",
    "output": [],
    "error": None,
    "incomplete_details": None,
    "usage": None,
    "tools": [],
    "metadata": {"team": "blue"},
}
USAGE: Event = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 15,
}


def created() -> list[Event]:
    return [{"type": f"response.{step}", "response": dict(FRAME)} for step in ("created", "in_progress")]


def ended(*output: Event, status: str = "completed", reason: str | None = None, **fields: Any) -> Event:
    details = {"reason": reason} if reason else None
    response = {**FRAME, "status": status, "incomplete_details": details, "output": list(output), "usage": USAGE}
    return {"type": f"response.{status}", "response": {**response, **fields}}


def added(item: Event, at: int = 0) -> Event:
    return {"type": "response.output_item.added", "output_index": at, "item": item}


def done(item: Event, at: int = 0) -> Event:
    return {"type": "response.output_item.done", "output_index": at, "item": item}


def message(text: str = "", at: int = 0, **fields: Any) -> Event:
    content = [text_part(text)] if text else []
    return {
        "id": f"msg_{at}",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": content,
        **fields,
    }


def text_part(text: str = "", **fields: Any) -> Event:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": [], **fields}


def part_added(at: int = 0, number: int = 0) -> Event:
    position = {"item_id": f"msg_{at}", "output_index": at, "content_index": number}
    return {"type": "response.content_part.added", **position, "part": text_part()}


def text_delta(text: str, at: int = 0, number: int = 0, **fields: Any) -> Event:
    position = {"item_id": f"msg_{at}", "output_index": at, "content_index": number}
    return {"type": "response.output_text.delta", **position, "delta": text, "logprobs": [], **fields}


def text_done(text: str, at: int = 0, number: int = 0, **part: Any) -> list[Event]:
    position = {"item_id": f"msg_{at}", "output_index": at, "content_index": number}
    return [
        {"type": "response.output_text.done", **position, "text": text, "logprobs": part.get("logprobs", [])},
        {"type": "response.content_part.done", **position, "part": text_part(text, **part)},
    ]


def text_events(*texts: str, at: int = 0) -> list[Event]:
    """A message, whole."""
    whole = "".join(texts)
    deltas = [text_delta(text, at) for text in texts]
    item = message(whole, at)
    return [added(message(at=at), at), part_added(at), *deltas, *text_done(whole, at), done(item, at)]


def call_item(arguments: Any = "", at: int = 0, name: str = "read", **fields: Any) -> Event:
    return {
        "id": f"fc_{at}",
        "type": "function_call",
        "call_id": f"c{at}",
        "name": name,
        "arguments": arguments,
        **fields,
    }


def called(*pieces: str, at: int = 0, name: str = "read", **fields: Any) -> list[Event]:
    """A call, whole."""
    position = {"item_id": f"fc_{at}", "output_index": at}
    stem, whole = "response.function_call_arguments", "".join(pieces)
    return [
        added(call_item(at=at, name=name, **fields), at),
        *({"type": f"{stem}.delta", **position, "delta": piece} for piece in pieces),
        {"type": f"{stem}.done", **position, "arguments": whole},
        done(call_item(whole, at, name, **fields), at),
    ]


def thought(*texts: str, at: int = 0, **fields: Any) -> list[Event]:
    """Reasoning with a summary of as many parts, whole."""
    item = {"id": f"rs_{at}", "type": "reasoning", "summary": []}
    rows = [added(item, at)]
    for number, text in enumerate(texts):
        position = {"item_id": f"rs_{at}", "output_index": at, "summary_index": number}
        part = {"type": "summary_text", "text": text}
        rows += [
            {"type": "response.reasoning_summary_part.added", **position, "part": {**part, "text": ""}},
            {"type": "response.reasoning_summary_text.delta", **position, "delta": text},
            {"type": "response.reasoning_summary_text.done", **position, "text": text},
            {"type": "response.reasoning_summary_part.done", **position, "part": part},
        ]
    summary = [{"type": "summary_text", "text": text} for text in texts]
    return [*rows, done({**item, "summary": summary, **fields}, at)]


def stream(*rows: Event | list[Event]) -> NativeStream:
    """Between `response.created` and, unless `rows` say one, `response.completed`; numbered."""
    events: list[Event] = created()
    for row in rows:
        events += row if isinstance(row, list) else [row]
    if not str(events[-1]["type"]).startswith(
        ("response.completed", "response.incomplete", "response.failed", "error")
    ):
        events.append(ended(*(event["item"] for event in events if event["type"] == "response.output_item.done")))
    for number, event in enumerate(events):
        event["sequence_number"] = number
    return NativeStream("openai_responses", [*events])
