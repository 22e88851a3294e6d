import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.dialects.errors import ProviderFailed
from app.dialects.finish_reasons import (
    WORDS,
    graver,
    meaning_of,
    reason_in,
    refuse_failed,
    refuse_unfinished,
    with_native_reasons,
)
from app.messages import Choice, Dialect, Function, Message, ModelResponse, ToolCall, Usage


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        ("stop", "stop"),
        ("STOP", "stop"),
        ("FINISH_REASON_STOP", "stop"),
        ("maxTokens", "length"),
        ("max-tokens", "length"),
        ("content_filter: RECITATION", "content_filter"),
        ("FinishReason.SAFETY", "content_filter"),
        ("error: content_filter", "failed"),
        ("TOOL_CALL", "tool_calls"),
        ("Insufficient_System_Resource", "failed"),
        ("FINISH_REASON_UNSPECIFIED", None),
        ("odd", None),
        ("", None),
        ("\N{SNOWMAN}", None),
        ("stop" * 1000, None),
    ],
)
def test_a_word_means_the_same_however_it_is_spelled(word: str, meaning: str | None) -> None:
    assert meaning_of(word) == meaning


def test_no_word_stands_in_the_table_twice() -> None:
    words = [word for words in WORDS.values() for word in words]
    assert len(words) == len(set(words))
    assert all(meaning_of(word) == meaning for meaning, words in WORDS.items() for word in words)


@pytest.mark.parametrize("value", [None, "", "null", "NULL", "None"])
def test_some_servers_write_that_there_is_no_reason(value: object) -> None:
    assert reason_in(value) is None


@pytest.mark.parametrize(
    ("before", "after", "graver_one"),
    [
        (None, "stop", "stop"),
        ("stop", None, "stop"),
        ("length", "stop", "length"),
        ("stop", "length", "length"),
        ("stop", "tool_calls", "tool_calls"),
        ("tool_calls", "stop", "tool_calls"),
        ("odd", "stop", "odd"),
        ("odd", "MAX_TOKENS", "MAX_TOKENS"),
        ("SAFETY", "length", "SAFETY"),
        ("content_filter", "abort", "abort"),
        ("end_turn", "stop", "stop"),
    ],
)
def test_of_two_reasons_the_graver_one_counts(before: str | None, after: str | None, graver_one: str) -> None:
    assert graver(before, after) == graver_one


def _ended(reason: str | None, **message: object) -> ModelResponse:
    choice = Choice(message=Message(**message), finish_reason=reason)  # type: ignore[arg-type]
    return ModelResponse(choices=(choice,), usage=Usage(3, 4))


def test_a_failed_answer_is_refused_with_what_it_said() -> None:
    with pytest.raises(ProviderFailed) as raised:
        refuse_failed(_ended("network_error", content="part"))
    assert raised.value.error["type"] == "network_error"
    assert raised.value.partial == _ended(None, content="part")


@pytest.mark.parametrize("reason", [None, "stop", "odd", "MAX_TOKENS", "SAFETY"])
def test_any_other_answer_is_given_back(reason: str | None) -> None:
    response = _ended(reason, content="part")
    assert refuse_failed(response) is response


@pytest.mark.parametrize("arguments", ["", "{}", '{"a": 1}'])
def test_without_a_reason_whole_calls_and_texts_are_an_answer(arguments: str) -> None:
    called = _ended(None, tool_calls=(ToolCall(0, "c", function=Function("f", arguments)),))
    for response in (called, _ended(None, content="all"), _ended(None, refusal="no"), _ended("length")):
        assert refuse_unfinished(response) is response


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"content": ""},
        {"reasoning_content": "hm"},
        {"content": "so", "tool_calls": (ToolCall(0, "c", function=Function("f", '{"a":')),)},
    ],
)
def test_without_a_reason_and_without_an_end_it_is_none(message: dict[str, object]) -> None:
    with pytest.raises(ProviderFailed):
        refuse_unfinished(_ended(None, **message))


def _native(dialect: Dialect, raw: bytes, response: ModelResponse) -> bytes:
    return with_native_reasons(dialect, raw, json.loads(raw), response)


def test_words_of_others_are_replaced_in_bytes_and_nothing_else_is() -> None:
    choice = b'[{"finish_reason" : "SAFETY", "native_finish_reason":"S"}]'
    body = b'{"x": "\\"finish_reason\\": \\"SAFETY\\"", "choices": %s}' % choice
    edited = _native("openai_chat", body, _ended("SAFETY"))
    assert edited == body.replace(b'"finish_reason" : "SAFETY"', b'"finish_reason" : "content_filter"')


@pytest.mark.parametrize("word", ["stop", "length", "tool_calls", "function_call", "content_filter", "odd", "null"])
def test_openais_own_words_and_unknown_ones_stay(word: str) -> None:
    body = b'{"choices":[{"finish_reason":"%s"}]}' % word.encode()
    assert _native("openai_chat", body, _ended(reason_in(word))) is body


@pytest.mark.parametrize(
    ("given", "reason", "word"),
    [
        ("stop_sequence", "stop", "stop_sequence"),
        ("pause_turn", "pause_turn", "pause_turn"),
        ("length", "length", "max_tokens"),
        ("end_turn", "length", "max_tokens"),
    ],
)
def test_claudes_words_stay_and_others_become_hers(given: str, reason: str, word: str) -> None:
    fields = b'{"stop_reason":"%s","stop_sequence":null}'
    for body in (fields, b'{"type":"message_delta","delta":%s}' % fields):
        assert _native("anthropic_messages", body % given.encode(), _ended(reason)) == body % word.encode()


def test_of_several_choices_each_word_is_read_by_itself() -> None:
    body = b'{"choices":[{"finish_reason":"SAFETY"},{"finish_reason":"STOP"},{"finish_reason":"stop"}]}'
    reasons = ("SAFETY", "STOP", "MAX_TOKENS")
    response = ModelResponse(choices=tuple(Choice(at, finish_reason=word) for at, word in enumerate(reasons)))
    words = [choice["finish_reason"] for choice in json.loads(_native("openai_chat", body, response))["choices"]]
    assert words == ["content_filter", "stop", "length"]


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["stop", "SAFETY", '"']),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["stop_reason", "finish_reason", "delta", "choices"]), inner, max_size=3)
    ),
    max_leaves=8,
)
_INPUTS = st.dictionaries(st.sampled_from(["stop_reason", "finish_reason", "type", "x"]), _VALUES, max_size=4)


@given(_INPUTS, st.sampled_from([None, 1]))
def test_what_a_tool_is_given_is_never_taken_for_a_reason(given_input: dict[str, Any], indent: int | None) -> None:
    message = {"content": [{"type": "tool_use", "input": given_input}], "stop_reason": "length", "x": given_input}
    raw = json.dumps(message, indent=indent).encode()
    expected = {**message, "stop_reason": "max_tokens"}
    assert json.loads(_native("anthropic_messages", raw, _ended("length"))) == expected

    choice = {"delta": {"content": json.dumps(given_input), "x": given_input}, "finish_reason": "SAFETY"}
    raw = json.dumps({"x": given_input, "choices": [choice], "y": given_input}, indent=indent).encode()
    expected = {"x": given_input, "choices": [{**choice, "finish_reason": "content_filter"}], "y": given_input}
    assert json.loads(_native("openai_chat", raw, _ended("SAFETY"))) == expected
