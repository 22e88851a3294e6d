"""Why a warm prompt cache was missed, found through the real gateway with a simulated provider that has one."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from app.settings import Settings
from telemetry import setup
from tests.behaviour.clients import CHAT, MESSAGES, post
from tests.behaviour.gateway import RunningGateway, configuration
from tests.behaviour.provider import Provider
from tests.upstream import json_reply, openai_completion

BULK = "alpha beta " * 700
"""1,400 tokens: more than the least that is cached."""
MODELS = [
    "agent: {model: simulated/echo+caching, input_cost_per_token: 2, cache_read_input_token_cost: 0.5}",
    "small: {model: simulated/echo+caching}",
    "dated: {model: simulated/echo+caching}",
    "forgetful: {model: simulated/echo+caching, cache_size: 1}",
    "failing: {model: simulated/echo+caching+status-503+every-2}",
    "spare: {model: simulated/echo+caching}",
]
POLICIES = "  policies: [{use: 'tests.behaviour.policies:Dates'}]"
REST = "litellm_settings: {num_retries: 0, fallbacks: [{failing: [spare]}]}"
PREFIX = "flowspan.cache.miss."
Message = dict[str, Any]


@pytest.fixture(scope="module")
def gateway() -> Iterator[RunningGateway]:
    with RunningGateway(configuration(MODELS, POLICIES, REST)) as running:
        yield running


def talk(*texts: str) -> list[Message]:
    """User and assistant by turns."""
    return [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(texts)]


def tool(name: str, description: str = "") -> Message:
    return {"name": name, "description": description, "input_schema": {"type": "object"}}


def send(
    gateway: RunningGateway, messages: list[Message], model: str = "agent", conversation: str = "", **fields: Any
) -> dict[str, Any]:
    """Send a prompt in Anthropic's API. Returns what the last attempt's span has of the cache, by short names."""
    headers = {"conversation-id": conversation} if conversation else {}
    reply = post(gateway, MESSAGES, {"model": model, "max_tokens": 20, "messages": messages, **fields}, headers)
    assert reply.status == 200
    attributes = gateway.transaction(reply.request_id).attempts[-1].attributes or {}
    return {
        name.removeprefix(PREFIX): value
        for name, value in attributes.items()
        if name.startswith((PREFIX, "flowspan.cache.read_ratio"))
    }


def blame(found: dict[str, Any]) -> tuple[Any, ...]:
    return found.get("cause"), found.get("by"), found.get("block")


def test_a_conversation_that_grows_is_read_from_the_cache(gateway: RunningGateway) -> None:
    texts = ["grow", "yes", BULK, "and", "so", "on", "and on"]

    found = [send(gateway, talk(*texts[:turns]), system="Be brief.") for turns in (3, 5, 7)]

    assert [blame(one) for one in found] == [(None, None, None)] * 3
    assert found[2]["flowspan.cache.read_ratio"] > 0.9


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({"tools": [tool("a"), tool("b")]}, {"tools": [tool("a"), tool("b", "new")]}, ("tools", "client", "tools[1]")),
        ({"tools": [tool("a")]}, {"tools": [tool("a"), tool("b")]}, ("tools", "client", "tools[1]")),
        ({"system": "at noon"}, {"system": "at one"}, ("system", "client", "system[0]")),
        ({}, {"system": "at one"}, ("system", "client", "system[0]")),
    ],
)
def test_what_the_client_changed_before_its_messages_is_named(
    gateway: RunningGateway, first: Message, second: Message, expected: tuple[str, ...]
) -> None:
    begun = f"change {first} to {second}"
    send(gateway, talk(begun, "yes", BULK), **first)

    missed = send(gateway, talk(begun, "yes", BULK, "ok", "go on"), **second)
    again = send(gateway, talk(begun, "yes", BULK, "ok", "go on", "ok", "go"), **second)

    assert blame(missed) == expected
    assert missed["lost_tokens"] >= 1_400
    assert missed["cost_usd"] == pytest.approx(1.5 * missed["lost_tokens"])
    assert blame(again) == (None, None, None)


def test_a_changed_message_is_named_by_its_position(gateway: RunningGateway) -> None:
    send(gateway, talk("edit", "an answer", "more", "yes", BULK))

    missed = send(gateway, talk("edit", "an answer", "more!", "yes", BULK, "ok", "go on"))

    assert blame(missed) == ("message", "client", "messages[2]")


def test_the_first_message_may_change_in_a_conversation_with_an_id(gateway: RunningGateway) -> None:
    send(gateway, talk("it is noon", "yes", BULK), conversation="c1")

    missed = send(gateway, talk("it is one", "yes", BULK, "ok", "go on"), conversation="c1")
    other = send(gateway, talk("it is two", "yes", BULK, "ok", "go on"), conversation="c2")

    assert blame(missed) == ("message", "client", "messages[0]")
    assert blame(other) == (None, None, None)


def test_a_history_that_was_summed_up_was_changed_by_the_client(gateway: RunningGateway) -> None:
    send(gateway, talk("sum up", "yes", BULK, "long", BULK))

    missed = send(gateway, talk("sum up", "a summary", "go on " + BULK))

    assert blame(missed) == ("message", "client", "messages[1]")


def test_a_policy_that_writes_the_date_is_to_blame_and_not_the_client(gateway: RunningGateway) -> None:
    send(gateway, talk("date", "yes", BULK), model="dated", system="Be brief.")

    missed = send(gateway, talk("date", "yes", BULK, "ok", "go on"), model="dated", system="Be brief.")

    assert blame(missed) == ("system", "policy", "system[0]")


def test_another_deployment_has_another_cache(gateway: RunningGateway) -> None:
    send(gateway, talk("elsewhere", "yes", BULK), model="failing")

    missed = send(gateway, talk("elsewhere", "yes", BULK, "ok", "go on"), model="failing")

    assert blame(missed) == ("deployment", "deployment", None)
    assert missed["flowspan.cache.read_ratio"] == 0


def test_a_provider_that_forgets_is_to_blame_itself(gateway: RunningGateway) -> None:
    send(gateway, talk("forget", "yes", BULK), model="forgetful")
    send(gateway, talk("something else", "yes", BULK), model="forgetful")
    before = gateway.sample("flowspan_cache_misses_total", model="forgetful", cause="provider")

    missed = send(gateway, talk("forget", "yes", BULK, "ok", "go on"), model="forgetful")

    assert blame(missed) == ("provider", "provider", None)
    assert gateway.sample("flowspan_cache_misses_total", model="forgetful", cause="provider") == before + 1
    lost = gateway.sample("flowspan_cache_lost_tokens_total", model="forgetful", cause="provider")
    assert lost == missed["lost_tokens"]


@pytest.mark.parametrize("conversation", ["", "session"])
def test_agents_that_take_turns_in_one_session_miss_nothing(gateway: RunningGateway, conversation: str) -> None:
    """The main one, one with another system prompt and other tools that begins with the same words, and one that asks a
    smaller model for a title."""
    main, other = {"system": f"main {BULK}", "tools": [tool("a")]}, {"system": f"other {BULK}", "tools": [tool("b")]}
    texts = [f"take turns {conversation}", "yes", "more", "yes", "more", "yes", "more"]

    found = [
        send(gateway, talk(*texts[:turns]), model=model, conversation=conversation, **fields)
        for turns in (1, 3, 5, 7)
        for model, fields in (("agent", main), ("agent", other), ("small", {"system": f"title {BULK}"}))
    ]

    assert [blame(one) for one in found] == [(None, None, None)] * 12


def test_marks_that_move_on_and_prompts_that_are_sent_again_miss_nothing(gateway: RunningGateway) -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    marked = [{"type": "text", "text": BULK, **mark}]
    first = [*talk("marks", "yes"), {"role": "user", "content": marked}]
    second = [*talk("marks", "yes", BULK, "ok"), {"role": "user", "content": [{"type": "text", "text": "go", **mark}]}]

    found = [send(gateway, messages, system="Be brief.") for messages in (first, first, second)]

    assert [blame(one) for one in found] == [(None, None, None)] * 3
    assert found[2]["flowspan.cache.read_ratio"] > 0.9


def test_small_prompts_are_not_looked_at(gateway: RunningGateway) -> None:
    found = [send(gateway, talk("small"), system=system) for system in ("one", "two")]

    assert found == [{}, {}]


def test_a_miss_is_in_the_access_line_and_an_event_of_the_transaction(gateway: RunningGateway) -> None:
    first = {"model": "agent", "messages": [{"role": "system", "content": "noon"}, *talk("line", "yes", BULK)]}
    post(gateway, CHAT, first)
    messages = [{"role": "system", "content": "one"}, *talk("line", "yes", BULK, "ok", "go on")]

    reply = post(gateway, CHAT, {"model": "agent", "stream": True, "messages": messages})

    transaction = gateway.transaction(reply.request_id)
    assert "cache.missed" in transaction.events
    line = gateway.log_line(transaction_id=reply.request_id, outcome="ok")
    assert (line["cache_miss"], line["cache_miss_by"], line["cache_miss_block"]) == ("system", "client", "system[0]")
    assert line["cache_lost_tokens"] >= 1_400


def test_each_api_tells_what_was_read_in_its_own_words(gateway: RunningGateway) -> None:
    body = {"model": "agent", "max_tokens": 5, "messages": talk("words", "yes", BULK)}

    written = post(gateway, MESSAGES, body).json()["usage"]
    read = post(gateway, MESSAGES, body).json()["usage"]
    chat = post(gateway, CHAT, body).json()["usage"]

    tokens = written["cache_creation_input_tokens"]
    assert tokens > 1_400
    assert (written.get("cache_read_input_tokens", 0), read["cache_read_input_tokens"]) == (0, tokens)
    assert chat["prompt_tokens_details"]["cached_tokens"] == tokens


def test_a_prompt_that_comes_too_late_has_expired() -> None:
    late = 0.0

    def telemetry(settings: Settings) -> Any:
        return setup(models=[("forgetful", "simulated")], clock=lambda: time.perf_counter() + late)

    with RunningGateway(configuration([MODELS[3]]), telemetry) as gateway:
        for text, wait in (("late", 0.0), ("else", 0.0), ("late", 301.0)):
            late += wait
            body = {"model": "forgetful", "max_tokens": 5, "messages": talk(text, "yes", BULK)}
            assert post(gateway, MESSAGES, body).status == 200
        assert gateway.sample("flowspan_cache_misses_total", cause="expired") == 1
        assert gateway.sample("flowspan_cache_misses_total") == 1


def test_it_can_be_switched_off() -> None:
    with RunningGateway(configuration(MODELS[:1], "  telemetry: {prompt_cache: false}")) as gateway:
        found = [send(gateway, talk("off", "yes", BULK), system=system) for system in ("one", "two")]

    assert [blame(one) for one in found] == [(None, None, None)] * 2


def test_a_translation_that_writes_an_earlier_turn_anew_is_to_blame() -> None:
    """A provider that needs the thinking of each turn with tools gets a filler for that of the turns before the first
    call, too."""
    model = "model: openai/thinker, api_key: k, thinking_history: required"
    first = talk("think", "yes", BULK)
    call = {"id": "call_1", "type": "function", "function": {"name": "ls", "arguments": "{}"}}
    second = [
        *first,
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "files"},
    ]
    with Provider() as provider:
        entry = f"thinker: {{{model}, api_base: '{provider.url}/v1'}}"
        with RunningGateway(configuration([entry])) as gateway:
            spans = []
            for messages, cached in ((first, 2_000), (second, 0)):
                counts = {"prompt_tokens": 3_000, "completion_tokens": 1, "total_tokens": 3_001}
                usage = {**counts, "prompt_tokens_details": {"cached_tokens": cached}}
                provider.play(json_reply(openai_completion({"content": "ok"}, usage=usage)))
                reply = post(gateway, CHAT, {"model": "thinker", "messages": messages})
                spans.append(gateway.transaction(reply.request_id).attempts[0].attributes or {})

    assert spans[0].get(f"{PREFIX}cause") is None
    assert [spans[1].get(PREFIX + name) for name in ("cause", "by", "block", "lost_tokens")] == [
        "message",
        "translation",
        "messages[1]",
        2_000,
    ]
