"""No sequence of chunks makes a formatter emit an illegal stream."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.dialects import client_dialects
from app.dialects.passthrough import StreamFormatter
from app.errors import BreakerOpen
from app.messages import Dialect, ModelResponse, Received
from tests.unit.dialects.legality import AnthropicStream, OpenAIStream, check_anthropic, check_openai
from tests.unit.dialects.openai_responses.legality import ResponsesStream, check_responses
from tests.unit.dialects.samples import BOUNDED, call, chunk, chunks, request

streams = st.lists(chunks, max_size=6)


def _formatter(dialect: Dialect, n: int = 1, include_usage: bool = False) -> StreamFormatter:
    asked = request(dialect, n=n, include_usage=include_usage)
    return client_dialects()[dialect].formatter(asked, "txn", 1700000000)


def _check(dialect: Dialect, body: bytes) -> OpenAIStream | AnthropicStream | ResponsesStream:
    match dialect:
        case "openai_chat":
            return check_openai(body)
        case "anthropic_messages":
            return check_anthropic(body)
        case "openai_responses":
            return check_responses(body)
        case _:
            raise AssertionError(dialect)


@BOUNDED
@given(streams, st.integers(1, 3), st.booleans())
def test_openai_streams_are_legal_whatever_comes_in(stream: list[ModelResponse], n: int, include_usage: bool) -> None:
    formatter = _formatter("openai_chat", n, include_usage)
    body = b"".join([formatter.format(Received(chunk)) for chunk in stream])
    check_openai(body, include_usage, ended=False, n=n)
    check_openai(body + formatter.finish(), include_usage, n=n)


@BOUNDED
@given(streams)
def test_anthropic_streams_are_legal_whatever_comes_in(stream: list[ModelResponse]) -> None:
    formatter = _formatter("anthropic_messages")
    body = b"".join([formatter.format(Received(chunk)) for chunk in stream])
    check_anthropic(body, ended=False)
    check_anthropic(body + formatter.finish())


@BOUNDED
@given(streams)
def test_responses_streams_are_legal_whatever_comes_in(stream: list[ModelResponse]) -> None:
    formatter = _formatter("openai_responses")
    body = b"".join([formatter.format(Received(chunk)) for chunk in stream])
    check_responses(body, ended=False)
    check_responses(body + formatter.finish())


@pytest.mark.parametrize("dialect", client_dialects())
@BOUNDED
@given(stream=streams, at=st.integers(0, 8))
def test_an_error_is_a_legal_end_at_any_point(dialect: Dialect, stream: list[ModelResponse], at: int) -> None:
    formatter = _formatter(dialect)
    body = b"".join([formatter.format(Received(chunk)) for chunk in stream[:at]])
    body += formatter.keepalive() + formatter.fail(BreakerOpen("not now"))
    after = [formatter.format(Received(chunk)) for chunk in stream[at:]]
    after += [formatter.finish(), formatter.keepalive(), formatter.fail(BreakerOpen("again"))]
    assert not any(after)
    checked = _check(dialect, body)
    assert checked.error is not None
    assert checked.error["message"] == "not now"


@pytest.mark.parametrize("dialect", client_dialects())
@BOUNDED
@given(stream=streams)
def test_all_text_of_the_first_choice_arrives_in_order(dialect: Dialect, stream: list[ModelResponse]) -> None:
    formatter = _formatter(dialect)
    body = b"".join([formatter.format(Received(chunk)) for chunk in stream]) + formatter.finish()
    messages = [
        (choice.delta or choice.message)
        for chunk in stream
        for choice in chunk.choices
        if choice.index == 0 and (choice.delta or choice.message)
    ]
    contents = "".join(message.content or "" for message in messages if message)
    refusals = "".join(message.refusal or "" for message in messages if message)
    checked = _check(dialect, body)
    if isinstance(checked, OpenAIStream):
        choice = checked.choices[0]
        assert (choice.content, choice.refusal) == (contents, refusals)
    elif isinstance(checked, ResponsesStream):
        assert (checked.text(), checked.text("refusal")) == (contents, refusals)
    else:
        both = "".join((message.content or "") + (message.refusal or "") for message in messages if message)
        assert checked.text() == both


@pytest.mark.parametrize("dialect", client_dialects())
@BOUNDED
@given(stream=streams)
@example([chunk(tool_calls=(call('{"a":', 0, "a", "read"),)), chunk(content="Still."), chunk(refusal="No.")])
def test_a_stream_that_fails_has_all_of_the_answer_that_one_that_ends_has(
    dialect: Dialect, stream: list[ModelResponse]
) -> None:
    ended, failed = _formatter(dialect), _formatter(dialect)
    bodies = [b"".join([formatter.format(Received(chunk)) for chunk in stream]) for formatter in (ended, failed)]
    whole = _check(dialect, bodies[0] + ended.finish())
    assert _content(_check(dialect, bodies[1] + failed.fail(BreakerOpen("not now")))) == _content(whole)


def _content(checked: OpenAIStream | AnthropicStream | ResponsesStream) -> object:
    if isinstance(checked, OpenAIStream):
        texts = [(one.content, one.refusal, one.reasoning) for one in checked.choices.values()]
        calls = [(call["id"], call["arguments"] or "{}") for one in checked.choices.values() for call in one.calls]
        return [one for one in texts if any(one)], calls
    if isinstance(checked, ResponsesStream):
        return checked.text(), checked.text("refusal"), checked.thinking()
    return checked.blocks


@pytest.mark.parametrize("dialect", client_dialects())
def test_nothing_at_all_is_a_valid_empty_message(dialect: Dialect) -> None:
    checked = _check(dialect, _formatter(dialect).finish())
    if isinstance(checked, OpenAIStream):
        assert checked.choices[0].finish_reason == "stop"
    elif isinstance(checked, ResponsesStream):
        assert checked.response is not None
        assert (checked.response["status"], checked.response["output"]) == ("completed", [])
    else:
        assert checked.stop_reason == "end_turn"
        assert checked.blocks == []


@pytest.mark.parametrize("dialect", client_dialects())
def test_after_the_end_nothing_comes(dialect: Dialect) -> None:
    formatter = _formatter(dialect)
    formatter.finish()
    assert formatter.finish() + formatter.fail(BreakerOpen("late")) + formatter.keepalive() == b""
