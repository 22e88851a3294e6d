import pytest

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
from app.messages import Choice, Function, Message, ModelResponse, ToolCall, Usage


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


def test_words_of_others_are_replaced_in_bytes_and_nothing_else_is() -> None:
    choice = b'[{"finish_reason" : "SAFETY", "native_finish_reason":"S"}]'
    body = b'{"x": "\\"finish_reason\\": \\"SAFETY\\"", "choices": %s}' % choice
    edited = with_native_reasons("openai_chat", body, _ended("SAFETY"))
    assert edited == body.replace(b'"finish_reason" : "SAFETY"', b'"finish_reason" : "content_filter"')


@pytest.mark.parametrize("word", ["stop", "length", "tool_calls", "function_call", "content_filter", "odd"])
def test_openais_own_words_and_unknown_ones_stay(word: str) -> None:
    body = b'{"finish_reason":"%s"}' % word.encode()
    assert with_native_reasons("openai_chat", body, _ended(word)) == body


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
    body = b'{"stop_reason":"%s","stop_sequence":null}'
    assert with_native_reasons("anthropic_messages", body % given.encode(), _ended(reason)) == body % word.encode()


def test_of_several_choices_each_word_is_read_by_itself() -> None:
    body = b'[{"finish_reason":"SAFETY"},{"finish_reason":"STOP"}]'
    response = ModelResponse(choices=(Choice(0, finish_reason="SAFETY"), Choice(1, finish_reason="STOP")))
    expected = b'[{"finish_reason":"content_filter"},{"finish_reason":"stop"}]'
    assert with_native_reasons("openai_chat", body, response) == expected
