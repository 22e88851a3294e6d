"""Failover that clients do not see: a stream that fails in its beginning, whose client gets another deployment's.

The first deployment sends some events and then fails in one way or another. As long as they hold nothing of an answer,
the client's stream is the second one's, and nothing else.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import anthropic
import openai
import pytest

from tests.behaviour.clients import CHAT, MESSAGES, RESPONSES, RawClient, Reply, ask, post
from tests.behaviour.gateway import RunningGateway, Transaction
from tests.behaviour.provider import Provider
from tests.behaviour.responses import text as responses_text
from tests.behaviour.scripted import PROVIDER_KEY, WORDS, content_of
from tests.unit.dialects.openai_responses.events import ended as response_ended
from tests.upstream import (
    Body,
    End,
    Fin,
    Head,
    Received,
    Rst,
    Script,
    Sleep,
    Stall,
    Step,
    anthropic_events,
    anthropic_text_events,
    openai_events,
    stream_of,
)

PATHS = {"oai": CHAT, "ant": MESSAGES, "res": RESPONSES}
FIRST_WORDS = ("never ", "to be ", "seen")
PING = anthropic_events({"type": "ping"})[0]
ENDINGS: dict[str, Sequence[Step]] = {
    "error": (End(),),
    "cut": (Sleep(0.02), Fin()),
    "reset": (Sleep(0.02), Rst()),
    "end": (End(),),
    "silence": (Stall(),),
}
PREAMBLES = {"oai": 2, "ant": 3, "res": 4}
"""The events of each API that come before anything of an answer."""


def stream(kind: str, words: tuple[str, ...]) -> list[bytes]:
    match kind:
        case "oai":
            return [b": waiting\n\n", *openai_events(*({"content": word} for word in words))]
        case "ant":
            start, *rest = anthropic_text_events(*words)
            return [start, PING, *rest]
        case _:
            return [chunk.native.raw for chunk in responses_text(*words).chunks if chunk.native]


def in_band_error(kind: str) -> bytes:
    match kind:
        case "oai":
            return b'data: {"error": {"message": "overheated", "type": "error", "code": null, "param": null}}\n\n'
        case "ant":
            return anthropic_events({"type": "error", "error": {"type": "api_error", "message": "overheated"}})[0]
        case _:
            error = {"code": "server_error", "message": "overheated"}
            return anthropic_events({**response_ended(status="failed", error=error), "sequence_number": 5})[0]


def entry(provider: Provider, name: str, kind: str, which: str, more: str = "") -> str:
    model, version = {
        "oai": ("openai/gpt-a", "/v1"),
        "ant": ("anthropic/claude-a", ""),
        "res": ("openai/responses/gpt-a", "/v1"),
    }[kind]
    params = f"model: {model}, api_base: '{provider.url}/{which}{version}', api_key: {PROVIDER_KEY}"
    params += ", use_chat_completions_api: true" if kind == "oai" else ""
    order = 1 if which == "first" else 2
    return f"  - {{model_name: {name}, litellm_params: {{{params}, order: {order}}}{more}}}"


def configured(provider: Provider, gateway: str = "", more: str = ", first_token_timeout: 400ms") -> str:
    """A model of two deployments for each pair of APIs, `first-second`; `by-litellm` has the first behind LiteLLM."""
    pairs = [(f"{first}-{second}", first, second, more) for first, second in product(PATHS, PATHS)]
    pairs.append(("by-litellm", "oai", "oai", f"{more.replace('400ms', '1s')}, backend: litellm"))
    models = [
        line
        for name, first, second, further in pairs
        for line in (entry(provider, name, first, "first", further), entry(provider, name, second, "second"))
    ]
    limits = "  breakers: {upstream: {threshold: 1000, min_requests: 1000}}"
    return "\n".join(["model_list:", *models, "litellm_settings: {num_retries: 1}", "gateway:", limits, gateway])


@pytest.fixture(scope="module")
def gateway(provider: Provider) -> Iterator[RunningGateway]:
    with RunningGateway(configured(provider)) as running:
        yield running


def play(provider: Provider, first: Sequence[Step], second: str) -> None:
    def script(number: int, request: Received) -> Script:
        return first if request.path.startswith("/first/") else stream_of(stream(second, WORDS))

    provider.play(script)


def failing(kind: str, sent: int, ending: str) -> list[Step]:
    events = [Body(event) for event in stream(kind, FIRST_WORDS)[:sent]]
    error = [Body(in_band_error(kind))] if ending == "error" else []
    return [Head(), *events, *error, *ENDINGS[ending]]


def asked(gateway: RunningGateway, model: str, path: str) -> Reply:
    return post(gateway, path, ask(model, path, stream=True))


def check_clean(gateway: RunningGateway, provider: Provider, reply: Reply, path: str) -> Transaction:
    """One clean stream of the second deployment, and an attempt at each."""
    assert reply.status == 200
    assert content_of(path, reply.body) == ("".join(WORDS), [], None)
    assert [request.path.split("/")[1] for request in provider.requests] == ["first", "second"]
    ended = gateway.transaction(reply.request_id)
    assert ended.outcome == "ok"
    assert len(ended.attempts) == 2
    return ended


CASES = [(kind, sent, ending) for kind in PATHS for sent in range(PREAMBLES[kind] + 1) for ending in ENDINGS]


@pytest.mark.parametrize(("kind", "sent", "ending"), CASES)
def test_whatever_ends_a_beginning_the_client_gets_the_next_deployments_bytes(
    gateway: RunningGateway, provider: Provider, kind: str, sent: int, ending: str
) -> None:
    play(provider, failing(kind, sent, ending), kind)
    path = PATHS[kind]
    reply = asked(gateway, f"{kind}-{kind}", path)
    check_clean(gateway, provider, reply, path)
    assert reply.body == b"".join(stream(kind, WORDS))


@pytest.mark.parametrize("path", PATHS.values())
@pytest.mark.parametrize(("first", "second"), list(product(PATHS, PATHS)))
def test_it_is_one_clean_stream_whatever_client_and_deployments_speak(
    gateway: RunningGateway, provider: Provider, path: str, first: str, second: str
) -> None:
    play(provider, failing(first, PREAMBLES[first], "error"), second)
    check_clean(gateway, provider, asked(gateway, f"{first}-{second}", path), path)


@pytest.mark.parametrize("ending", ["error", "cut", "end", "silence"])
@pytest.mark.parametrize("sent", [0, 2])
def test_a_first_deployment_behind_litellm_is_made_up_for(
    gateway: RunningGateway, provider: Provider, sent: int, ending: str
) -> None:
    # LiteLLM's first call takes longer than a first token may.
    play(provider, stream_of(stream("oai", WORDS)), "oai")
    asked(gateway, "by-litellm", CHAT)
    play(provider, failing("oai", sent, ending), "oai")
    reply = asked(gateway, "by-litellm", CHAT)
    check_clean(gateway, provider, reply, CHAT)
    assert reply.body == b"".join(stream("oai", WORDS))


@pytest.mark.parametrize("kind", PATHS)
@pytest.mark.parametrize("ending", ["error", "cut", "end"])
def test_once_the_client_has_something_of_an_answer_no_other_is_begun(
    gateway: RunningGateway, provider: Provider, kind: str, ending: str
) -> None:
    play(provider, failing(kind, PREAMBLES[kind] + 1, ending), kind)
    reply = asked(gateway, f"{kind}-{kind}", PATHS[kind])
    text, _, error = content_of(PATHS[kind], reply.body)
    assert text == FIRST_WORDS[0]
    assert error is not None or b"response.failed" in reply.body
    assert len(provider.requests) == 1
    assert len(gateway.transaction(reply.request_id).attempts) == 1


def test_both_attempts_are_told_of_and_counted(gateway: RunningGateway, provider: Provider) -> None:
    def failovers(phase: str) -> float:
        return gateway.sample("flowspan_upstream_failovers_total", deployment="ant-ant#1", phase=phase)

    before = failovers("before_first_chunk"), failovers("before_first_token")
    play(provider, failing("ant", PREAMBLES["ant"], "error"), "ant")
    ended = check_clean(gateway, provider, asked(gateway, "ant-ant", MESSAGES), MESSAGES)
    assert (failovers("before_first_chunk"), failovers("before_first_token")) == (before[0], before[1] + 1)
    first, second = (dict(span.attributes or {}) for span in ended.attempts)
    assert (first["flowspan.deployment"], second["flowspan.deployment"]) == ("ant-ant#1", "ant-ant#2")
    assert first["error.type"] == "upstream_error"
    assert first["gen_ai.usage.input_tokens"] == 9, "what the abandoned attempt used is paid for"
    assert ended.attempts[1].links[0].context.span_id == ended.attempts[0].context.span_id
    [event] = [one for one in ended.span.events if one.name == "upstream.failover"]
    assert dict(event.attributes or {}) == {
        "flowspan.deployment": "ant-ant#1",
        "error.type": "upstream_error",
        "flowspan.failover.phase": "before_first_token",
    }
    assert ended["flowspan.chunks_in"] == len(stream("ant", WORDS)), "the pipeline saw the second stream alone"
    assert "gen_ai.response.time_to_first_chunk" in first
    assert "flowspan.upstream.time_to_first_token_s" not in first
    play(provider, failing("ant", 0, "error"), "ant")
    check_clean(gateway, provider, asked(gateway, "ant-ant", MESSAGES), MESSAGES)
    assert failovers("before_first_chunk") == before[0] + 1


def test_a_first_token_that_is_late_goes_elsewhere_and_a_slow_rest_does_not(
    gateway: RunningGateway, provider: Provider
) -> None:
    events = [Body(event) for event in stream("oai", FIRST_WORDS)]
    play(provider, [Head(), *events[:2], Sleep(5), *events[2:], End()], "oai")
    ended = check_clean(gateway, provider, asked(gateway, "oai-oai", CHAT), CHAT)
    assert (ended.attempts[0].attributes or {})["error.type"] == "upstream_timeout"
    provider.left_within(1)
    play(provider, [Head(), *events[:2], Sleep(0.1), events[2], Sleep(0.6), *events[3:], End()], "oai")
    reply = asked(gateway, "oai-oai", CHAT)
    assert content_of(CHAT, reply.body)[0] == "".join(FIRST_WORDS)
    attempt: dict[str, Any] = dict(gateway.transaction(reply.request_id).attempts[0].attributes or {})
    assert attempt["flowspan.upstream.time_to_first_token_s"] >= attempt["gen_ai.response.time_to_first_chunk"]


def test_where_every_beginning_fails_the_client_reads_of_it_in_a_status(
    gateway: RunningGateway, provider: Provider
) -> None:
    provider.play(failing("oai", 2, "error"))
    reply = asked(gateway, "oai-oai", CHAT)
    assert reply.status >= 500
    assert "overheated" in reply.json()["error"]["message"]
    assert gateway.transaction(reply.request_id).outcome == "upstream_error"


def test_the_openai_sdk_sees_one_stream(gateway: RunningGateway, provider: Provider) -> None:
    play(provider, failing("ant", 3, "reset"), "oai")
    with (
        openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0) as sdk,
        sdk.chat.completions.stream(model="ant-oai", messages=[{"role": "user", "content": "hello"}]) as chat,
    ):
        assert chat.get_final_completion().choices[0].message.content == "".join(WORDS)
    play(provider, failing("oai", 2, "cut"), "ant")
    with (
        openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0) as sdk,
        sdk.responses.stream(model="oai-ant", input="hello") as responses,
    ):
        assert responses.get_final_response().output_text == "".join(WORDS)


def test_the_anthropic_sdk_sees_one_stream(gateway: RunningGateway, provider: Provider) -> None:
    play(provider, failing("ant", 3, "cut"), "ant")
    with (
        anthropic.Anthropic(base_url=gateway.url, api_key="any", max_retries=0) as sdk,
        sdk.messages.stream(
            model="ant-ant", max_tokens=100, messages=[{"role": "user", "content": "hello"}]
        ) as messages,
    ):
        assert messages.get_final_text() == "".join(WORDS)


def test_a_beginning_is_held_no_longer_than_set_and_comments_come_meanwhile(provider: Provider) -> None:
    settings = "  router: {hold_start: 300ms}\n  pipeline: {keepalive_interval: 50ms}"
    events = [Body(event) for event in stream("oai", WORDS)]
    with RunningGateway(configured(provider, settings, more="")) as running, RawClient(running) as client:
        play(provider, [Head(), *events[:2], Sleep(1.5), *events[2:], End()], "oai")
        client.post(CHAT, ask("oai-oai", stream=True))
        before = client.read_until(b'"role"')
        assert before.count(b": keepalive\n\n") >= 2
        assert b"Hel" not in before, "the beginning went on by itself"
        assert b"Hel" in client.read_all()
        assert len(provider.requests) == 1


def test_where_nothing_is_to_be_held_an_early_failure_is_the_clients(provider: Provider) -> None:
    with RunningGateway(configured(provider, "  router: {hold_start: 0}")) as running:
        play(provider, failing("oai", 2, "error"), "oai")
        reply = asked(running, "oai-oai", CHAT)
        assert content_of(CHAT, reply.body)[2] is not None
        assert len(provider.requests) == 1


def test_a_response_that_is_made_in_the_background_is_not_held(gateway: RunningGateway, provider: Provider) -> None:
    play(provider, failing("res", 2, "cut"), "res")
    reply = post(gateway, RESPONSES, ask("res-res", RESPONSES, stream=True, background=True))
    assert content_of(RESPONSES, reply.body)[2] is not None
    assert len(provider.requests) == 1
