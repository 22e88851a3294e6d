import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry import AttemptTarget, TelemetryOptions
from telemetry.recording.content import CaptureMode, Conversation
from telemetry.redact import scrub
from tests.unit.telemetry.fakes import (
    Bench,
    FakeCall,
    FakeChoice,
    FakeChunk,
    FakeFunction,
    FakeMessage,
    attributes_of,
    text_chunk,
)

ASKED = {
    "system_instructions": "be brief",
    "input_messages": [{"role": "user", "content": "what is sk-abcdefghijklmnop?"}],
    "tool_definitions": [{"name": "search"}],
}


def attribute(conversation: Conversation, name: str) -> object:
    return json.loads(str(conversation.attributes(scrub)[name]))


def call_chunk(name: str | None, arguments: str, index: int = 0) -> FakeChunk:
    call = FakeCall(index, None, FakeFunction(name, arguments))
    return FakeChunk((FakeChoice(delta=FakeMessage(tool_calls=(call,))),))


def test_an_answer_is_put_together_from_its_pieces() -> None:
    conversation = Conversation()
    conversation.answer(FakeChunk((FakeChoice(delta=FakeMessage(reasoning_content="hm")),)))
    for piece in ("hel", "lo"):
        conversation.answer(text_chunk(piece))
    for chunk in (call_chunk("search", '{"q"'), call_chunk(None, ': "x"}')):
        conversation.answer(chunk)
    conversation.answer(FakeChunk((FakeChoice(finish_reason="stop"),)))
    assert attribute(conversation, "gen_ai.output.messages") == [
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "hm"},
                {"type": "text", "content": "hello"},
                {"type": "tool_call", "name": "search", "arguments": '{"q": "x"}'},
            ],
            "finish_reason": "stop",
        }
    ]


def test_each_choice_is_a_message() -> None:
    conversation = Conversation()
    for index in (0, 1):
        conversation.answer(FakeChunk((FakeChoice(index, message=FakeMessage(content=f"choice {index}")),)))
    messages = attribute(conversation, "gen_ai.output.messages")
    assert isinstance(messages, list)
    assert [message["parts"][0]["content"] for message in messages] == ["choice 0", "choice 1"]


@given(st.lists(st.text(max_size=4000), max_size=12))
def test_however_long_it_is_json_within_the_limit(pieces: list[str]) -> None:
    conversation = Conversation()
    conversation.ask({"input_messages": [{"content": piece} for piece in pieces]})
    for piece in pieces:
        conversation.answer(text_chunk(piece))
    for key, text in conversation.attributes(scrub).items():
        if isinstance(text, str):
            assert len(text) <= 8192, key
            json.loads(text)


def test_a_cut_is_said() -> None:
    conversation = Conversation()
    conversation.answer(text_chunk("x" * 100_000))
    assert conversation.attributes(scrub)["flowspan.content_truncated"] is True
    assert conversation.cut


@pytest.mark.parametrize("mode", ["none", "span", "event", "both"])
def test_content_goes_where_it_is_wanted_and_nowhere_else(mode: CaptureMode, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    bench = Bench(TelemetryOptions(capture_content=mode))
    obs = bench.open()
    asked = []

    def content() -> object:
        asked.append(1)
        return ASKED

    obs.recorder.request_received()
    obs.recorder.request_sent(content)
    attempt = obs.attempts.start(AttemptTarget(deployment="d", provider="openai", model="gpt-5", model_group="gpt-5"))
    obs.recorder.chunk_in(text_chunk("raw answer"))
    obs.recorder.chunk_out(text_chunk("clean answer"))
    attempt.end()
    obs.finish("ok", status=200)
    on_span = attributes_of(bench.transaction())
    on_attempt = attributes_of(bench.spans()["chat gpt-5"])
    wanted = mode in ("span", "both")
    assert ("gen_ai.input.messages" in on_span) is wanted
    assert bool(asked) is (mode != "none")
    if wanted:
        assert "sk-abcdefghijklmnop" not in str(on_span)
        assert json.loads(str(on_span["gen_ai.system_instructions"])) == "be brief"
        assert "clean answer" in str(on_span["gen_ai.output.messages"])
    # What no policy has seen yet is nowhere.
    assert "raw answer" not in str(on_span) + str(on_attempt)
    assert "messages" not in str(on_attempt)
    events = [record for record in caplog.records if "inference" in record.message]
    assert len(events) == (1 if mode in ("event", "both") else 0)


def test_content_that_cannot_be_made_is_a_defect_and_no_error() -> None:
    bench = Bench(TelemetryOptions(capture_content="span"))
    obs = bench.open()
    obs.recorder.request_sent(lambda: 1 / 0)
    obs.finish("ok", status=200)
    assert bench.value("flowspan_telemetry_items_dropped_total", signal="internal", reason="defect") == 1


@pytest.mark.parametrize("error_type", ["policy_blocked", "policy_failed", "policy_timeout"])
def test_of_what_a_policy_did_not_let_through_there_is_nothing(error_type: str) -> None:
    bench = Bench(TelemetryOptions(capture_content="both"))
    obs = bench.open()
    obs.recorder.request_sent(lambda: ASKED)
    obs.recorder.chunk_out(text_chunk("half of an answer"))
    obs.finish("policy_blocked", status=400, error_type=error_type)
    assert "messages" not in str(attributes_of(bench.transaction()))
