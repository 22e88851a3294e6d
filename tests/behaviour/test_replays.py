"""What a gateway recorded is explained by who was at fault, and replayed to the same outcome and the same bytes."""

from collections.abc import Iterator

import msgspec
import pytest

from app.recorder.bundles import decode_bundle, encode_bundle
from app.recorder.explaining import explain
from app.recorder.recording import Recording
from app.replay.comparison import Comparison, compare
from app.replay.engine import replay
from app.settings import PolicySpec, Settings
from tests.behaviour.clients import CHAT, MESSAGES, RESPONSES, RawClient, Reply, ask, post
from tests.behaviour.provider import Provider
from tests.behaviour.recorded import RecordingGateway, data_of, recording_gateway
from tests.behaviour.scripted import call_stream, models, text_reply, text_stream, with_tool
from tests.upstream import Body, Fin, Rst, Script, Stall, openai_error

_SIMULATED = {
    "calm": "thinking+lorem-8",
    "tools": "tools-2",
    "cut": "lorem-9+cut-4",
    "silent": "lorem-9+stall-3",
    "late": "slow-start-30",
    "broken": "lorem-9+error-event-3",
    "reset": "lorem-9+disconnect-3",
    "down": "disconnect-0",
    "busy": "status-503",
    "limited": "status-429+retry-after-20",
    "locked": "status-401",
    "picky": "status-400",
}
_SETTINGS = """
  keys: [{name: ada, key: sk-caller-canary-0123456789}]
  pipeline: {upstream_idle_timeout: 0.3}
  breakers: {upstream: {threshold: 1000, min_requests: 1000}}
"""
_KEY = {"authorization": "Bearer sk-caller-canary-0123456789"}


@pytest.fixture(scope="module")
def gateway(provider: Provider) -> Iterator[RecordingGateway]:
    entries = [
        *models(provider, "direct"),
        *(f"{name}: {{model: simulated/{how}}}" for name, how in _SIMULATED.items()),
    ]
    with recording_gateway(entries, _SETTINGS, "router_settings: {num_retries: 0, timeout: 0.5}") as running:
        yield running


def _recorded(gateway: RecordingGateway, reply: Reply) -> Recording:
    """The recording of a reply, as it comes out of a bundle."""
    [recording] = decode_bundle(encode_bundle([gateway.recordings.of(reply.request_id)]), "bundle")
    return recording


def _replayed(recording: Recording, *policies: str) -> Comparison:
    again = replay(recording, Settings(policies=tuple(map(PolicySpec, policies))))
    assert again.differences == ()
    return compare(recording, again.recording)


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("calm", "simulated/thinking+lorem-8 answered the client with the key ada in "),
        ("tools", "simulated/tools-2 answered the client with the key ada in "),
        ("cut", "simulated/lorem-9+cut-4 stopped sending after 4 events and "),
        ("silent", "simulated/lorem-9+stall-3 fell silent after 3 events and "),
        ("late", "simulated/slow-start-30 did not begin to answer within 5"),
        ("broken", "simulated/lorem-9+error-event-3 reported an error amid its answer, after 3 events and "),
        ("reset", "simulated/lorem-9+disconnect-3 stopped sending by breaking off the connection after 3 events and "),
        ("down", "simulated/disconnect-0 could not be reached: connection reset. The client got status 502."),
        ("busy", "simulated/status-503 answered 503 "),
        ("limited", "simulated/status-429+retry-after-20 turned the request away because of a rate limit (429) "),
        ("locked", "simulated/status-401 refused the gateway's own key (401) "),
        ("picky", "simulated/status-400 refused the request with status 400: The provider answered 400: simulated. "),
    ],
)
def test_each_fault_is_explained_and_comes_again(gateway: RecordingGateway, model: str, sentence: str) -> None:
    for path in (CHAT, MESSAGES, RESPONSES):
        recording = _recorded(gateway, post(gateway, path, ask(model, path, stream=True, **with_tool(path)), _KEY))

        assert explain(recording).startswith(sentence)
        assert _replayed(recording).is_same, path


@pytest.mark.parametrize("path", [CHAT, MESSAGES, RESPONSES])
@pytest.mark.parametrize("model", ["oai", "ant"])
@pytest.mark.parametrize("script", [text_stream, text_reply, call_stream], ids=["text", "whole", "calls"])
def test_what_a_provider_sent_comes_out_the_same(
    gateway: RecordingGateway, provider: Provider, model: str, path: str, script: object
) -> None:
    made: Script = list(script(model))  # type: ignore[operator]  # one of the scripts above
    refusal = openai_error(404, "no such route")
    provider.play(lambda _, request: refusal if request.path.endswith("/responses") else made)
    body = ask(model, path, stream=script is not text_reply, **with_tool(path))

    comparison = _replayed(_recorded(gateway, post(gateway, path, body, _KEY)))

    assert comparison.is_same
    is_as_it_came = (path, model) in ((CHAT, "oai"), (MESSAGES, "ant"))
    assert comparison.are_equal or not is_as_it_came


@pytest.mark.parametrize("ending", [Fin(), Rst(), Stall()], ids=["cut", "reset", "stall"])
def test_a_stream_that_broke_breaks_again(
    gateway: RecordingGateway, provider: Provider, ending: Fin | Rst | Stall
) -> None:
    provider.play([*list(text_stream("oai"))[:4], ending])

    comparison = _replayed(_recorded(gateway, post(gateway, CHAT, ask("oai", stream=True), _KEY)))

    assert comparison.are_equal
    assert comparison.is_same


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_an_error_of_a_provider_comes_again(gateway: RecordingGateway, provider: Provider, status: int) -> None:
    provider.play(openai_error(status, "no, thank you", {"retry-after": "20"}))
    recording = _recorded(gateway, post(gateway, CHAT, ask("oai", stream=True), _KEY))

    assert _replayed(recording).are_equal
    assert (", and asked to wait 20 s." in explain(recording)) == (status == 429)


def test_a_client_that_left_leaves_again(gateway: RecordingGateway, provider: Provider) -> None:
    provider.play([*list(text_stream("oai"))[:4], Stall()])
    seen = len(gateway.recordings)
    with RawClient(gateway) as client:
        body = msgspec.json.encode(ask("oai", stream=True))
        client.head(CHAT, content_length=str(len(body)), **_KEY)
        client.send(body)
        client.read_until(b"Hel")
        client.socket.close()
    recording = gateway.recordings.next(seen)

    assert explain(recording).startswith("The client with the key ada closed the connection amid the answer, after ")
    assert _replayed(recording).outcomes == ("client_disconnect", "client_disconnect")


def test_another_policy_shows_in_the_difference(gateway: RecordingGateway, provider: Provider) -> None:
    provider.play(text_stream("oai", words=("Mail ", "ada@", "example.com", ".")))
    recording = _recorded(gateway, post(gateway, CHAT, ask("oai", stream=True), _KEY))

    comparison = _replayed(recording, "redact")

    assert not comparison.is_same
    assert [line.text for line in comparison.lines if line.kind == "added"] == ["Mail [EMAIL]."]


def test_every_byte_of_the_provider_is_in_the_bundle(gateway: RecordingGateway, provider: Provider) -> None:
    script = list(text_stream("oai", words=("\u00e9" * 99, "\x00", "\U0001f600")))
    provider.play(script)
    recording = _recorded(gateway, post(gateway, CHAT, ask("oai", stream=True), _KEY))

    sent = b"".join(step.data for step in script if isinstance(step, Body))
    assert data_of(recording.attempts[0].answer) == sent
    assert b"canary" not in encode_bundle([recording])


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_masked_recording_is_replayed_with_its_masks(provider: Provider, path: str) -> None:
    redacting = _SETTINGS + "  policies: [{use: redact}]\n"
    provider.play(text_stream("oai", words=("Mail ", "ada@", "example.com", ".")))
    with recording_gateway(models(provider, "direct"), redacting) as running:
        text = "Is bob@example.com right?"
        recording = _recorded(running, post(running, path, ask("oai", path, text, stream=True), _KEY))

    comparison = _replayed(recording, "redact")

    assert recording.concealed == ("redact",)
    assert not [name for name in (b"ada@", b"bob@") if name in encode_bundle([recording])]
    assert comparison.is_same


def test_what_a_policy_held_back_of_a_stream_that_was_cut_is_no_difference(provider: Provider) -> None:
    redacting = _SETTINGS + "  policies: [{use: redact}]\n"
    provider.play([*list(text_stream("oai", words=("Ask ", "ada", " now", " or", " so")))[:5], Fin()])
    with recording_gateway(models(provider, "direct"), redacting) as running:
        recording = _recorded(running, post(running, CHAT, ask("oai", stream=True), _KEY))

    assert recording.entry.error_type == "upstream_truncated"
    assert recording.concealed == ("redact",)
    assert _replayed(recording, "redact").is_same
