"""Recorded streams to a client of another dialect: legal, and with all that has a counterpart."""

import json
import re
from typing import Any

from app.dialects import streaming_dialects
from app.messages import Dialect
from tests.streams.by_source import each_of
from tests.streams.recordings import SHORTENED, WHOLE, Recording, Summary, needs_recordings, summary_of
from tests.streams.sdks import final_message
from tests.unit.dialects.legality import check_anthropic, check_openai
from tests.unit.dialects.openai_responses.legality import check_responses
from tests.unit.dialects.samples import request

pytestmark = needs_recordings
_OF_OPENAI = [recording for recording in WHOLE if recording.dialect == "openai_chat"]
_OF_ANTHROPIC = [recording for recording in WHOLE if recording.dialect == "anthropic_messages"]

_OF_RESPONSES = [
    recording for recording in WHOLE if recording.dialect == "openai_responses" and recording.name not in SHORTENED
]

_TO_ANTHROPIC = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", None: "end_turn"}
_TO_OPENAI = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    # Claude is not done: a client that cannot ask it to go on is not told that it is.
    "pause_turn": "length",
    "compaction": "length",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


_TO_RESPONSES = {"length": "max_output_tokens", "content_filter": "content_filter"}
_FROM_RESPONSES = {"completed": "stop", "max_output_tokens": "length", "content_filter": "content_filter"}


def _rendered(recording: Recording, dialect: Dialect) -> bytes:
    formatter = streaming_dialects()[dialect].formatter(request(dialect, include_usage=True), "txn", 7)
    return b"".join([formatter.format(chunk) for chunk in recording.chunks]) + formatter.finish()


@each_of(_OF_OPENAI)
def test_an_openai_stream_tells_an_anthropic_client_the_same(recording: Recording) -> None:
    body = _rendered(recording, "anthropic_messages")
    message, theirs = check_anthropic(body), summary_of("openai_chat", recording.body)
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


@each_of(_OF_ANTHROPIC)
def test_an_anthropic_stream_tells_an_openai_client_the_same(recording: Recording) -> None:
    body = _rendered(recording, "openai_chat")
    stream, theirs = check_openai(body, include_usage=True), summary_of("anthropic_messages", recording.body)
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


@each_of([*_OF_OPENAI, *_OF_ANTHROPIC])
def test_a_stream_tells_a_responses_client_the_same(recording: Recording) -> None:
    body = _rendered(recording, "openai_responses")
    stream, theirs = check_responses(body), summary_of(recording.dialect, recording.body)
    assert stream.text() == theirs.text
    assert _calls(stream.calls()) == _calls(theirs.calls)
    assert stream.response is not None
    reason = theirs.finish_reason or "stop"
    word = _TO_RESPONSES.get(_TO_OPENAI[reason] if recording.dialect == "anthropic_messages" else reason)
    assert (stream.response["incomplete_details"] or {}).get("reason") == word
    if theirs.usage:
        usage = stream.response["usage"]
        assert (usage["input_tokens"], usage["output_tokens"]) == _counts(theirs)
    final = final_message("openai_responses", body)
    assert final["output_text"] == theirs.text


@each_of(_OF_RESPONSES)
def test_a_responses_stream_tells_an_openai_client_the_same(recording: Recording) -> None:
    body = _rendered(recording, "openai_chat")
    stream, theirs = check_openai(body, include_usage=True), summary_of("openai_responses", recording.body)
    choice = stream.choices[0]
    assert choice.content == theirs.text
    assert _calls(choice.calls) == _calls(theirs.calls)
    assert choice.finish_reason == ("tool_calls" if theirs.calls else _FROM_RESPONSES[theirs.finish_reason or ""])
    assert stream.usage is not None
    assert (stream.usage["prompt_tokens"], stream.usage["completion_tokens"]) == _counts(theirs)
    assert (final_message("openai_chat", body)["choices"][0]["message"]["content"] or "") == theirs.text


@each_of(_OF_RESPONSES)
def test_a_responses_stream_tells_an_anthropic_client_the_same(recording: Recording) -> None:
    body = _rendered(recording, "anthropic_messages")
    message, theirs = check_anthropic(body), summary_of("openai_responses", recording.body)
    assert message.text() == theirs.text
    ours = [{**call, "arguments": call["json"]} for call in message.calls()]
    assert _calls(ours) == _calls(theirs.calls)
    word = _TO_ANTHROPIC[_FROM_RESPONSES[theirs.finish_reason or ""]]
    assert message.stop_reason == ("tool_use" if theirs.calls else word)
    assert message.usage is not None
    cached = message.usage["cache_read_input_tokens"] + message.usage["cache_creation_input_tokens"]
    assert (message.usage["input_tokens"] + cached, message.usage["output_tokens"]) == _counts(theirs)


def _calls(calls: list[dict[str, Any]]) -> list[tuple[str, str, Any]]:
    return [(_given_id(call["id"]), call["name"], _parsed(call["arguments"])) for call in calls]


def _given_id(id: str) -> str:
    """A call's id; nothing where a provider only counts its calls, and the client has one of the gateway's."""
    return "" if re.fullmatch(r"call_\d|\w+_txn_\d", id) else id


def _counts(theirs: Summary) -> tuple[int, int]:
    """Tokens of all input, what a cache gave or took included, and of the output."""
    usage = theirs.usage
    cached = usage.get("cache_creation_input_tokens", 0) + usage.get("cache_read_input_tokens", 0)
    asked = usage.get("prompt_tokens", usage.get("input_tokens", 0) + cached)
    return asked, usage.get("completion_tokens", usage.get("output_tokens", 0))


def _parsed(arguments: str) -> Any:
    try:
        return json.loads(arguments or "{}")
    except ValueError:
        return arguments
