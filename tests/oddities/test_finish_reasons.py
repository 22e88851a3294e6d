"""Why an answer ended, in the words of providers: a cut answer, a filtered one and a failed one never look complete."""

import pytest

from tests.oddities.client_views import Call
from tests.oddities.table import (
    Case,
    Expected,
    Table,
    Way,
    chat_events,
    chat_whole,
    delta,
    messages_events,
    messages_whole,
    over,
    responses_whole,
    sse,
)
from tests.unit.dialects.openai_responses.events import created, ended, message, text_events
from tests.upstream import json_reply

_CUT = ("model_length", "MAX_TOKENS", "max_output_tokens", "maxTokens", "model_context_window_exceeded", "token_limit")
_FILTERED = ("sensitive", "SAFETY", "content_filter: RECITATION", "FinishReason.BLOCKLIST", "guardrail_intervened")
_FAILED = ("network_error", "insufficient_system_resource", "abort", "MALFORMED_FUNCTION_CALL", "error", "CANCELLED")
_GOOD = ("STOP", "eos", "end_turn", "COMPLETE", "stop_sequence")
_TEXT = "part of"
_BLOCK = ({"type": "text", "text": ""}, [{"type": "text_delta", "text": _TEXT}])
_BROKEN = Expected(error="broke off", outcome="upstream_error")
_UNFINISHED = Expected(error="without a finish reason", outcome="upstream_error")
_HALF_CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":'}}


def _chat(word: str, expected: Expected) -> Case:
    streamed = chat_events(delta(content=_TEXT), delta(finish=word))
    return Case(f"chat {word}", streamed, chat_whole({"content": _TEXT}, finish=word), expected)


def _claude(word: str, expected: Expected) -> Case:
    streamed, whole = messages_events(_BLOCK, stop=word), messages_whole([{"type": "text", "text": _TEXT}], stop=word)
    return Case(f"messages {word}", streamed, whole, expected, model="messages")


def _responses(status: str, reason: str | None, expected: Expected) -> Case:
    """A last event that says it is complete, whatever its response says."""
    last = ended(message(_TEXT), status=status, reason=reason)["response"]
    streamed = sse(*created(), *text_events(_TEXT), {"type": "response.completed", "response": last})
    whole = responses_whole(message(_TEXT), status=status, reason=reason)
    return Case(f"responses {status} {reason}", streamed, whole, expected, model="responses")


def _finished(finish: str) -> Expected:
    return Expected(text=_TEXT, finish=finish)


CASES = [
    *(_chat(word, _finished("length")) for word in _CUT),
    *(_chat(word, _finished("content_filter")) for word in _FILTERED),
    *(_chat(word, _finished("stop")) for word in _GOOD),
    *(_chat(word, _BROKEN) for word in _FAILED),
    _chat("odd_reason", _finished("odd_reason")),
    *(_claude(word, _finished("length")) for word in ("model_context_window_exceeded", "length", "MAX_TOKENS")),
    *(_claude(word, _finished("content_filter")) for word in ("refusal", "content_filtered", "guardrail_intervened")),
    *(_claude(word, _BROKEN) for word in ("error", "malformed_tool_use")),
    _claude("odd_reason", _finished("odd_reason")),
    _responses("incomplete", "max_output_tokens", _finished("length")),
    _responses("incomplete", "content_filter", _finished("content_filter")),
    _responses("failed", None, Expected(error="failed", outcome="upstream_error")),
    _responses("cancelled", None, Expected(error="cancelled", outcome="upstream_error")),
]


@over(CASES)
def test_a_reason_is_told_as_what_it_means(table: Table, case: Case, way: Way) -> None:
    table.check(case, way)


@pytest.mark.parametrize("word", ["pause_turn", "compaction"])
@pytest.mark.parametrize("stream", [True, False])
def test_claude_that_is_not_done_does_not_look_done(table: Table, word: str, stream: bool) -> None:
    case = _claude(word, Expected(text=_TEXT))
    assert table.check(case, Way("messages", stream, "no policy")).finish == word
    assert table.check(case, Way("chat", stream, "no policy")).finish == "length"
    assert table.check(case, Way("responses", stream, "looking")).finish == "length"


_SEVERAL = [
    Case(
        "a cut, then a good end",
        chat_events(delta(content=_TEXT), delta(finish="length"), delta(finish="stop")),
        None,
        _finished("length"),
    ),
    Case(
        "a good end, then a filter",
        chat_events(delta(content=_TEXT), delta(finish="stop"), delta(finish="content_filter")),
        None,
        _finished("content_filter"),
    ),
    Case(
        "a good end, then a failure",
        chat_events(delta(content=_TEXT), delta(finish="stop"), delta(finish="network_error")),
        None,
        _BROKEN,
    ),
    Case(
        "a cut, then a good end, of Claude's",
        sse(
            {
                "type": "message_start",
                "message": {"id": "m", "model": "c", "content": [], "usage": {"input_tokens": 1}},
            },
            {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 1}},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}},
            {"type": "message_stop"},
        ),
        None,
        Expected(finish="length"),
        model="messages",
    ),
]


@over(_SEVERAL)
def test_of_several_reasons_the_gravest_counts(table: Table, case: Case, way: Way) -> None:
    table.check(case, way)


_NONE = [
    Case("text", chat_events(delta(content=_TEXT)), None, _UNFINISHED),
    Case("half a call", chat_events(delta(tool_calls=[_HALF_CALL])), None, _UNFINISHED),
    Case("nothing but usage", chat_events(usage={"prompt_tokens": 1, "completion_tokens": 1}), None, _UNFINISHED),
    Case("null as a text", chat_events(delta(content=_TEXT, choice={"finish_reason": "null"})), None, _UNFINISHED),
    Case("half a call, whole", None, chat_whole({"content": None, "tool_calls": [_HALF_CALL]}, None), _UNFINISHED),
    Case("nothing, whole", None, chat_whole({"content": None}, None), _UNFINISHED),
    Case("Claude, nothing", messages_events(_BLOCK, stop=None), messages_whole([], None), _UNFINISHED, "messages"),
    Case(
        "an error without the word",
        sse({"code": 500, "message": "Internal server error"}, "[DONE]"),
        json_reply({"code": 500, "message": "Internal server error"}),
        Expected(error="Internal server error", outcome="upstream_error"),
    ),
]


@over(_NONE)
def test_an_answer_without_a_reason_is_no_answer(table: Table, case: Case, way: Way) -> None:
    table.check(case, way)


def test_what_was_said_beside_a_failure_is_not_lost(table: Table) -> None:
    choice = delta(content=" the last", finish="network_error")
    case = Case("last words", chat_events(delta(content=_TEXT), choice), None, _BROKEN)
    for client in ("chat", "messages", "responses"):
        assert table.check(case, Way(client, True, "no policy")).text == "part of the last"


def test_the_reason_of_a_whole_answer_may_be_missing_where_it_was_all_finished(table: Table) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    for client in ("messages", "responses"):
        way = Way(client, False, "no policy")
        table.check(Case("text", None, chat_whole({"content": "all"}, None), Expected(text="all", finish="stop")), way)
        script = chat_whole({"content": None, "tool_calls": [call]}, None)
        table.check(Case("call", None, script, Expected(calls=[Call("f")], finish="tool_calls")), way)
