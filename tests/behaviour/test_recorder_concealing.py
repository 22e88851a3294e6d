"""What `redact` takes out is in no recording, however it came: in requests, whole answers and streams."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from app.recorder.concealing import masked_request
from app.recorder.recording import Recording
from app.settings import RecorderSettings
from tests.behaviour.clients import CHAT, MESSAGES, RESPONSES, RawClient, ask, post
from tests.behaviour.gateway import configuration
from tests.behaviour.provider import Provider
from tests.behaviour.recorded import RecordingGateway, data_of, recording_gateway
from tests.behaviour.scripted import call_events, models, text_reply, text_stream
from tests.behaviour.test_recorder import body_sent
from tests.upstream import (
    Received,
    Stall,
    Step,
    anthropic_ending,
    anthropic_events,
    anthropic_start,
    json_reply,
    openai_completion,
    openai_error,
    openai_events,
    stream_of,
)

EMAIL = "ada@lovelace.org"
KEY = "sk-ant-api03-0123456789abcdefghij"
REDACT = "  policies: [{use: redact}]\n"
SPLITS = [(EMAIL[:at], EMAIL[at:]) for at in range(1, len(EMAIL))] + [tuple(EMAIL)]


@pytest.fixture(scope="module")
def gateway(provider: Provider) -> Iterator[RecordingGateway]:
    with recording_gateway([*models(provider, "direct"), "sim: {model: simulated/echo}"], REDACT) as running:
        yield running


def texts_in(value: Any) -> Iterator[str]:
    """Every string in JSON, and what they are together."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from texts_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts_in(inner)


def events_in(data: bytes) -> list[Any]:
    """The JSON of a body: whole, or of each event."""
    if data[:1] in (b"{", b"["):
        return [json.loads(data)]
    lines = [line[5:].strip() for line in data.split(b"\n") if line.startswith(b"data:")]
    return [json.loads(line) for line in lines if line.startswith(b"{")]


def assert_nowhere(recording: Recording, *values: str) -> None:
    encoded = msgspec.msgpack.encode(recording)
    bodies = [recording.request.data, data_of(recording.answer)]
    bodies += [body for one in recording.attempts for body in (one.request.data, data_of(one.answer))]
    for value in values:
        assert value.encode() not in encoded
        for body in bodies:
            texts = [text for event in events_in(body) for text in texts_in(event)]
            # However it was split: no text, and no run of texts of any one event stream, has it.
            deltas = [text for text in texts if len(text) <= len(value)]
            assert value not in "".join(texts), body
            assert value not in "".join(deltas), body


def thinking_stream(*pieces: str) -> list[Step]:
    deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces]
    return list(
        stream_of(
            anthropic_events(
                anthropic_start(),
                {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
                *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
                {"type": "content_block_stop", "index": 0},
                *anthropic_ending(),
            )
        )
    )


def beside_responses(script: list[Step]) -> Callable[[int, Received], list[Step]]:
    """The script of a provider that has no Responses API."""
    refusal = openai_error(404, "no such route")
    return lambda _, request: refusal if request.path.endswith("/responses") else script


@pytest.mark.parametrize("path", [CHAT, MESSAGES, RESPONSES])
@pytest.mark.parametrize("model", ["oai", "ant"])
def test_a_value_split_at_any_position_is_in_no_recording(
    gateway: RecordingGateway, provider: Provider, path: str, model: str
) -> None:
    for split in SPLITS:
        script = list(text_stream(model, words=("write to ", *split, " today")))
        provider.play(beside_responses(script))
        reply = post(gateway, path, ask(model, path, stream=True))

        recording = gateway.recordings.of(reply.request_id)

        assert_nowhere(recording, EMAIL)
        assert recording.concealed == ("redact",)
        sent, kept = body_sent(script), data_of(recording.attempts[0].answer)
        assert len(kept) == len(sent)
        assert [list(event) for event in events_in(kept)] == [list(event) for event in events_in(sent)]
        assert "write to " in "".join(texts_in(events_in(kept)))
        assert " today" in list(texts_in(events_in(kept)))
        assert data_of(recording.answer) == reply.body


def test_values_in_thinking_and_in_calls_are_in_no_recording(gateway: RecordingGateway, provider: Provider) -> None:
    arguments = json.dumps({"to": EMAIL, "text": f"the key is {KEY}"})
    for at in range(1, len(EMAIL)):
        for script in (
            thinking_stream("ask ", EMAIL[:at], EMAIL[at:]),
            list(stream_of(openai_events({"reasoning_content": EMAIL[:at]}, {"reasoning_content": EMAIL[at:]}))),
        ):
            provider.play(script)
            model = "ant" if "thinking" in body_sent(script).decode() else "oai"
            reply = post(gateway, MESSAGES, ask(model, MESSAGES, stream=True))
            assert_nowhere(gateway.recordings.of(reply.request_id), EMAIL)
    for model in ("oai", "ant"):
        provider.play(stream_of(call_events(model, 7, arguments)))
        reply = post(gateway, CHAT, ask(model, stream=True))
        assert_nowhere(gateway.recordings.of(reply.request_id), EMAIL, KEY)


def test_whole_answers_keep_what_is_left_of_them(gateway: RecordingGateway, provider: Provider) -> None:
    provider.play(json_reply(openai_completion({"content": f"Write to {EMAIL} today."})))
    reply = post(gateway, CHAT, ask("oai"))

    recording = gateway.recordings.of(reply.request_id)

    assert_nowhere(recording, EMAIL)
    [answer] = events_in(data_of(recording.attempts[0].answer))
    assert answer["choices"][0]["message"]["content"] == f"Write to {'*' * len(EMAIL)} today."


@pytest.mark.parametrize("path", [CHAT, MESSAGES, RESPONSES])
def test_requests_keep_what_the_policies_let_pass(gateway: RecordingGateway, provider: Provider, path: str) -> None:
    text = f"I am {EMAIL}, and who are you? \u00e9"
    reply = post(gateway, path, ask("sim", path, text, stream=True, metadata={"user_id": f"x {EMAIL}"}))

    recording = gateway.recordings.of(reply.request_id)

    assert_nowhere(recording, EMAIL)
    assert (recording.request_changed, recording.concealed) == (True, ("redact",))
    [body] = events_in(recording.request.data)
    assert f"I am {'*' * len(EMAIL)}, and who are you? \u00e9" in list(texts_in(body))
    assert recording.entry.title.startswith("I am ***")


def test_nothing_is_masked_where_nothing_was_taken_out(gateway: RecordingGateway, provider: Provider) -> None:
    script = list(text_stream("oai"))
    provider.play(beside_responses(script))
    for path in (CHAT, MESSAGES, RESPONSES):
        recording = gateway.recordings.of(post(gateway, path, ask("oai", path, stream=True)).request_id)

        assert recording.concealed == ()
        assert data_of(recording.attempts[0].answer) == body_sent(script)
        assert "hello there" in list(texts_in(events_in(recording.request.data)))


def test_what_no_policy_has_judged_yet_is_masked(gateway: RecordingGateway, provider: Provider) -> None:
    """A request that is refused before the policies read it, and the end of a stream that its client left."""
    refused = post(gateway, CHAT, ask("unknown", text=f"I am {EMAIL}"))
    broken = post(gateway, CHAT, b'{"model": "oai", "messages": [{"role": "user", "content": "' + EMAIL.encode())
    provider.play([*list(text_stream("oai", words=("It is ", EMAIL)))[:4], Stall()])
    for reply in (refused, broken):
        assert EMAIL.encode() not in gateway.recordings.of(reply.request_id).request.data
    seen = len(gateway.recordings)
    with RawClient(gateway) as client:
        client.post(CHAT, ask("oai", stream=True))
        client.read_until(b"It is")
        assert all(EMAIL.encode() not in one.request.data for one in gateway.capture.under_way())
    assert_nowhere(gateway.recordings.next(seen), EMAIL)


def test_an_operator_may_have_all_in_clear(provider: Provider) -> None:
    provider.play(text_reply("oai"))
    settings = RecorderSettings(concealed="clear")
    with RecordingGateway(configuration(models(provider, "direct"), REDACT), settings) as gateway:
        recording = gateway.recordings.of(post(gateway, CHAT, ask("oai", text=EMAIL)).request_id)
    assert EMAIL.encode() in recording.request.data
    assert recording.concealed == ()


def test_each_of_many_changed_texts_keeps_what_is_left_of_it_in_little_time() -> None:
    asked = {
        "messages": [{"role": "user", "content": f"{number}: mail {EMAIL} {'x' * 200}"} for number in range(3_000)]
    }
    texts = [f"{number}: mail [EMAIL] {'x' * 200}" for number in range(3_000)]
    began = time.monotonic()

    kept = masked_request(json.dumps(asked).encode(), texts)

    assert time.monotonic() - began < 5
    assert EMAIL.encode() not in kept
    assert [one["content"][:-200] for one in json.loads(kept)["messages"]] == [
        f"{number}: mail {'*' * len(EMAIL)} " for number in range(3_000)
    ]


def test_who_looks_at_a_conversation_has_no_other_request_masked(provider: Provider) -> None:
    provider.play([*list(text_stream("oai", words=("It is ", EMAIL)))[:4], Stall()])
    with recording_gateway(models(provider, "direct"), REDACT) as gateway, RawClient(gateway) as client:
        client.post(CHAT, ask("oai", stream=True))
        client.read_until(b"It is")
        [one] = gateway.capture.under_way()
        [again] = gateway.capture.under_way(one.conversation or one.transaction_id)

        assert again.request is one.request
        assert gateway.capture.under_way("another") == []
