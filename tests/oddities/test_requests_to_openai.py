"""What a provider of one of OpenAI's APIs is asked, whichever API the client speaks, as a stream and whole, with a
policy and without."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.behaviour.clients import ask, post
from tests.oddities.client_views import Api
from tests.oddities.table import (
    PATHS,
    POLICIES,
    Policies,
    Table,
    Way,
    chat_events,
    chat_whole,
    delta,
    responses_events,
    responses_whole,
)
from tests.unit.dialects.openai_responses.events import message, text_events
from tests.upstream import json_reply

_SENT_TO: Mapping[str, Any] = {
    "chat": (chat_events(delta(content="so"), delta(finish="stop")), chat_whole({"content": "so"})),
    "responses": (responses_events(text_events("so")), responses_whole(message("so"))),
}
_LONG = "user_" + "a" * 64 + "_account_" + "b" * 36 + "_session_" + "c" * 36
_URL = "https://a.example/x.png"

every_way = pytest.mark.parametrize("policies", POLICIES)
streamed_or_whole = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])


def asked(table: Table, way: Way, model: str, **fields: Any) -> dict[str, Any]:
    """What the provider behind this model is asked."""
    streamed, whole = _SENT_TO[model]
    table.provider.play(list(streamed if way.stream else whole))
    path = PATHS[way.client]
    reply = post(table.gateways[way.policies], path, {**ask(model, path), "stream": way.stream, **fields})
    assert reply.status == 200, reply.body
    body: dict[str, Any] = table.provider.received().json()
    return body


_SHARED = {
    "metadata": {"a": "b"},
    "prompt_cache_key": "sess-1",
    "prompt_cache_retention": "24h",
    "safety_identifier": "u1",
    "service_tier": "flex",
    "store": False,
    "user": "u2",
}


@every_way
@streamed_or_whole
@pytest.mark.parametrize(("client", "model"), [("responses", "chat"), ("chat", "responses")])
def test_what_both_apis_have_is_carried_between_them(
    table: Table, client: Api, model: str, stream: bool, policies: Policies
) -> None:
    body = asked(table, Way(client, stream, policies), model, **_SHARED)
    assert {name: body.get(name) for name in _SHARED} == _SHARED


@every_way
@streamed_or_whole
def test_options_that_stand_elsewhere_are_carried_between_both_apis(
    table: Table, stream: bool, policies: Policies
) -> None:
    options: dict[str, Any] = {
        "text": {"verbosity": "low"},
        "include": ["message.output_text.logprobs"],
        "top_logprobs": 2,
    }
    body = asked(table, Way("responses", stream, policies), "chat", **options)
    assert (body["verbosity"], body["logprobs"], body["top_logprobs"]) == ("low", True, 2)
    options = {"verbosity": "low", "logprobs": True, "top_logprobs": 2}
    body = asked(table, Way("chat", stream, policies), "responses", **options)
    assert body["text"] == {"verbosity": "low"}
    assert body["include"] == ["message.output_text.logprobs"]
    assert body["top_logprobs"] == 2


@every_way
@pytest.mark.parametrize(("detail", "in_chat"), [("low", "low"), ("original", "high"), (None, None)])
def test_how_closely_an_image_is_looked_at_is_carried_to_chat(
    table: Table, policies: Policies, detail: str | None, in_chat: str | None
) -> None:
    image = {"type": "input_image", "image_url": _URL, **({"detail": detail} if detail else {})}
    body = asked(table, Way("responses", False, policies), "chat", input=[{"role": "user", "content": [image]}])
    assert body["messages"][0]["content"][0]["image_url"].get("detail") == in_chat


@every_way
@pytest.mark.parametrize(("detail", "in_responses"), [("high", "high"), (None, "auto")])
def test_how_closely_an_image_is_looked_at_is_carried_to_responses(
    table: Table, policies: Policies, detail: str | None, in_responses: str
) -> None:
    url = {"url": _URL, **({"detail": detail} if detail else {})}
    messages = [{"role": "user", "content": [{"type": "image_url", "image_url": url}]}]
    body = asked(table, Way("chat", False, policies), "responses", messages=messages)
    assert body["input"][0]["content"][0]["detail"] == in_responses


@every_way
@pytest.mark.parametrize("model", ["chat", "responses"])
def test_the_url_of_an_image_may_stand_alone(table: Table, policies: Policies, model: str) -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "q"}, {"type": "image_url", "image_url": _URL}]}]
    body = asked(table, Way("chat", False, policies), model, messages=messages)
    image = (body["messages"] if model == "chat" else body["input"])[0]["content"][1]
    assert image["image_url"] == ({"url": _URL} if model == "chat" else _URL)


@every_way
@streamed_or_whole
@pytest.mark.parametrize("model", ["chat", "responses"])
@pytest.mark.parametrize(
    ("client", "fields"),
    [
        ("messages", {"metadata": {"user_id": _LONG}}),
        ("chat", {"user": _LONG}),
        ("responses", {"user": _LONG}),
    ],
)
def test_a_long_id_of_a_user_goes_as_its_digest(
    table: Table, client: Api, fields: dict[str, Any], model: str, stream: bool, policies: Policies
) -> None:
    first, second = (asked(table, Way(client, stream, policies), model, **fields)["user"] for _ in range(2))
    assert len(first) == 64
    assert first == second


@every_way
def test_long_ids_of_sessions_go_as_their_digests(table: Table, policies: Policies) -> None:
    ids = {"prompt_cache_key": _LONG, "safety_identifier": _LONG[:65]}
    body = asked(table, Way("chat", False, policies), "chat", **ids)
    assert [len(body[name]) for name in ids] == [64, 64]
    assert body["prompt_cache_key"] != body["safety_identifier"]


@every_way
@streamed_or_whole
def test_the_responses_api_is_asked_for_16_tokens_at_least(table: Table, stream: bool, policies: Policies) -> None:
    limits: list[tuple[Api, str]] = [
        ("messages", "max_tokens"),
        ("chat", "max_tokens"),
        ("chat", "max_completion_tokens"),
    ]
    for client, name in limits:
        way = Way(client, stream, policies)
        assert asked(table, way, "responses", **{name: 1})["max_output_tokens"] == 16
        assert asked(table, way, "responses", **{name: 17})["max_output_tokens"] == 17


@every_way
@streamed_or_whole
def test_developer_is_system_at_a_server_that_nobody_knows(table: Table, stream: bool, policies: Policies) -> None:
    parts = [{"type": "input_text", "text": "c"}]
    given: list[dict[str, Any]] = [
        {"role": "developer", "content": "b"},
        {"role": "developer", "content": parts},
        {"role": "user", "content": "hi"},
    ]
    body = asked(table, Way("responses", stream, policies), "chat", instructions="a", input=given)
    assert [one["role"] for one in body["messages"]] == ["system", "system", "system", "user"]
    given[1]["content"] = [{"type": "text", "text": "c"}]
    body = asked(table, Way("chat", stream, policies), "chat", messages=given)
    assert [one["role"] for one in body["messages"]] == ["system", "system", "user"]
    assert body["messages"][1]["content"] == [{"type": "text", "text": "c"}]


@every_way
@pytest.mark.parametrize("field", ["stop_reason", "matched_stop"])
@pytest.mark.parametrize(
    ("value", "sequence"), [("END", "END"), (128001, None), (None, None), ("end_turn", None), ("stop", None)]
)
def test_the_stop_sequence_that_ended_an_answer_reaches_a_client_of_messages(
    table: Table, policies: Policies, field: str, value: object, sequence: str | None
) -> None:
    reason = "end_turn" if sequence is None else "stop_sequence"
    table.provider.play(list(chat_events(delta(content="so"), delta(finish="stop", choice={field: value}))))
    reply = table.send(Way("messages", True, policies), "chat")
    data = next(line for line in reply.body.splitlines() if b'"message_delta"' in line and line.startswith(b"data:"))
    ending = json.loads(data.removeprefix(b"data:"))["delta"]
    assert (ending["stop_reason"], ending["stop_sequence"]) == (reason, sequence)

    choice = {"index": 0, "message": {"role": "assistant", "content": "so"}, "finish_reason": "stop", field: value}
    table.provider.play(json_reply({"id": "c", "object": "chat.completion", "model": "m", "choices": [choice]}))
    ending = table.send(Way("messages", False, policies), "chat").json()
    assert (ending["stop_reason"], ending["stop_sequence"]) == (reason, sequence)


_LOGPROBS = [{"token": "so", "logprob": -0.5, "bytes": [115, 111], "top_logprobs": []}]


@every_way
def test_log_probabilities_of_an_answer_reach_clients_of_both_apis(table: Table, policies: Policies) -> None:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "so"},
        "finish_reason": "stop",
        "logprobs": {"content": _LOGPROBS},
    }
    table.provider.play(json_reply({"id": "c", "object": "chat.completion", "model": "m", "choices": [choice]}))
    body = table.send(Way("responses", False, policies), "chat").json()
    assert body["output"][0]["content"][0]["logprobs"] == _LOGPROBS

    item = message("so")
    item["content"][0]["logprobs"] = _LOGPROBS
    table.provider.play(list(responses_whole(item)))
    body = table.send(Way("chat", False, policies), "responses").json()
    assert body["choices"][0]["logprobs"] == {"content": _LOGPROBS}
