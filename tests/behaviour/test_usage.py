"""The tokens of attempts over real sockets: what a provider is taken to have used, and where it is booked."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from tests.behaviour.clients import CHAT, MESSAGES, RawClient, ask, post
from tests.behaviour.gateway import RunningGateway, Transaction, configuration, until
from tests.behaviour.provider import Provider
from tests.behaviour.scripted import models, text_reply, text_stream
from tests.upstream import (
    Body,
    Fin,
    Head,
    Script,
    Stall,
    anthropic_events,
    anthropic_start,
    anthropic_text_events,
    json_reply,
    openai_completion,
    openai_error,
    openai_events,
    stream_of,
)

PROMPT = "x" * 4000
ESTIMATED = 1004
PRICES = "input_cost_per_token: 0.001, output_cost_per_token: 0.01"
KINDS = ("input", "cache_read", "cache_write", "output", "reasoning")


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


@contextmanager
def closed_port() -> Iterator[int]:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@contextmanager
def deaf_port() -> Iterator[int]:
    """A port on which connections are neither taken nor refused: those that wait are as many as may."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


@pytest.fixture(scope="module")
def gateway(provider: Provider) -> Iterator[RunningGateway]:
    with closed_port() as closed, deaf_port() as deaf:
        entries = [
            *models(provider, "direct"),
            f"closed: {{model: openai/gpt-closed, api_base: 'http://127.0.0.1:{closed}/v1', api_key: k}}",
            f"deaf: {{model: openai/gpt-deaf, api_base: 'http://127.0.0.1:{deaf}/v1', api_key: k}}",
            f"claude-*: {{model: anthropic/claude-*, api_base: '{provider.url}', api_key: k, {PRICES}}}",
        ]
        rest = "litellm_settings: {num_retries: 0, fallbacks: [{closed: [oai]}]}"
        limits = "  breakers: {upstream: {threshold: 100000, min_requests: 100000}}"
        with RunningGateway(configuration(entries, limits, rest)) as running:
            yield running


class Sheet:
    """The counters of tokens, and what they grew by."""

    def __init__(self, gateway: RunningGateway) -> None:
        self._gateway = gateway
        self._before = self._now()

    def _now(self) -> dict[str, float]:
        sample = self._gateway.sample
        counted = {kind: sample("flowspan_tokens_total", token_type=kind) for kind in KINDS}
        for kind in ("input", "output"):
            counted[f"all {kind}"] = sample("gen_ai_client_token_usage_sum", gen_ai_token_type=kind)
            counted[f"estimated {kind}"] = sample("flowspan_tokens_without_usage_total", token_type=kind)
        return counted

    def grew(self) -> dict[str, float]:
        return {kind: now - self._before[kind] for kind, now in self._now().items() if now != self._before[kind]}


def _tokens(transaction: Transaction) -> list[tuple[int, int, bool] | None]:
    """Input and output of each attempt, and whether some of it is an estimate; None for one that used none."""
    found: list[dict[str, Any]] = [dict(span.attributes or {}) for span in transaction.attempts]
    return [
        (one["gen_ai.usage.input_tokens"], one["gen_ai.usage.output_tokens"], "flowspan.usage.estimated" in one)
        if "gen_ai.usage.input_tokens" in one
        else None
        for one in found
    ]


WORDS = ({"content": "y" * 40},)
UNCOUNTED = {name: value for name, value in openai_completion(WORDS[0]).items() if name != "usage"}
CUT = stream_of(openai_events(*WORDS)[:2], Fin())


@pytest.mark.parametrize(
    ("model", "script", "stream", "tokens"),
    [
        ("oai", text_stream("oai"), True, (9, 4, False)),
        ("ant", text_stream("ant"), True, (9, 4, False)),
        ("oai", text_reply("oai"), False, (9, 4, False)),
        ("oai", stream_of(openai_events(*WORDS)), True, (ESTIMATED, 10, True)),
        ("oai", json_reply(UNCOUNTED), False, (ESTIMATED, 10, True)),
        ("oai", CUT, True, (ESTIMATED, 10, True)),
        ("oai", [Head(), Fin()], True, (ESTIMATED, 0, True)),
        ("oai", [Head(content_type="application/json"), Body(b"{"), Fin()], False, (ESTIMATED, 0, True)),
        ("oai", openai_error(429), True, None),
        ("oai", openai_error(500), False, None),
        ("oai", [Fin()], True, None),
        ("oai", [Head(), Body(b'data: {"error": {"message": "busy"}}\n\n'), Fin()], True, None),
    ],
)
def test_an_attempt_ends_with_the_tokens_that_its_provider_used(
    provider: Provider,
    gateway: RunningGateway,
    model: str,
    script: Script,
    stream: bool,
    tokens: tuple[int, int, bool] | None,
) -> None:
    provider.play(script)
    sheet = Sheet(gateway)
    path = CHAT if model == "oai" else MESSAGES
    reply = post(gateway, path, ask(model, path, PROMPT, stream=stream))
    assert _tokens(gateway.transaction(reply.request_id)) == [tokens]
    grew = sheet.grew()
    if tokens is None:
        assert grew == {}
    else:
        prompt, completion, is_estimated = tokens
        assert grew.get("input") == grew.get("all input") == prompt
        assert grew.get("output", 0) == grew.get("all output", 0) == completion
        assert ("estimated input" in grew) == is_estimated


def test_a_client_that_leaves_has_used_what_came(provider: Provider, gateway: RunningGateway) -> None:
    provider.play(stream_of(openai_events(*WORDS)[:2], Stall()))
    seen = gateway.wait_until_idle()
    with RawClient(gateway) as client:
        client.post(CHAT, ask("oai", CHAT, PROMPT, stream=True))
        client.read_until(b"yyy")
    assert _tokens(gateway.next_transaction(seen)) == [(ESTIMATED, 10, True)]


def test_a_client_that_leaves_before_the_answer_has_used_its_prompt(
    provider: Provider, gateway: RunningGateway
) -> None:
    provider.play([Stall()])
    seen = gateway.wait_until_idle()
    with RawClient(gateway) as client:
        client.post(CHAT, ask("oai", CHAT, PROMPT, stream=True))
        provider.received()
    assert _tokens(gateway.next_transaction(seen)) == [(ESTIMATED, 0, True)]


def test_a_client_that_leaves_while_nobody_takes_the_connection_has_used_nothing(gateway: RunningGateway) -> None:
    seen = gateway.wait_until_idle()
    with RawClient(gateway) as client:
        client.post(CHAT, ask("deaf", CHAT, PROMPT, stream=True))
        until(lambda: gateway.sample("flowspan_upstream_attempts_total", deployment="deaf"), "an attempt has begun")
    assert _tokens(gateway.next_transaction(seen)) == [None]


def test_a_prompt_that_was_counted_before_the_cut_is_not_estimated(provider: Provider, gateway: RunningGateway) -> None:
    begun = {**anthropic_start()["message"]["usage"], "cache_read_input_tokens": 30, "cache_creation_input_tokens": 20}
    start = {"type": "message_start", "message": {**anthropic_start()["message"], "usage": begun}}
    events = anthropic_events(start) + anthropic_text_events("y" * 40)[1:3]
    provider.play(stream_of(events, Fin()))
    sheet = Sheet(gateway)
    reply = post(gateway, MESSAGES, ask("ant", MESSAGES, PROMPT, stream=True))
    assert _tokens(gateway.transaction(reply.request_id)) == [(59, 11, True)]
    parts = {"input": 9, "cache_read": 30, "cache_write": 20, "output": 11}
    assert sheet.grew() == {**parts, "all input": 59, "all output": 11, "estimated output": 10}


def test_a_fallback_is_booked_to_the_model_that_answered(provider: Provider, gateway: RunningGateway) -> None:
    provider.play(text_stream("oai"))
    before = gateway.sample("flowspan_tokens_total", model="oai", deployment="oai", provider="openai")
    reply = post(gateway, CHAT, ask("closed", CHAT, PROMPT, stream=True))
    transaction = gateway.transaction(reply.request_id)
    assert _tokens(transaction) == [None, (9, 4, False)]
    assert gateway.sample("flowspan_tokens_total", model="oai", deployment="oai", provider="openai") - before == 13
    durations = "gen_ai_client_operation_duration_seconds_count"
    assert gateway.sample(durations, gen_ai_request_model="closed", error_type="") == 0
    assert gateway.sample(durations, gen_ai_request_model="closed", error_type="upstream_unreachable") == 1
    assert gateway.sample("flowspan_tokens_total", model="closed") == 0


def test_a_model_behind_a_wildcard_is_booked_to_the_wildcard(provider: Provider, gateway: RunningGateway) -> None:
    provider.play(text_stream("ant"))
    reply = post(gateway, MESSAGES, ask("claude-haiku-4-5", MESSAGES, stream=True))
    dollars = 9 * 0.001 + 4 * 0.01
    assert gateway.transaction(reply.request_id)["flowspan.cost_usd"] == pytest.approx(dollars)
    booked = {"provider": "anthropic", "model": "claude-*"}
    assert gateway.sample("flowspan_cost_usd_total", **booked) == pytest.approx(dollars)
    assert gateway.sample("flowspan_tokens_total", **booked) == 13
    assert gateway.sample("flowspan_unpriced_attempts_total", **booked) == 0
