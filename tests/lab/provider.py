"""The scripted provider of the laboratory: a `PlannedAnswer` says what a request gets, in the dialect of its route.

The answer of number N is chosen by a text `plan N` in the request, whatever became of it on its way.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tests.unit.dialects.native_streams import sse
from tests.unit.dialects.openai_responses.events import created, ended, message
from tests.unit.dialects.openai_responses.events import text_events as spoken
from tests.upstream import (
    Body,
    End,
    Fin,
    Head,
    Received,
    Rst,
    Script,
    Sleep,
    Stall,
    Step,
    anthropic_error,
    anthropic_events,
    json_reply,
    openai_completion,
    openai_error,
    openai_events,
)

Ending = Literal["proper", "fin", "rst", "stall", "error_event", "garbage", "giant"]
_PLAN = re.compile(rb"plan (\d+)")
_NOTHING_MORE: dict[Ending, Sequence[Step]] = {"fin": (Fin(),), "rst": (Rst(),), "stall": (Stall(),)}


@dataclass(frozen=True)
class PlannedAnswer:
    """`status` other than 200 is an error. A stream with another than its proper ending ends so after `events` events;
    a whole answer, after half of it."""

    words: tuple[str, ...] = ("Hello", " there")
    input_tokens: int = 5
    output_tokens: int = 2
    status: int = 200
    ending: Ending = "proper"
    events: int = 2
    pause: float = 0.0
    """Before the answer, in seconds."""
    piece: int = 0
    """Bytes of a stream that are written at once; 0 for an event."""


def number_of(request: Received) -> int | None:
    """The number of the plan that a request belongs to."""
    found = _PLAN.findall(request.body)
    return int(found[-1]) if found else None


def script_of(answer: PlannedAnswer, number: int, request: Received) -> Script:
    delay: list[Step] = [Sleep(answer.pause)] if answer.pause else []
    if answer.status != 200:
        error = anthropic_error if request.path.endswith("/messages") else openai_error
        return [*delay, *error(answer.status, "the laboratory's error")]
    if request.json().get("stream"):
        return [*delay, *_streamed(answer, events_of(answer, number, request.path))]
    return [*delay, *_whole(answer, whole_of(answer, number, request.path))]


def _streamed(answer: PlannedAnswer, events: list[bytes]) -> list[Step]:
    if answer.ending == "proper":
        return [Head(), *_bodies(events, answer.piece), End()]
    begun = events[: answer.events]
    match answer.ending:
        case "error_event":
            begun.append(
                b'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error", "message": "x"}}\n\n'
            )
        case "garbage":
            begun.append(b"data: {this is no JSON\n\n\x00\xff\xfe\n\n")
        case "giant":
            begun.append(b"data: " + b"a" * 300_000)
    return [Head(), *_bodies(begun, answer.piece), *_NOTHING_MORE.get(answer.ending, (End(),))]


def _bodies(events: list[bytes], size: int) -> list[Step]:
    if not size:
        return [Body(event) for event in events]
    data = b"".join(events)
    return [Body(data[start : start + size]) for start in range(0, len(data), size)]


def _whole(answer: PlannedAnswer, body: dict[str, Any]) -> list[Step]:
    head, whole = json_reply(body)
    assert isinstance(whole, Body)
    if answer.ending == "proper":
        return [head, whole]
    if answer.ending in ("garbage", "error_event"):
        return [head, Body(b"x" * len(whole.data))]
    return [head, Body(whole.data[: len(whole.data) // 2]), *_NOTHING_MORE.get(answer.ending, (Fin(),))]


def events_of(answer: PlannedAnswer, number: int, path: str) -> list[bytes]:
    """A stream of the path's dialect."""
    if path.endswith("/messages"):
        return _anthropic(answer, number)
    if path.endswith("/responses"):
        return _responses(answer, number)
    usage = _openai_usage(answer)
    if path.endswith("/chat/completions"):
        events = openai_events(*({"content": word} for word in answer.words), usage=usage)
        return [event.replace(b"chatcmpl-scripted", f"chatcmpl-{number}".encode()) for event in events]
    return _completions(answer, number)


def whole_of(answer: PlannedAnswer, number: int, path: str) -> dict[str, Any]:
    text, usage = "".join(answer.words), _openai_usage(answer)
    if path.endswith("/messages"):
        return {**_message(answer, number, [{"type": "text", "text": text}]), "stop_reason": "end_turn"}
    if path.endswith("/responses"):
        response: dict[str, Any] = _response_end(answer, number)["response"]
        return response
    if path.endswith("/embeddings"):
        vector = {"object": "embedding", "index": 0, "embedding": [0.25, -0.5]}
        counts = {"prompt_tokens": answer.input_tokens, "total_tokens": answer.input_tokens}
        return {"object": "list", "data": [vector], "model": "scripted", "usage": counts}
    if path.endswith("/chat/completions"):
        return {**openai_completion({"content": text}, usage=usage), "id": f"chatcmpl-{number}"}
    choice = {"index": 0, "text": text, "finish_reason": "stop", "logprobs": None}
    return {**_completion_frame(number), "choices": [choice], "usage": usage}


def _openai_usage(answer: PlannedAnswer) -> dict[str, int]:
    total = answer.input_tokens + answer.output_tokens
    return {
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": total,
    }


def _message(answer: PlannedAnswer, number: int, content: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": "claude-scripted",
        "content": content,
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": answer.input_tokens, "output_tokens": answer.output_tokens if content else 1},
    }


def _anthropic(answer: PlannedAnswer, number: int) -> list[bytes]:
    deltas = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
        for word in answer.words
    ]
    return anthropic_events(
        {"type": "message_start", "message": _message(answer, number, [])},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *deltas,
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": answer.output_tokens},
        },
        {"type": "message_stop"},
    )


def _responses(answer: PlannedAnswer, number: int) -> list[bytes]:
    events = [*created(), *spoken(*answer.words), _response_end(answer, number)]
    for at, event in enumerate(events):
        event["sequence_number"] = at
        if "response" in event:
            event["response"]["id"] = f"resp_{number}"
    return [sse("openai_responses", event) for event in events]


def _response_end(answer: PlannedAnswer, number: int) -> dict[str, Any]:
    total = answer.input_tokens + answer.output_tokens
    usage = {
        "input_tokens": answer.input_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": answer.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": total,
    }
    return ended(message("".join(answer.words)), usage=usage, id=f"resp_{number}")


def _completion_frame(number: int) -> dict[str, Any]:
    return {"id": f"cmpl-{number}", "object": "text_completion", "created": 1_700_000_000, "model": "scripted"}


def _completions(answer: PlannedAnswer, number: int) -> list[bytes]:
    frame = _completion_frame(number)
    texts = [{**frame, "choices": [{"index": 0, "text": word, "finish_reason": None}]} for word in answer.words]
    end = {**frame, "choices": [{"index": 0, "text": "", "finish_reason": "stop"}]}
    usage = {**frame, "choices": [], "usage": _openai_usage(answer)}
    return [*(sse("openai_chat", event) for event in [*texts, end, usage]), sse("openai_chat", "[DONE]")]
