"""Recordings made by hand, for tests to change one thing of, in a store in memory."""

import json
from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from app.recorder.opening import open_store
from app.recorder.recorder import Recorder
from app.recorder.recording import Body, Entry, Recording
from app.settings import RecorderSettings

BEGAN = 1_764_460_800.0


def entry(number: int = 0, **changed: Any) -> Entry:
    made = Entry(
        transaction_id=f"txn_{number:06d}",
        trace_id=f"{number:032x}",
        started_at=BEGAN + number,
        duration_s=1.5,
        api="openai_chat",
        path="/v1/chat/completions",
        method="POST",
        model="chat",
        provider="simulated",
        outcome="ok",
        status=200,
        title=f"question {number}",
    )
    return replace(made, **changed)


def recorder_with(entries: Iterable[Entry]) -> Recorder:
    settings = RecorderSettings(store="memory")
    store = open_store(settings)
    store.write([Recording(entry=one, request=_request_of(one)) for one in entries])
    return Recorder(store, settings)


def _request_of(one: Entry) -> Body:
    data = json.dumps({"model": one.model, "messages": [{"role": "user", "content": one.title}]}).encode()
    return Body(data=data, size=len(data))
