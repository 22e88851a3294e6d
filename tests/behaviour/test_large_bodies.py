"""Large and hostile bodies: bounded by count and by memory, refused by name, and never in the way of other requests."""

import gc
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.behaviour.clients import CHAT, COUNT, MESSAGES, RESPONSES, RawClient, Reply, ask, post
from tests.behaviour.gateway import RunningGateway, configuration, simulated, until
from tests.behaviour.provider import Provider
from tests.behaviour.scripted import models
from tests.upstream import json_reply, openai_completion

EMBEDDINGS, COMPLETIONS = "/v1/embeddings", "/v1/completions"
HELD_UP = 1.5 if sys.gettrace() is None else 5.0
"""Seconds of the processor that no event loop may be held for by one request; measuring coverage makes Python several
times slower."""
LIMITS = "messages_limit: 20, parts_limit: 10, inputs_limit: 30, tools_limit: 5, json_values_limit: 5000"
TOOL = {"name": "t", "input_schema": {"type": "object"}}
TEXT = {"type": "text", "text": "x"}
CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
FUNCTION = {"type": "function", "function": {"name": "t", "parameters": {"type": "object"}}}


@pytest.fixture(scope="module", autouse=True)
def _old_objects_are_frozen() -> None:
    """As when the gateway serves: otherwise the collector walks through what thousands of tests left in this process,
    which takes seconds and is no doing of a request's."""
    gc.freeze()


@pytest.fixture(scope="module")
def gateway(provider: Provider) -> Iterator[RunningGateway]:
    with RunningGateway(configuration([*models(provider, "direct"), *simulated("echo")])) as running:
        yield running


@pytest.fixture(scope="module", params=["", "  policies: [redact]"], ids=["bare", "redact"])
def guarded(request: pytest.FixtureRequest, provider: Provider) -> Iterator[RunningGateway]:
    """A gateway without policies, and one with `redact`."""
    with RunningGateway(configuration([*models(provider, "direct"), *simulated("echo")], request.param)) as running:
        yield running


@pytest.fixture(scope="module")
def strict() -> Iterator[RunningGateway]:
    with RunningGateway(configuration(simulated("echo"), f"  server: {{{LIMITS}}}")) as running:
        yield running


@contextmanager
def loop_goes_on(gateway: RunningGateway) -> Iterator[None]:
    """The event loop of the gateway comes to each next turn before this process has worked for `HELD_UP` seconds, in
    whichever thread: so a machine that is busy with something else does not count."""
    loop = gateway.server.loop
    assert loop is not None
    gaps: list[float] = []
    last = time.process_time()
    stopped = False

    def beat() -> None:
        nonlocal last
        now = time.process_time()
        gaps.append(now - last)
        last = now
        if not stopped:
            loop.call_later(0.005, beat)

    loop.call_soon_threadsafe(beat)
    until(lambda: gaps, "the first beat")
    yield
    count = len(gaps)
    until(lambda: len(gaps) > count, "one more beat", 60)
    stopped = True
    assert max(gaps[1:]) < HELD_UP


def schema(choices: bytes) -> bytes:
    """A tool whose one argument is one of these."""
    properties = b'{"type":"object","properties":{"a":{"enum":[%b]}}}' % choices
    return b'{"type":"function","function":{"name":"t","parameters":%b}}' % properties


EQUAL_PARTS = b'{"role":"user","content":[%b]}' % b",".join([b'{"type":"text","text":"some words"}'] * 9_000)


def chat(content: bytes, *, rest: bytes = b"") -> bytes:
    return b'{"model":"oai","messages":[{"role":"user","content":%b}]%b}' % (content, rest)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (EMBEDDINGS, b'{"model":"echo","input":[' + b'"",' * 3_000_000 + b'""]}', 400),
        (COMPLETIONS, b'{"model":"echo","prompt":[' + b'"",' * 3_000_000 + b'""]}', 400),
        (CHAT, chat(b'"x"', rest=b',"x":[' + b"[[],{}]," * 1_000_000 + b"1]"), 400),
        (CHAT, chat(b'"x"', rest=b',"x":[' + b"[{}]," * 120_000 + b"1]"), 200),
        (CHAT, chat(b'"x"', rest=b',"x":{' + b",".join(b'"%d":1' % one for one in range(400_000)) + b"}"), 200),
        (COUNT, chat(b'"' + rb"\u0041" * 4_000_000 + b'"'), 200),
        (CHAT, chat(b'"x"', rest=b',"x":[' + b",".join([b"9" * 4000] * 2000) + b"]"), 200),
        (COUNT, chat(b'"' + rb"\n" * 8_000_000 + b'"'), 200),
        (CHAT, chat(b'"x"', rest=b',"tools":[%b]' % schema(b",".join([b'"ab"'] * 400_000))), 200),
        (CHAT, b'{"model":"oai","messages":[%b]}' % b",".join([EQUAL_PARTS] * 15), 200),
    ],
    ids=["inputs", "prompts", "nested", "values", "keys", "escapes", "digits", "count", "repeated", "parts"],
)
def test_a_body_made_to_be_slow_holds_up_nobody(
    guarded: RunningGateway, provider: Provider, path: str, body: bytes, status: int
) -> None:
    provider.play(json_reply(openai_completion({"content": "fine"})))
    with loop_goes_on(guarded):
        reply = post(guarded, path, body, timeout=60)
    assert reply.status == status, reply.body[:300]
    until(lambda: guarded.app.gateway.bodies.used == 0, "nothing of it is held any more")


@pytest.mark.parametrize(
    ("path", "change", "field", "limit"),
    [
        (CHAT, {"messages": [{"role": "user", "content": "x"}] * 21}, "messages", 20),
        (MESSAGES, {"messages": [{"role": "user", "content": "x"}] * 21}, "messages", 20),
        (COUNT, {"messages": [{"role": "user", "content": "x"}] * 21}, "messages", 20),
        (RESPONSES, {"input": [{"role": "user", "content": "x"}] * 21}, "input", 20),
        (EMBEDDINGS, {"input": ["x"] * 31}, "input", 30),
        (COMPLETIONS, {"prompt": [[1, 2]] * 31}, "prompt", 30),
        (CHAT, {"tools": [FUNCTION] * 6}, "tools", 5),
        (MESSAGES, {"tools": [TOOL] * 6}, "tools", 5),
        (RESPONSES, {"tools": [{"type": "function", "name": "t"}] * 6}, "tools", 5),
        (MESSAGES, {"system": [TEXT] * 11}, "system", 10),
        (CHAT, {"messages": [{"role": "user", "content": [TEXT] * 11}]}, "messages[0].content", 10),
        (RESPONSES, {"input": [{"role": "user", "content": [TEXT] * 11}]}, "input[0].content", 10),
        (CHAT, {"messages": [{"role": "assistant", "tool_calls": [CALL] * 11}]}, "messages[0].tool_calls", 10),
        (CHAT, {"metadata": {"x": [0] * 6000}}, "values", 5000),
        (MESSAGES, {"metadata": {"x": [0] * 6000}}, "values", 5000),
    ],
)
def test_each_count_is_bounded_and_named(
    strict: RunningGateway, path: str, change: dict[str, Any], field: str, limit: int
) -> None:
    reply = post(strict, path, {**_asking(path), **change})
    assert reply.status == 400
    message = reply.json()["error"]["message"]
    assert field in message
    assert str(limit) in message
    if path in (CHAT, RESPONSES, EMBEDDINGS, COMPLETIONS) and field != "values":
        assert reply.json()["error"]["param"] == field
    assert strict.transaction(reply.request_id).outcome == "client_error"


def _asking(path: str) -> dict[str, Any]:
    if path == EMBEDDINGS:
        return {"model": "echo", "input": "x"}
    if path == COMPLETIONS:
        return {"model": "echo", "prompt": "x"}
    return ask("echo", path)


def test_what_an_agent_may_send_is_within_the_limits(gateway: RunningGateway, provider: Provider) -> None:
    provider.play(json_reply(openai_completion({"content": "fine"})))
    schema = {"type": "object", "properties": {f"p{at}": {"type": "string", "description": "x"} for at in range(30)}}
    tools = [{"type": "function", "function": {"name": f"t{at}", "parameters": schema}} for at in range(500)]
    messages = [{"role": "user", "content": "some words, " * 50} for _ in range(2000)]
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 5_000_000}}
    messages.append({"role": "user", "content": [image, {"type": "text", "text": "hello there"}]})  # type: ignore[dict-item]
    assert post(gateway, CHAT, {"model": "oai", "messages": messages, "tools": tools}, timeout=60).status == 200


def test_token_ids_of_a_whole_batch_are_within_the_limits(provider: Provider) -> None:
    answer = {"object": "list", "model": "e", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}]}
    provider.play(json_reply(answer))
    with RunningGateway(configuration(models(provider, "direct"))) as running:
        batch = [list(range(146)) for _ in range(2048)]
        for given in (batch, list(range(300_000)), ["some words"] * 2048):
            assert post(running, EMBEDDINGS, {"model": "oai", "input": given}, timeout=60).status == 200
        until(lambda: running.app.gateway.bodies.used == 0, "nothing of it is held any more")


SMALL_BUDGET = "  server: {total_body_bytes: 4MiB, body_timeout: 1s}\n  pipeline: {put_timeout: 1s}"


@pytest.fixture(scope="module")
def poor(provider: Provider) -> Iterator[RunningGateway]:
    entries = [*models(provider, "direct"), *simulated("echo")]
    with RunningGateway(configuration(entries, SMALL_BUDGET)) as running:
        yield running


def is_overloaded(gateway: RunningGateway, path: str, reply: Reply) -> None:
    assert reply.status == (529 if path in (MESSAGES, COUNT) else 503)
    assert int(reply.headers["retry-after"]) >= 1
    error = reply.json()["error"]
    assert error["type"] == "overloaded_error" if path in (MESSAGES, COUNT) else error["code"] == "overloaded"
    ended = gateway.transaction(reply.request_id)
    assert (ended.outcome, ended["error.type"]) == ("overloaded", "overloaded")


@pytest.mark.parametrize("path", [CHAT, MESSAGES, COUNT, RESPONSES])
def test_beyond_the_budget_a_request_is_refused_and_a_small_one_served(poor: RunningGateway, path: str) -> None:
    """An uploader that stalls holds what it has sent, and no longer than it may take for its body."""
    with RawClient(poor) as stalled:
        stalled.head(CHAT, content_length=str(3_400_000))
        stalled.send(b"x" * 3_300_000)
        until(lambda: poor.app.gateway.bodies.used >= 3_000_000, "most of it is here")
        poor.telemetry.sampler.sample()
        assert poor.sample("flowspan_body_bytes") >= 3_000_000
        is_overloaded(poor, path, post(poor, path, ask("echo", path, text="x" * 1_000_000)))
        assert post(poor, path, ask("echo", path)).status == 200
        assert stalled.read_until(b"}").startswith(b"HTTP/1.1 408 ")
    until(lambda: poor.app.gateway.bodies.used == 0, "all is given back")
    assert post(poor, path, ask("echo", path, text="x" * 1_000_000)).status == 200


def test_a_whole_answer_beyond_the_budget_is_nobody_elses_fault(poor: RunningGateway, provider: Provider) -> None:
    for _ in range(6):
        provider.play(json_reply(openai_completion({"content": "x" * 5_000_000})))
        is_overloaded(poor, CHAT, post(poor, CHAT, ask("oai")))
    provider.play(json_reply(openai_completion({"content": "fine"})))
    assert post(poor, CHAT, ask("oai")).status == 200, "the provider's breaker has opened"
    until(lambda: poor.app.gateway.bodies.used == 0, "all is given back")


def test_an_answer_that_nobody_reads_is_held_once_and_for_a_while(provider: Provider) -> None:
    provider.play(json_reply(openai_completion({"content": "x" * 12_000_000})))
    with RunningGateway(configuration(models(provider, "direct"), "  pipeline: {put_timeout: 1s}")) as running:
        held = running.app.gateway.bodies
        with RawClient(running, receive_buffer=4096) as client:
            client.post(CHAT, ask("oai"))
            until(lambda: 12_000_000 <= held.used < 12_100_000, "the answer alone is held")
            assert running.next_transaction(0).outcome == "overflow"
        until(lambda: held.used == 0, "all is given back")


def test_a_client_that_leaves_while_its_body_is_decoded_ends_once(gateway: RunningGateway) -> None:
    seen = gateway.wait_until_idle()
    body = chat(b'"x"', rest=b',"x":[' + b"[{}]," * 150_000 + b"1]")
    clients = [RawClient(gateway) for _ in range(4)]
    for client in clients:
        client.head(CHAT, content_length=str(len(body)))
        client.send(body)
    for client in clients:
        client.reset()
    until(lambda: len(gateway.transactions(seen)) == 4, "each has ended", 60)
    assert {one.outcome for one in gateway.transactions(seen)} == {"client_disconnect"}
    until(lambda: gateway.app.gateway.bodies.used == 0, "all is given back")
    assert post(gateway, CHAT, ask("echo")).status == 200


def answer_of(text: str, spelled: int = 0) -> dict[str, Any]:
    """A completion, with so many log probabilities, of one letter each."""
    body = openai_completion({"content": text})
    if spelled:
        logprob = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}
        body["choices"][0]["logprobs"] = {"content": [logprob] * spelled}
    return body


@pytest.mark.parametrize(
    ("answer", "goes_on_as_it_came"),
    [(answer_of("x", 80_000), False), (answer_of("a" * 60_000, 60_000), True), (answer_of('"\n' * 4_000_000), True)],
    ids=["of another text", "log probabilities", "long"],
)
def test_a_large_answer_of_a_provider_holds_up_nobody(
    guarded: RunningGateway, provider: Provider, answer: dict[str, Any], goes_on_as_it_came: bool
) -> None:
    """Log probabilities that spell another text than the answer are taken out, where a policy reads answers."""
    provider.play(json_reply(answer))
    for path in (CHAT, MESSAGES):
        with loop_goes_on(guarded):
            reply = post(guarded, path, ask("oai", path), timeout=60)
        assert reply.status == 200
        if path == CHAT and (goes_on_as_it_came or not guarded.app.gateway.policy_names):
            assert reply.body == json.dumps(answer).encode()
    until(lambda: guarded.app.gateway.bodies.used == 0, "all is given back")
