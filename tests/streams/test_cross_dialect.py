"""Recorded streams to a client of the other dialect: legal, and with all that has a counterpart."""

import json
from typing import Any

import pytest

from app.dialects import DIALECTS
from app.messages import Dialect
from tests.streams.recordings import WHOLE, Recording, needs_recordings, said
from tests.streams.sdks import final_message
from tests.unit.dialects.legality import check_anthropic, check_openai
from tests.unit.dialects.samples import request

pytestmark = needs_recordings
_OF_OPENAI = [recording for recording in WHOLE if recording.dialect == "openai_chat"]
_OF_ANTHROPIC = [recording for recording in WHOLE if recording.dialect == "anthropic_messages"]

_TO_ANTHROPIC = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", None: "end_turn"}
_TO_OPENAI = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "compaction": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def _rendered(recording: Recording, dialect: Dialect) -> bytes:
    formatter = DIALECTS[dialect].formatter(request(dialect, include_usage=True), "txn", 7)
    return b"".join([formatter.format(chunk) for chunk in recording.chunks]) + formatter.finish()


@pytest.mark.parametrize("recording", _OF_OPENAI, ids=lambda recording: recording.name)
def test_an_openai_stream_tells_an_anthropic_client_the_same(recording: Recording) -> None:
    body = _rendered(recording, "anthropic_messages")
    message, theirs = check_anthropic(body), said("openai_chat", recording.body)
    assert message.text() == theirs.text
    ours = [(call["id"], call["name"], _parsed(call["json"])) for call in message.calls()]
    assert ours == [(call["id"], call["name"], _parsed(call["arguments"])) for call in theirs.calls]
    expected = "tool_use" if theirs.calls and theirs.finish_reason == "stop" else _TO_ANTHROPIC[theirs.finish_reason]
    assert message.stop_reason == expected
    assert message.usage is not None
    if theirs.usage:
        cached = message.usage["cache_read_input_tokens"] + message.usage["cache_creation_input_tokens"]
        assert message.usage["input_tokens"] + cached == theirs.usage["prompt_tokens"]
        assert message.usage["output_tokens"] == theirs.usage["completion_tokens"]
    final = final_message("anthropic_messages", body)
    assert "".join(block["text"] for block in final["content"] if block["type"] == "text") == theirs.text


@pytest.mark.parametrize("recording", _OF_ANTHROPIC, ids=lambda recording: recording.name)
def test_an_anthropic_stream_tells_an_openai_client_the_same(recording: Recording) -> None:
    body = _rendered(recording, "openai_chat")
    stream, theirs = check_openai(body, include_usage=True), said("anthropic_messages", recording.body)
    choice = stream.choices[0]
    assert choice.content == theirs.text
    ours = [(call["id"], call["name"], _parsed(call["arguments"])) for call in choice.calls]
    assert ours == [(call["id"], call["name"], _parsed(call["arguments"])) for call in theirs.calls]
    assert choice.finish_reason == _TO_OPENAI[theirs.finish_reason or ""]
    assert stream.usage is not None
    usage = theirs.usage
    read, written = usage.get("cache_read_input_tokens", 0), usage.get("cache_creation_input_tokens", 0)
    assert stream.usage["prompt_tokens"] == usage.get("input_tokens", 0) + read + written
    assert stream.usage["prompt_tokens_details"]["cached_tokens"] == read
    assert stream.usage["completion_tokens"] == usage["output_tokens"]
    final = final_message("openai_chat", body)
    assert (final["choices"][0]["message"]["content"] or "") == theirs.text


def _parsed(arguments: str) -> Any:
    try:
        return json.loads(arguments or "{}")
    except ValueError:
        return arguments
