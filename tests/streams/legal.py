"""Whether an edited stream of a real provider is one that SDKs can read to its end, whatever the provider's own habits.

Stricter rules hold for what the gateway makes itself (tests/unit/dialects/legality.py); a provider's bytes that had
gone out before the edit break some of those: a role on each chunk, a missing finish reason, calls numbered from 1.
"""

import json
from typing import Any

from app.messages import Dialect
from tests.unit.dialects.openai_responses.legality import check_responses


def check(dialect: Dialect, body: bytes) -> None:
    if dialect == "openai_responses":
        # Its events say themselves what belongs together, and providers keep to it.
        check_responses(body, native=True, ours=False)
        return
    events = [_data(line) for line in body.replace(b"\r\n", b"\n").split(b"\n") if line.startswith(b"data:")]
    assert body.endswith(b"\n\n")
    if dialect != "anthropic_messages":
        assert events.pop() == "[DONE]"
        _check_openai(events)
    else:
        _check_anthropic(events)


def _data(line: bytes) -> Any:
    data = line.removeprefix(b"data:").strip()
    return "[DONE]" if data == b"[DONE]" else json.loads(data)


def _check_openai(events: list[Any]) -> None:
    finished: set[int] = set()
    opened: set[int] = set()
    for event in events:
        assert event != "[DONE]", "something after [DONE]"
        for choice in event["choices"]:
            index, delta = choice.get("index", 0), choice.get("delta") or {}
            opened.add(index)
            more = any(delta.values()) or choice.get("text")
            assert index not in finished or not more, "a delta after the finish reason"
            if choice.get("finish_reason"):
                finished.add(index)
    assert finished == opened, "a choice without a finish reason"


def _check_anthropic(events: list[Any]) -> None:
    kinds = [event["type"] for event in events]
    assert kinds[-2:] == ["message_delta", "message_stop"]
    assert kinds.count("message_stop") == 1
    begun, is_open = 0, False
    for event in events:
        match event["type"]:
            case "content_block_start":
                assert not is_open, "a block inside a block"
                assert event["index"] == begun, "block indexes are contiguous"
                begun, is_open = begun + 1, True
            case "content_block_delta":
                assert is_open
                assert event["index"] == begun - 1, "a delta for a block that is not open"
            case "content_block_stop":
                assert is_open
                assert event["index"] == begun - 1
                is_open = False
            case "message_delta":
                assert not is_open, "message_delta inside a block"
