"""Prompts and answers as attributes: their shape, what is blotted out, and what is left out of much."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry import AttemptTarget, ObservabilityContext, TelemetryOptions
from telemetry.logs.records import CleanRecord
from telemetry.names import CaptureMode
from telemetry.names.spans import SpanChoice
from telemetry.recording.content import Conversation, JsonText, Prompt
from telemetry.recording.content_attributes import rendered
from telemetry.recording.excerpts import LeftOut, encoded_list, excerpt
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

LIMIT = 8192
KEY = "sk-abcdefghijklmnop"


def message(text: str, role: str = "user") -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


ASKED = Prompt(
    system=[{"type": "text", "content": "be brief"}],
    messages=[message(f"what is {KEY}?")],
    tools=[{"type": "function", "name": "search"}],
)


def conversation(prompt: Prompt = ASKED, limit: int = LIMIT) -> Conversation:
    return Conversation(prompt, limit)


def attribute(given: Conversation, name: str) -> Any:
    return json.loads(str(rendered(given, scrub).attributes[name]))


def call_chunk(name: str | None, arguments: str, index: int = 0, id: str | None = None) -> FakeChunk:
    call = FakeCall(index, id, FakeFunction(name, arguments))
    return FakeChunk((FakeChoice(delta=FakeMessage(tool_calls=(call,))),))


def test_an_answer_is_put_together_from_its_pieces_in_their_order() -> None:
    given = conversation()
    given.add(FakeChunk((FakeChoice(delta=FakeMessage(reasoning_content="hm")),)))
    for piece in ("hel", "lo"):
        given.add(text_chunk(piece))
    for chunk in (
        call_chunk("search", '{"q"', 0, "call_1"),
        call_chunk("look", "{}", 1, "call_2"),
        call_chunk(None, ': "x"}', 0),
        call_chunk("search", "not JSON", 0, "call_3"),
    ):
        given.add(chunk)
    given.add(text_chunk("bye"))
    given.add(FakeChunk((FakeChoice(finish_reason="tool_calls"),)))
    assert attribute(given, "gen_ai.output.messages") == [
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "hm"},
                {"type": "text", "content": "hello"},
                {"type": "tool_call", "id": "call_1", "name": "search", "arguments": {"q": "x"}},
                {"type": "tool_call", "id": "call_2", "name": "look", "arguments": {}},
                {"type": "tool_call", "id": "call_3", "name": "search", "arguments": "not JSON"},
                {"type": "text", "content": "bye"},
            ],
            "finish_reason": "tool_call",
        }
    ]


def test_each_choice_is_a_message() -> None:
    given = conversation()
    for index in (1, 0):
        given.add(FakeChunk((FakeChoice(index, message=FakeMessage(content=f"choice {index}")),)))
    messages = attribute(given, "gen_ai.output.messages")
    assert [one["parts"][0]["content"] for one in messages] == ["choice 0", "choice 1"]
    # Nobody says why it ended: it was broken off.
    assert {one["finish_reason"] for one in messages} == {"error"}


texts = st.text(st.characters(codec="utf-8") | st.sampled_from('"\\\n\x00…'), max_size=4000)


@given(st.lists(texts, max_size=12), st.sampled_from([1, 2, 30, 200, 1000, 8192]), st.integers(0, 3))
def test_however_much_it_is_json_within_the_limit(pieces: list[str], limit: int, missing: int) -> None:
    messages: list[Any] = [message(piece, "system" if at < 2 else "user") for at, piece in enumerate(pieces)]
    if missing and messages:
        messages.insert(1, LeftOut(missing))
    tools = [{"type": "function", "name": "f", "description": piece, "parameters": {"a": piece}} for piece in pieces]
    system = [{"type": "text", "content": piece} for piece in pieces]
    given = conversation(Prompt(system=system, messages=messages, tools=tools), limit)
    for piece in pieces:
        given.add(text_chunk(piece))
    given.add(call_chunk("f", json.dumps({"a": pieces})))
    for key, text in rendered(given, scrub).attributes.items():
        if isinstance(text, str):
            assert len(text.encode()) <= limit, key
            assert isinstance(json.loads(text), list)


def test_of_a_long_conversation_the_ends_stay() -> None:
    messages = [message("you are a clerk", "system"), message("the task")]
    messages += [message(f"step {number} {'x' * 500}") for number in range(100)] + [
        message("y" * 300_000),
        message("last"),
    ]
    given = conversation(Prompt(messages=messages))
    found = rendered(given, scrub)
    kept = [one["parts"][0]["content"] for one in json.loads(str(found.attributes["gen_ai.input.messages"]))]
    assert kept == ["you are a clerk", "the task", "[101 messages left out]", "last"]
    assert found.attributes["flowspan.content_truncated"] is True


def test_of_a_long_text_the_ends_stay() -> None:
    text = f"begins {'x' * 100_000} ends"
    found = rendered(conversation(Prompt(messages=[message("task"), message(text)])), scrub)
    first, last = json.loads(str(found.attributes["gen_ai.input.messages"]))
    assert first["parts"][0]["content"] == "task"
    content = last["parts"][0]["content"]
    assert (content[:6], content[-4:]) == ("begins", "ends")
    assert len(content) > LIMIT // 3
    assert "characters left out" in content
    assert found.is_cut


@pytest.mark.parametrize("lengths", [(30, 55, 5000), (5000, 30, 50), (30, 5000, 50), (5000, 5000, 50), (5000, 5000)])
def test_long_texts_have_the_room_that_short_ones_leave(lengths: tuple[int, ...]) -> None:
    """A limit such as Tempo's: a short question behind a long system prompt is no reason to show little of that."""
    encoded, _ = encoded_list([message("x" * length) for length in lengths], 2048, lambda count: message("-"), lead=2)
    kept = [one["parts"][0]["content"] for one in json.loads(encoded)]
    assert [text for text, length in zip(kept, lengths, strict=True) if length < 100] == [
        "x" * length for length in lengths if length < 100
    ]
    assert 1800 < len(encoded) <= 2048


def test_a_short_message_is_never_replaced_by_a_longer_note() -> None:
    items = [message("a"), message("b"), message("c" * 513)]
    encoded, _ = encoded_list(items, 500, lambda count: message(f"[{count} messages left out]"), lead=2)
    assert [one["parts"][0]["content"][:1] for one in json.loads(encoded)] == ["a", "b", "c"]


def test_what_is_missing_between_is_counted_once() -> None:
    items = [message("a"), LeftOut(40), *(message("b" * 400) for _ in range(10)), message("c")]
    encoded, is_cut = encoded_list(items, 2000, lambda count: message(f"missing: {count}"))
    kept = json.loads(encoded)
    missing = 51 - (len(kept) - 2)
    assert [one["parts"][0]["content"] for one in kept][:2] == ["a", f"missing: {missing}"]
    assert is_cut


def test_an_excerpt_says_how_much_is_missing() -> None:
    cut = excerpt("a" * 1000 + "b" * 1000, 100)
    before, note, behind = cut.partition(" [… ")[0], cut.partition(" [… ")[2], cut.rpartition("] ")[2]
    assert int(note.split()[0].replace(",", "")) == 2000 - len(before) - len(behind)
    assert len(cut) <= 100


def test_tools_that_are_too_much_lose_their_schemas_first() -> None:
    tools = [{"type": "function", "name": f"tool_{n}", "parameters": {"big": "x" * 3000}} for n in range(5)]
    found = attribute(conversation(Prompt(tools=tools)), "gen_ai.tool.definitions")
    assert found == [{"type": "function", "name": f"tool_{n}"} for n in range(5)]


@pytest.mark.parametrize(
    "arguments",
    [
        f'{{"q": "{KEY}"}}',
        '{"password": "hunter2-hunter2", "n": 5}',
        '{"nested": [{"api_key": "hunter2-hunter2"}]}',
        '{"access_token": 123456789, "ok": null}',
        '{"password": null, "url": "http://host", "mail": "b:c@d"}',
        f"not JSON {KEY}",
        '{"pem": "-----BEGIN RSA PRIVATE KEY-----\\nabc"}',
    ],
)
def test_keys_in_arguments_are_blotted_out_and_json_stays_json(arguments: str) -> None:
    given = conversation(
        Prompt(messages=[{"role": "assistant", "parts": [{"type": "tool_call", "arguments": JsonText(arguments)}]}])
    )
    given.add(call_chunk("f", arguments))
    for name, text in rendered(given, scrub).attributes.items():
        assert not any(secret in str(text) for secret in (KEY, "hunter2", "123456789", "abc")), name
        json.loads(str(text))


def capture(obs: ObservabilityContext, prompt: Callable[[int], Prompt] = lambda limit: ASKED) -> None:
    obs.event("request.received", {})
    obs.event("request.sent", {})
    obs.capture(prompt)


@pytest.mark.parametrize("mode", ["none", "span", "event", "both"])
@pytest.mark.parametrize("size", [1, 100_000])
def test_content_goes_where_it_is_wanted_and_nowhere_else(
    mode: CaptureMode, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    bench = Bench(TelemetryOptions(capture_content=mode, openinference=True))
    obs = bench.open()
    asked = []

    def prompt(limit: int) -> Prompt:
        asked.append(limit)
        return ASKED

    capture(obs, prompt)
    for name in ("failed", "gpt-5"):
        attempt = obs.attempts.start(AttemptTarget(deployment="d", provider="openai", model=name, model_group="gpt-5"))
        obs.recorder.chunk_in()
        attempt.end()
    obs.recorder.chunk_out(text_chunk("clean answer" * size))
    bench.clock.advance(1)
    obs.finish("ok", status=200)
    bench.telemetry.close()
    on_span = attributes_of(bench.transaction())
    on_attempt = attributes_of(bench.spans()["chat gpt-5"])
    wanted = mode in ("span", "both")
    assert "messages" not in str(on_span) + str(attributes_of(bench.spans()["chat failed"]))
    assert ("gen_ai.input.messages" in on_attempt) is wanted
    assert bool(asked) is (mode != "none")
    if wanted:
        assert KEY not in str(on_attempt)
        assert json.loads(str(on_attempt["gen_ai.system_instructions"])) == [{"type": "text", "content": "be brief"}]
        assert "clean answer" in str(on_attempt["gen_ai.output.messages"])
        assert on_span["input.value"] == on_attempt["input.value"] == "what is [redacted]?"
        assert str(on_span["output.value"]).startswith("clean answer")
    assert on_span["openinference.span.kind"] == "CHAIN"
    # What no policy has seen yet is nowhere.
    assert "raw answer" not in str(on_span) + str(on_attempt)
    # The attempt's span is kept back, and not made longer by it.
    assert (bench.spans()["chat gpt-5"].end_time or 0) + 10**9 == bench.transaction().end_time
    events = [record for record in caplog.records if "inference" in record.message]
    assert len(events) == (1 if mode in ("event", "both") else 0)


@pytest.mark.parametrize("spans", ["all", "attempts", "transaction"])
@pytest.mark.parametrize("attempts", [0, 1])
def test_the_first_span_that_is_exported_bears_the_content(spans: SpanChoice, attempts: int) -> None:
    bench = Bench(TelemetryOptions(capture_content="span", spans=spans))
    obs = bench.open()
    capture(obs)
    for _ in range(attempts):
        obs.attempts.start(AttemptTarget(deployment="d", provider="openai", model="gpt-5", model_group="gpt-5")).end()
    obs.finish("ok", status=200)
    [bearer] = [name for name, span in bench.spans().items() if "gen_ai.input.messages" in attributes_of(span)]
    assert bearer.startswith("chat") is (attempts == 1 and spans != "transaction")


def test_an_event_has_all_of_a_large_content(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    bench = Bench(TelemetryOptions(capture_content="event"))
    obs = bench.open()
    capture(obs, lambda limit: Prompt(messages=[message("x" * 100_000)], size=100_000))
    obs.finish("ok", status=200)
    bench.telemetry.close()
    [event] = [record for record in caplog.records if "inference" in record.message]
    assert isinstance(event, CleanRecord)
    fields: Any = event.fields
    assert len(json.loads(fields["gen_ai.input.messages"])[0]["parts"][0]["content"]) == 100_000
    assert fields["trace_id"]


def test_content_that_cannot_be_made_is_a_defect_and_no_error() -> None:
    bench = Bench(TelemetryOptions(capture_content="span"))
    obs = bench.open()

    def broken(limit: int) -> Prompt:
        raise ZeroDivisionError

    capture(obs, broken)
    obs.finish("ok", status=200)
    assert bench.value("flowspan_telemetry_items_dropped_total", signal="internal", reason="defect") == 1


def test_content_that_is_too_much_to_wait_is_lost_and_counted_and_the_span_is_not() -> None:
    bench = Bench(TelemetryOptions(capture_content="span"))
    obs = bench.open()
    capture(obs, lambda limit: Prompt(messages=[message("x")], size=65 * 1024**2))
    obs.finish("ok", status=200)
    assert "messages" not in str(attributes_of(bench.transaction()))
    assert bench.value("flowspan_telemetry_items_dropped_total", signal="content", reason="queue_full") == 1


@pytest.mark.parametrize("error_type", ["policy_blocked", "policy_failed", "policy_timeout"])
def test_of_what_a_policy_did_not_let_through_there_is_nothing(error_type: str) -> None:
    bench = Bench(TelemetryOptions(capture_content="both", openinference=True))
    obs = bench.open()
    capture(obs)
    obs.attempts.start(AttemptTarget(deployment="d", provider="openai", model="gpt-5", model_group="gpt-5"))
    obs.recorder.chunk_out(text_chunk("half of an answer"))
    obs.finish("policy_blocked", status=400, error_type=error_type)
    everything = str([attributes_of(span) for span in bench.spans().values()])
    assert len(bench.spans()) == 2
    assert "messages" not in everything
    assert "half" not in everything
