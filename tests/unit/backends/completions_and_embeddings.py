"""Requests of embeddings and legacy completions, and what a provider says to them."""

import json
from typing import Any

from app.dialects import openai_completions, openai_embeddings
from app.messages import Request

EMBEDDED: dict[str, Any] = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5]}],
    "model": "served",
    "usage": {"prompt_tokens": 3, "total_tokens": 3},
}
COMPLETED: dict[str, Any] = {
    "id": "cmpl-1",
    "object": "text_completion",
    "created": 7,
    "model": "served",
    "choices": [
        {"text": "A", "index": 0, "logprobs": None, "finish_reason": "stop"},
        {"text": "B", "index": 1, "logprobs": {"tokens": ["B"]}, "finish_reason": "length"},
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}


def embed(given: Any = "hello", **fields: Any) -> Request:
    """As the gateway hands it on: with the client's own bytes."""
    body = {"model": "m", "input": given, **fields}
    return openai_embeddings.decode_request(body, {}).with_raw(written(body))


def complete(prompt: Any = "hello", **fields: Any) -> Request:
    body = {"model": "m", "prompt": prompt, **fields}
    return openai_completions.decode_request(body, {}).with_raw(written(body))


def written(body: dict[str, Any]) -> bytes:
    """As no encoder of the gateway's would write it."""
    return json.dumps(body, indent=1, ensure_ascii=True).encode()


def text_events(*texts: str, finish: str | None = "stop", usage: bool = True, done: bool = True) -> list[bytes]:
    frame = {name: COMPLETED[name] for name in ("id", "object", "created", "model")}
    choices = [{"text": text, "index": 0, "logprobs": None, "finish_reason": None} for text in texts]
    if finish:
        choices.append({"text": "", "index": 0, "logprobs": None, "finish_reason": finish})
    events: list[dict[str, Any]] = [{**frame, "choices": [choice]} for choice in choices]
    if usage:
        events.append({**frame, "choices": [], "usage": COMPLETED["usage"]})
    sent = [b"data: " + json.dumps(event).encode() + b"\n\n" for event in events]
    return [*sent, b"data: [DONE]\n\n"] if done else sent
