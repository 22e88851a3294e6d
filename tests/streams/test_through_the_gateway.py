"""Recorded streams over real sockets: provider, gateway, official SDK, for each pair of dialects."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import openai
import pytest

from app.recorder.bundles import decode_bundle, encode_bundle
from app.replay.comparison import compare
from app.replay.engine import replay
from app.settings import Settings
from tests.behaviour import responses
from tests.behaviour.clients import CHAT, MESSAGES, RESPONSES, ask, post
from tests.behaviour.gateway import RunningGateway
from tests.behaviour.provider import Provider
from tests.behaviour.recorded import RecordingGateway, recording_gateway
from tests.behaviour.scripted import models
from tests.streams.recordings import REGULAR, Recording, needs_recordings, summary_of
from tests.upstream import Body, End, Head

pytestmark = needs_recordings
_PATHS = {"openai_chat": CHAT, "anthropic_messages": MESSAGES, "openai_responses": RESPONSES}
_MODELS = {"openai_chat": "oai", "anthropic_messages": "ant", "openai_responses": "res"}
_KINDS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "text": lambda row: not row["tool_calls"] and not row["thinking"],
    "calls": lambda row: row["several_tool_calls"],
    "thinking": lambda row: row["thinking"],
    "server tools": lambda row: row["server_tools"] > 0,
    "odd framing": lambda row: row["comments"] > 0 or row["crlf"] or row["pings"] > 0,
}


def _chosen() -> list[Any]:
    """The smallest of each kind, by dialect and provider."""
    found: dict[tuple[str, str, str], Recording] = {}
    for recording in sorted(REGULAR, key=lambda one: int(one.row["bytes"])):
        for kind, fits in _KINDS.items():
            if recording.dialect in _PATHS and fits(recording.row):
                found.setdefault((recording.dialect, str(recording.row["provider"]), kind), recording)
    unique = {recording.name: recording for recording in found.values()}
    return [pytest.param(recording, id=name) for name, recording in sorted(unique.items())]


RECORDED = _chosen()
_each = pytest.mark.parametrize("recording", RECORDED)


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(provider: Provider) -> Iterator[RecordingGateway]:
    limits = "  breakers: {upstream: {threshold: 100000, min_requests: 100000}}"
    entries = [*models(provider, "direct"), responses.models(provider)[0]]
    with recording_gateway(entries, limits) as running:
        yield running


def _play(provider: Provider, body: bytes) -> None:
    provider.play([Head(), *(Body(body[at : at + 1000]) for at in range(0, len(body), 1000)), End()])


@_each
def test_a_client_of_the_same_dialect_gets_the_recording(
    gateway: RecordingGateway, provider: Provider, recording: Recording
) -> None:
    path, model = _PATHS[recording.dialect], _MODELS[recording.dialect]
    _play(provider, recording.body)
    options: dict[str, Any] = {"stream_options": {"include_usage": True}} if path == CHAT else {}
    reply = post(gateway, path, ask(model, path, stream=True, **options))
    assert reply.body == recording.body
    assert gateway.transaction(reply.request_id).outcome == "ok"
    [kept] = decode_bundle(encode_bundle([gateway.recordings.of(reply.request_id)]), "bundle")
    assert compare(kept, replay(kept, Settings()).recording).are_equal


@_each
def test_openais_sdk_reads_it(gateway: RunningGateway, provider: Provider, recording: Recording) -> None:
    _play(provider, recording.body)
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0) as sdk:
        messages: Any = [{"role": "user", "content": "hello"}]
        chunks = sdk.chat.completions.create(model=_MODELS[recording.dialect], messages=messages, stream=True)
        deltas = [choice for chunk in chunks for choice in chunk.choices if choice.index == 0]
    theirs = summary_of(recording.dialect, recording.body)
    assert "".join(_text(choice.delta.content) for choice in deltas) == theirs.text
    names = [call.function.name for one in deltas for call in one.delta.tool_calls or () if call.function]
    assert [name for name in names if name] == [call["name"] for call in theirs.calls]


def _text(content: Any) -> str:
    """Mistral's is a list at times."""
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content if part.get("type") == "text")
    return content or ""


@_each
def test_anthropics_sdk_reads_it(gateway: RunningGateway, provider: Provider, recording: Recording) -> None:
    _play(provider, recording.body)
    with (
        anthropic.Anthropic(base_url=gateway.url, api_key="any", max_retries=0) as sdk,
        sdk.messages.stream(
            model=_MODELS[recording.dialect], max_tokens=100, messages=[{"role": "user", "content": "hello"}]
        ) as stream,
    ):
        final = stream.get_final_message()
    theirs = summary_of(recording.dialect, recording.body)
    assert "".join(block.text for block in final.content if block.type == "text") == theirs.text
    assert [block.name for block in final.content if block.type == "tool_use"] == [
        call["name"] for call in theirs.calls
    ]


_SHORT = [one for one in RECORDED if 600 < one.values[0].row["bytes"] < 2500][::2]


@pytest.mark.parametrize("recording", _SHORT)
def test_cut_behind_any_event_it_is_an_error_to_clients_of_every_dialect(
    gateway: RunningGateway, provider: Provider, recording: Recording
) -> None:
    body, model = recording.body, _MODELS[recording.dialect]
    last_word = body.rfind({"ant": b"event: message_stop", "oai": b"data: [DONE]"}.get(model, b"event: response.c"))
    positions = [match.end() for match in re.finditer(rb"\n\n", body) if match.end() <= last_word]
    for position in [0, *positions]:
        for path in (CHAT, MESSAGES, RESPONSES):
            _play(provider, body[:position])
            reply = post(gateway, path, ask(model, path, stream=True))
            last = json.loads(reply.body.rpartition(b"data: ")[2])
            assert last.get("response", last)["error"]["message"], (position, path)
            assert b"[DONE]" not in reply.body
            assert b"event: message_stop" not in reply.body
            assert b"response.completed" not in reply.body
            assert gateway.transaction(reply.request_id).outcome == "upstream_error"
