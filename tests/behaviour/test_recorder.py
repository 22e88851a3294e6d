"""What is recorded of a transaction: both sides' bytes as they passed, and who ended it."""

import json
import signal
from collections.abc import Iterator

import msgspec
import pytest

from app.recorder.recording import Recording
from app.settings import RecorderSettings
from app.settings.units import ByteSize
from tests.behaviour.clients import CHAT, COUNT, MESSAGES, RESPONSES, RawClient, ask, dechunked, post
from tests.behaviour.gateway import RunningGateway, configuration, until
from tests.behaviour.provider import Provider
from tests.behaviour.recorded import RecordingGateway, data_of, recording_gateway
from tests.behaviour.scripted import PROVIDER_KEY, models, text_reply, text_stream
from tests.upstream import Body, Fin, Rst, Script, Stall, Step, openai_error

CALLER_KEY = "sk-caller-canary-0123456789abcdefgh"
KEYS = f"""
  keys: [{{name: agent, key: {CALLER_KEY}}}]
  pipeline: {{upstream_idle_timeout: 0.3}}
  breakers: {{upstream: {{threshold: 1000, min_requests: 1000}}}}
"""
AUTHORIZATION = {"authorization": f"Bearer {CALLER_KEY}"}


@pytest.fixture(scope="module")
def gateway(provider: Provider) -> Iterator[RecordingGateway]:
    by_library = f"lit: {{model: openai/gpt-scripted, api_base: '{provider.url}/v1', api_key: {PROVIDER_KEY}}}"
    entries = [*models(provider, "direct"), "sim: {model: simulated/echo}", f"{by_library}, backend: litellm"]
    with recording_gateway(entries, KEYS, "litellm_settings: {num_retries: 1}") as running:
        yield running


def body_sent(script: Script) -> bytes:
    return b"".join(step.data for step in script if isinstance(step, Body))


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("model", ["oai", "ant"])
@pytest.mark.parametrize("path", [CHAT, MESSAGES, RESPONSES])
def test_both_sides_bytes_are_kept_as_they_passed(
    gateway: RecordingGateway, provider: Provider, path: str, model: str, stream: bool
) -> None:
    script = list(text_stream(model) if stream else text_reply(model))
    refusal = openai_error(404, "no such route")
    provider.play(lambda _, request: refusal if request.path.endswith("/responses") else script)
    reply = post(gateway, path, ask(model, path, stream=stream), AUTHORIZATION)

    recording = gateway.recordings.of(reply.request_id)

    attempt = recording.attempts[0]
    assert data_of(recording.answer) == reply.body
    assert data_of(attempt.answer) == body_sent(script)
    assert attempt.request.data == provider.requests[-1].body
    assert (recording.entry.outcome, recording.closed_by, attempt.closed_by) == ("ok", None, None)
    assert recording.entry.key == "agent"
    assert recording.entry.title == "hello there"
    moments = [piece.at for piece in attempt.answer]
    assert moments == sorted(moments)
    assert 0 < attempt.began <= moments[0] <= attempt.ended <= recording.entry.duration_s


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("model", ["sim", "lit"])
def test_of_a_provider_without_bytes_its_chunks_are_kept(
    gateway: RecordingGateway, provider: Provider, model: str, stream: bool
) -> None:
    provider.play(text_stream("oai") if stream else text_reply("oai"))
    reply = post(gateway, CHAT, ask(model, stream=stream), AUTHORIZATION)

    recording = gateway.recordings.of(reply.request_id)

    attempt = recording.attempts[0]
    kept = [msgspec.json.decode(piece.data.removeprefix(b"data: ")) for piece in attempt.answer]
    messages = [choice["delta" if stream else "message"] for each in kept for choice in each["choices"]]
    assert attempt.api == "openai_chat"
    assert "".join(each.get("content", "") for each in messages) == (
        "hello there" if model == "sim" else "Hello, world"
    )
    assert data_of(recording.answer) == reply.body


def test_a_retry_is_recorded_beside_the_attempt_that_failed(gateway: RecordingGateway, provider: Provider) -> None:
    refusal, script = openai_error(503, "busy"), list(text_stream("oai"))
    provider.play(lambda number, _: refusal if number == 1 else script)
    reply = post(gateway, CHAT, ask("oai", stream=True), AUTHORIZATION)

    first, second = gateway.recordings.of(reply.request_id).attempts

    assert (first.why, second.why) == ("first", "retry")
    assert (first.status, first.error_type, first.closed_by) == (503, "upstream_error", None)
    assert data_of(first.answer) == body_sent(refusal)
    assert data_of(second.answer) == body_sent(script)


FAULTS: dict[str, tuple[list[Step], tuple[str, str, str | None]]] = {
    "cut": ([Fin()], ("upstream_error", "provider", "provider")),
    "reset": ([Rst()], ("upstream_error", "provider", "provider")),
    "stall": ([Stall()], ("timeout", "provider", "provider")),
}


@pytest.mark.parametrize(("ending", "expected"), FAULTS.values(), ids=FAULTS.keys())
def test_a_stream_that_its_provider_breaks_off_says_so(
    gateway: RecordingGateway, provider: Provider, ending: list[Step], expected: tuple[str, str, str | None]
) -> None:
    script = [*list(text_stream("oai"))[:4], *ending]
    provider.play(script)
    reply = post(gateway, CHAT, ask("oai", stream=True), AUTHORIZATION)

    recording = gateway.recordings.of(reply.request_id)

    assert (recording.entry.outcome, recording.closed_by, recording.attempts[0].closed_by) == expected
    assert data_of(recording.attempts[0].answer) == body_sent(script)
    assert data_of(recording.answer) == reply.body


def test_a_client_that_left_has_ended_its_exchange(gateway: RecordingGateway, provider: Provider) -> None:
    provider.play([*list(text_stream("oai"))[:4], Stall()])
    seen = len(gateway.recordings)
    with RawClient(gateway) as client:
        body = msgspec.json.encode(ask("oai", stream=True))
        client.head(CHAT, content_length=str(len(body)), **AUTHORIZATION)
        client.send(body)
        client.read_until(b"Hel")
        [under_way] = gateway.capture.under_way()
        client.socket.close()

    recording = gateway.recordings.next(seen)

    assert (under_way.model, under_way.key, under_way.stream) == ("oai", "agent", True)
    assert b"hello there" in under_way.request.data
    assert b"Hel" in data_of(under_way.answer)
    assert gateway.capture.under_way() == []
    assert (recording.entry.outcome, recording.closed_by) == ("client_disconnect", "client")
    assert recording.attempts[0].closed_by == "client"
    assert b"Hel" in data_of(recording.answer)


def test_who_is_not_let_in_is_recorded_without_the_key(gateway: RecordingGateway) -> None:
    wrong = "sk-wrong-canary-0123456789abcdefgh"
    reply = post(gateway, MESSAGES, ask("oai", MESSAGES), {"x-api-key": wrong, "cookie": "session=secretive"})

    recording = gateway.recordings.of(reply.request_id)

    assert (recording.entry.outcome, recording.entry.status, recording.closed_by) == ("client_error", 401, "gateway")
    assert data_of(recording.answer) == reply.body
    encoded = msgspec.msgpack.encode(recording)
    assert not [secret for secret in (wrong, "secretive") if secret.encode() in encoded]


def test_keys_are_in_no_recording(gateway: RecordingGateway, provider: Provider) -> None:
    """Not in heads, nor where a client or a provider puts one into a body."""
    echo = openai_error(500, f"wrong key {PROVIDER_KEY}", {"set-cookie": f"session={PROVIDER_KEY}"})
    provider.play(echo)
    body = ask("oai", text=f"my key is {CALLER_KEY}", stream=True)
    reply = post(gateway, CHAT, body, {**AUTHORIZATION, "x-goog-api-key": "another-one"})

    recording = gateway.recordings.of(reply.request_id)

    encoded = msgspec.msgpack.encode(recording)
    assert not [secret for secret in (PROVIDER_KEY, CALLER_KEY, "another-one") if secret.encode() in encoded]
    attempt = recording.attempts[0]
    assert len(attempt.request.data) == attempt.request.size
    assert msgspec.json.decode(attempt.request.data)["messages"]
    assert "authorization" not in dict(attempt.request.headers)
    assert "content-type" in dict(recording.request.headers)


def test_a_count_of_tokens_is_recorded(gateway: RecordingGateway) -> None:
    reply = post(gateway, COUNT, ask("sim", MESSAGES), AUTHORIZATION)

    recording = gateway.recordings.of(reply.request_id)

    assert recording.entry.operation == "count_tokens" or recording.entry.path == COUNT
    assert data_of(recording.answer) == reply.body


def test_what_is_beyond_the_limit_is_counted_and_left_out(provider: Provider) -> None:
    settings = RecorderSettings(recording_limit=ByteSize(4096))
    words = tuple("word " * 10 for _ in range(200))
    script = list(text_stream("oai", words=words))
    with RecordingGateway(configuration(models(provider, "direct")), settings) as gateway:
        provider.play(script)
        reply = post(gateway, CHAT, ask("oai", stream=True))
        recording = gateway.recordings.of(reply.request_id)
    kept = data_of(recording.attempts[0].answer)
    assert recording.attempts[0].answer_size == len(body_sent(script)) > 20_000
    assert recording.answer_size == len(reply.body)
    assert 0 < len(kept) + len(data_of(recording.answer)) <= 4096
    assert body_sent(script).startswith(kept)


def test_what_led_to_a_failure_is_pinned_and_its_span_says_so(gateway: RecordingGateway, provider: Provider) -> None:
    provider.play([*list(text_stream("oai"))[:4], Fin()])
    reply = post(gateway, CHAT, ask("oai", stream=True), AUTHORIZATION)

    recording = gateway.recordings.of(reply.request_id)

    transaction = gateway.transaction(reply.request_id)
    assert recording.entry.pinned == transaction["flowspan.recording.pinned"] == "a stream of oai failed"
    assert "recording.pinned" in transaction.events


def test_a_gateway_keeps_what_its_configuration_asks_for(provider: Provider) -> None:
    provider.play(text_reply("oai"))
    with RunningGateway(configuration(models(provider, "direct"), "  recorder: memory")) as gateway:
        reply = post(gateway, CHAT, ask("oai"))
        recorder = gateway.app.gateway.recorder
        assert recorder is not None
        recording: Recording = until(lambda: recorder.store.recording(reply.request_id), "the recording is written")
    assert data_of(recording.answer) == reply.body
    assert [span.name for span in recording.spans][:2] == ["POST /v1/chat/completions", "chat gpt-scripted"]
    assert recording.access["transaction_id"] == reply.request_id


def test_a_stream_that_a_policy_blocks_names_the_policy(provider: Provider) -> None:
    script = list(text_stream("oai"))
    provider.play(script)
    blocks = "  policies: [{use: 'tests.behaviour.policies:Blocks', config: {hook: on_content_complete}}]"
    with recording_gateway(models(provider, "direct"), blocks) as gateway:
        reply = post(gateway, CHAT, ask("oai", stream=True))
        recording = gateway.recordings.of(reply.request_id)
    decisions = [(one.policy, one.hook, one.decision) for one in recording.interventions]
    assert decisions == [("Blocks", "on_content_complete", "blocked")]
    assert (recording.entry.outcome, recording.closed_by) == ("policy_blocked", "gateway")
    assert recording.attempts[0].closed_by == "gateway"
    assert recording.entry.intervened
    assert data_of(recording.answer) == reply.body
    assert recording.entry.pinned == "a policy blocked it"


def test_a_client_that_does_not_read_is_cut_off_by_the_gateway(provider: Provider) -> None:
    words = tuple("word " * 20_000 for _ in range(200))
    provider.play(text_stream("oai", words=words))
    limits = "  pipeline: {put_timeout: 300ms, queue_items: 4, queue_bytes: 256KiB}"
    with (
        recording_gateway(models(provider, "direct"), limits) as gateway,
        RawClient(gateway, receive_buffer=4096) as client,
    ):
        client.post(CHAT, ask("oai", stream=True))
        until(lambda: gateway.sample("flowspan_queue_overflows_total"), "an overflow")
        got, _ = dechunked(client.read_until(b"0\r\n\r\n"))
        recording = gateway.recordings.next(0)
    assert (recording.entry.outcome, recording.closed_by) == ("overflow", "gateway")
    assert got.startswith(data_of(recording.answer))
    assert recording.answer_size == len(got)
    assert [(queue.name, queue.overflows) for queue in recording.queues] == [("policy_out", 0), ("sse", 1)]


def test_a_shutdown_ends_what_is_still_open(provider: Provider) -> None:
    provider.play([*list(text_stream("oai"))[:4], Stall()])
    quick = "  server: {lame_duck: 0, drain_timeout: 100ms}"
    with recording_gateway(models(provider, "direct"), quick) as gateway, RawClient(gateway) as client:
        client.post(CHAT, ask("oai", stream=True))
        client.read_until(b"Hel")
        gateway.server.handle_exit(signal.SIGTERM, None)
        recording = gateway.recordings.next(0)
    assert (recording.entry.outcome, recording.closed_by) == ("drained", "gateway")
    assert recording.attempts[0].closed_by == "gateway"


def test_secrets_of_a_caller_are_kept_in_no_form(provider: Provider) -> None:
    """In headers of proxies, in words that are written as one, in escapes, and in what a provider says back."""
    token, other = "opaque-0123456789-of-the-caller", "opaque-9876543210-of-a-proxy"
    names = ("cf-access-jwt-assertion", "x-amzn-oidc-accesstoken", "x-amzn-oidc-data", "dpop", "x-csrftoken")
    escaped = "".join(f"\\u{ord(letter):04X}" for letter in token)
    entries = [f"oai: {{model: openai/gpt-scripted, api_base: '{provider.url}/v1', credentials: client}}"]
    provider.play([*openai_error(401, f"no such key: {token}")])
    with recording_gateway(entries) as gateway:
        body = json.dumps(ask("oai", text="X")).replace("X", escaped).encode()
        sent = {"authorization": f"Bearer {token}", "x-echo": token, **dict.fromkeys(names, other)}
        recording = gateway.recordings.of(post(gateway, CHAT, body, sent).request_id)

    kept = msgspec.msgpack.encode(recording)
    assert recording.attempts
    assert not [each for each in (token, other, escaped) if each.encode() in kept]


def test_no_secret_is_kept_of_a_body_that_is_cut_or_broken(provider: Provider) -> None:
    """Neither those of its fields nor the first half of a key in which it was cut."""
    secret = "opaque-secret-of-a-server"
    tool = {"type": "mcp", "server_label": "a", "authorization": secret, "headers": {"X-Any": secret}}
    limit = RecorderSettings(recording_limit=ByteSize(4_000))
    with RecordingGateway(configuration(["sim: {model: simulated/echo}"], KEYS), limit) as gateway:
        for text in (CALLER_KEY * 100, "y" + CALLER_KEY * 100, "not cut"):
            body = json.dumps({"model": "sim", "tools": [tool], "input": text}).encode()
            for sent in (body, body[:-1]):
                recording = gateway.recordings.of(post(gateway, RESPONSES, sent, AUTHORIZATION).request_id)

                kept = recording.request.data
                assert secret.encode() not in kept
                assert CALLER_KEY[:12].encode() not in kept
                assert b'"input": "' in kept
