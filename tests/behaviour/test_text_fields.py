"""What redact looks at beside messages and answers, and what becomes of data that it cannot read, over real sockets."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.behaviour.clients import CHAT, COUNT, MESSAGES, ask, post
from tests.behaviour.gateway import RunningGateway
from tests.behaviour.provider import Provider
from tests.behaviour.scripted import gateway_before, text_reply
from tests.upstream import (
    Received,
    Script,
    anthropic_ending,
    anthropic_events,
    anthropic_start,
    json_reply,
    openai_completion,
    openai_event,
    openai_events,
    stream_of,
)

ADDRESS = "bob@mail.example"
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
SKIPPED = "flowspan_policy_skipped_total"


def redacting(opaque: str = "pass") -> str:
    return f"  policies: [{{use: redact, config: {{patterns: [email], opaque: {opaque}}}}}]"


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


@pytest.fixture(scope="module", params=["pass", "refuse", "drop"])
def gateway(request: pytest.FixtureRequest, provider: Provider) -> Iterator[tuple[str, RunningGateway]]:
    with gateway_before(provider, redacting(request.param), backend="direct") as running:
        yield request.param, running


def test_a_request_that_is_only_counted_is_redacted(provider: Provider, gateway: tuple[str, RunningGateway]) -> None:
    def counting(number: int, request: Received) -> Script:
        return json_reply({"input_tokens": 7})

    provider.play(counting)
    body = ask("ant", COUNT, f"write to {ADDRESS}")
    del body["max_tokens"]
    reply = post(gateway[1], COUNT, {**body, "system": f"{ADDRESS} asks"})
    assert reply.json() == {"input_tokens": 7}
    sent = json.loads(provider.requests[-1].body)
    assert sent["messages"] == [{"role": "user", "content": "write to [EMAIL]"}]
    assert sent["system"] == "[EMAIL] asks"


def test_data_that_nobody_can_read_passes_or_is_refused_or_left_out(
    provider: Provider, gateway: tuple[str, RunningGateway]
) -> None:
    opaque, running = gateway
    provider.play(lambda number, request: text_reply("ant"))
    seen, before = len(provider.requests), running.sample(SKIPPED, policy="redact", kind="image")
    content = [{"type": "text", "text": "what is it?"}, IMAGE]
    reply = post(running, MESSAGES, ask("ant", MESSAGES) | {"messages": [{"role": "user", "content": content}]})
    skipped = running.sample(SKIPPED, policy="redact", kind="image") - before
    if opaque == "refuse":
        assert (reply.status, skipped, len(provider.requests)) == (400, 0, seen)
        assert "image" in reply.json()["error"]["message"]
        assert running.transaction(reply.request_id).outcome == "policy_blocked"
        return
    sent = json.loads(provider.requests[-1].body)["messages"][0]["content"]
    assert (reply.status, skipped) == (200, 1 if opaque == "pass" else 0)
    assert sent == (content if opaque == "pass" else "what is it?")


def test_data_in_an_answer_passes_or_is_refused_or_left_out(
    provider: Provider, gateway: tuple[str, RunningGateway]
) -> None:
    opaque, running = gateway
    audio = {"id": "a_1", "expires_at": 1, "data": "UklGRg==", "transcript": f"call {ADDRESS}"}
    provider.play(lambda number, request: json_reply(openai_completion({"content": None, "audio": audio})))
    before = running.sample(SKIPPED, policy="redact", kind="audio")
    reply = post(running, CHAT, ask("oai"))
    skipped = running.sample(SKIPPED, policy="redact", kind="audio") - before
    if opaque == "refuse":
        assert (reply.status, skipped) == (400, 0)
        return
    message: dict[str, Any] = reply.json()["choices"][0]["message"]
    assert (reply.status, skipped) == (200, 1 if opaque == "pass" else 0)
    assert message.get("audio") == (audio | {"transcript": "call [EMAIL]"} if opaque == "pass" else None)


def test_encrypted_thinking_in_a_stream_passes_or_is_refused_or_left_out(
    provider: Provider, gateway: tuple[str, RunningGateway]
) -> None:
    opaque, running = gateway
    block = {"type": "redacted_thinking", "data": "RXE0QQ=="}
    start = {"type": "content_block_start", "index": 0, "content_block": block}
    stop = {"type": "content_block_stop", "index": 0}
    events = anthropic_events(anthropic_start(), start, stop, *anthropic_ending())
    provider.play(lambda number, request: stream_of(events))
    before = running.sample(SKIPPED, policy="redact", kind="encrypted")
    reply = post(running, MESSAGES, ask("ant", MESSAGES, stream=True))
    running.wait_until_idle()
    skipped = running.sample(SKIPPED, policy="redact", kind="encrypted") - before
    assert (b"RXE0QQ" in reply.body) is (opaque == "pass")
    assert (b"event: error" in reply.body) is (opaque == "refuse")
    assert (b"event: message_stop" in reply.body) is (opaque != "refuse")
    assert skipped == (1 if opaque == "pass" else 0)


FRAMES = {
    "a comment before": b": bob@mail.example\n\n%b\n\n",
    "a comment beside": b"%b\n: bob@mail.example\n\n",
    "a comment with other ends of lines": b": x\r\n: bob@mail.example\r\n\r\n%b\n\n",
    "a name": b"event: bob@mail.example\n%b\n\n",
    "an id": b"id: bob@mail.example\n%b\n\n",
    "a time to wait": b"retry: bob@mail.example\n%b\n\n",
    "a field of another name": b"bob@mail.example\n%b\n\n",
    "an id alone": b"id: bob@mail.example\n\n%b\n\n",
}


@pytest.mark.parametrize("name", FRAMES)
def test_what_stands_around_the_events_of_a_stream_is_read(
    provider: Provider, gateway: tuple[str, RunningGateway], name: str
) -> None:
    first, *rest = openai_events({"content": "fine "}, {"content": "so far"})
    for at, plain in enumerate((first, rest[0])):
        events = [first, *rest]
        events[at] = FRAMES[name] % plain.strip()
        provider.play(lambda number, request, events=events: stream_of(events))  # type: ignore[misc]
        reply = post(gateway[1], CHAT, ask("oai", stream=True))
        assert ADDRESS.encode() not in reply.body
        assert b"far" in reply.body
        assert b"[DONE]" in reply.body


def test_the_name_of_an_event_is_changed_with_its_type(provider: Provider, gateway: tuple[str, RunningGateway]) -> None:
    events = anthropic_events(anthropic_start(), {"type": ADDRESS}, *anthropic_ending())
    provider.play(lambda number, request: stream_of(events))
    reply = post(gateway[1], MESSAGES, ask("ant", MESSAGES, stream=True))
    assert ADDRESS.encode() not in reply.body
    assert b"event: message_stop" in reply.body


@pytest.mark.parametrize("field", ["id", "model", "system_fingerprint", "service_tier"])
def test_what_every_chunk_repeats_is_read(provider: Provider, gateway: tuple[str, RunningGateway], field: str) -> None:
    chunks = [json.loads(event[6:]) for event in openai_events({"content": "fine"}) if b"{" in event]
    events = [b"data: %b\n\n" % json.dumps({**chunk, field: ADDRESS}).encode() for chunk in chunks]
    provider.play(lambda number, request: stream_of([*events, b"data: [DONE]\n\n"]))
    reply = post(gateway[1], CHAT, ask("oai", stream=True))
    assert ADDRESS.encode() not in reply.body
    assert b"fine" in reply.body


DATA_URL = "data:image/png;base64,iVBORw0KGgo="


@pytest.mark.parametrize(
    "fields",
    [
        {"user": DATA_URL},
        {"tool_choice": {"type": "function", "function": {"name": DATA_URL}}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "description": DATA_URL}}},
        {"stop": [DATA_URL]},
        {"unknown": {"a": DATA_URL}},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_opaque_data_in_a_field_of_a_request_is_left_out_with_that_field(
    provider: Provider, gateway: tuple[str, RunningGateway], fields: dict[str, Any]
) -> None:
    provider.play(lambda number, request: text_reply("oai"))
    reply = post(gateway[1], CHAT, ask("oai") | fields)
    if gateway[0] == "refuse":
        assert reply.status == 400
        return
    assert reply.status == 200
    assert (DATA_URL.encode() in provider.requests[-1].body) is (gateway[0] == "pass")


def test_opaque_data_in_the_place_of_an_id_of_an_answer_ends_no_stream(
    provider: Provider, gateway: tuple[str, RunningGateway]
) -> None:
    chunks = [json.loads(event[6:]) for event in openai_events({"content": "fine"}) if b"{" in event]
    events = [b"data: %b\n\n" % json.dumps({**chunk, "system_fingerprint": DATA_URL}).encode() for chunk in chunks]
    provider.play(lambda number, request: stream_of([*events, b"data: [DONE]\n\n"]))
    reply = post(gateway[1], CHAT, ask("oai", stream=True))
    if gateway[0] == "refuse":
        assert reply.status == 400
        return
    assert (b"fine" in reply.body, b"[DONE]" in reply.body) == (True, True)
    assert (DATA_URL.encode() in reply.body) is (gateway[0] == "pass")


def _message(*content: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-scripted",
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 2},
        "container": {"id": "c_1"},
        "content": list(content),
    }


def _spelled(*tokens: str) -> dict[str, Any]:
    """A completion with the log probability of each token."""
    body = openai_completion({"content": "".join(tokens)})
    logprobs = [
        {"token": token, "logprob": -0.5, "bytes": list(token.encode()), "top_logprobs": []} for token in tokens
    ]
    body["choices"][0]["logprobs"] = {"content": logprobs, "refusal": None}
    return body


UNCHANGED = {
    "two signed thoughts": _message(
        {"type": "thinking", "thinking": "x", "signature": "U1Mx"},
        {"type": "text", "text": "a"},
        {"type": "thinking", "thinking": "y", "signature": "U1My"},
        {"type": "text", "text": "b", "citations": [{"type": "char_location", "cited_text": "z"}]},
    ),
    "a search of the provider's": _message(
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
        {"type": "text", "text": "a"},
    ),
    "log probabilities": _spelled("hello", " wor", "ld"),
}


@pytest.mark.parametrize("name", UNCHANGED)
def test_a_whole_answer_without_a_match_goes_on_byte_for_byte(
    provider: Provider, gateway: tuple[str, RunningGateway], name: str
) -> None:
    message = UNCHANGED[name]
    provider.play(lambda number, request: json_reply(message))
    model, path = ("ant", MESSAGES) if message.get("type") == "message" else ("oai", CHAT)
    reply = post(gateway[1], path, ask(model, path))
    sent = json.dumps(message).encode()
    # A signature is opaque data.
    assert (reply.body == sent) is (gateway[0] == "pass" or b"signature" not in sent)


def test_a_whole_answer_with_a_match_where_only_the_provider_has_a_place_for_it_does_not(
    provider: Provider, gateway: tuple[str, RunningGateway]
) -> None:
    block = {"type": "text", "text": "a", "citations": [{"type": "char_location", "cited_text": f"ask {ADDRESS}"}]}
    message = _message(block)
    provider.play(lambda number, request: json_reply(message))
    reply = post(gateway[1], MESSAGES, ask("ant", MESSAGES))
    assert (reply.status, ADDRESS.encode() in reply.body) == (200, False)
    assert reply.json()["content"][0]["text"] == "a"


@pytest.mark.parametrize("stream", [True, False])
def test_what_a_provider_quotes_in_an_error_is_read(
    provider: Provider, gateway: tuple[str, RunningGateway], stream: bool
) -> None:
    error = {"error": {"message": f"no {ADDRESS} here", "type": "x", "param": ADDRESS, "code": "odd"}}
    provider.play(lambda number, request: json_reply(error, 400))
    reply = post(gateway[1], CHAT, ask("oai", stream=stream))
    assert (reply.status, reply.json()["error"]["message"]) == (400, "no [EMAIL] here (odd)")
    assert ADDRESS.encode() not in reply.body
    assert gateway[1].transaction(reply.request_id).outcome == "client_error"
    body = ask("ant", COUNT)
    del body["max_tokens"]
    assert ADDRESS.encode() not in post(gateway[1], COUNT, body).body


@pytest.mark.parametrize("field", ["message", "param", "detail"])
def test_opaque_data_that_a_provider_quotes_in_an_error_goes_as_it_is_demanded(
    provider: Provider, gateway: tuple[str, RunningGateway], field: str
) -> None:
    error = {"error": {"message": "no image here", "param": "p", field: DATA_URL}}
    provider.play(lambda number, request: json_reply(error, 400))
    reply = post(gateway[1], CHAT, ask("oai"))
    assert reply.status == 400
    assert (DATA_URL.encode() in reply.body) is (gateway[0] == "pass")
    expected = {"pass": DATA_URL, "drop": "The provider refused the request, in words that no policy can read."}
    if gateway[0] in expected:
        assert reply.json()["error"]["message"] == (expected[gateway[0]] if field == "message" else "no image here")


def test_what_a_provider_quotes_in_an_error_within_a_stream_is_read(
    provider: Provider, gateway: tuple[str, RunningGateway]
) -> None:
    failed = b'data: {"error": {"message": "no bob@mail.example here"}}\n\n'
    provider.play(lambda number, request: stream_of([openai_event({"content": "so far"}), failed]))
    reply = post(gateway[1], CHAT, ask("oai", stream=True))
    assert b"no [EMAIL] here" in reply.body
    assert ADDRESS.encode() not in reply.body
