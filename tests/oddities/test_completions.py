"""Legacy completions in forms that are not OpenAI's."""

import json
from typing import Any

import pytest

from tests.behaviour.clients import Reply, post
from tests.oddities.client_views import events
from tests.oddities.table import POLICIES, Policies, Table, sse
from tests.upstream import json_reply

_HEAD = {"id": "cmpl-1", "object": "text_completion", "created": 1760000000, "model": "gpt"}
_CHOICE = {"index": 0, "text": "so it is", "logprobs": None, "finish_reason": None}
_END = {"index": 0, "text": "", "logprobs": None, "finish_reason": "stop"}
_ways = pytest.mark.parametrize("policies", POLICIES)


def _completion(*choices: Any, **head: Any) -> dict[str, Any]:
    return {**_HEAD, "choices": choices, **head}


def _without_text(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in _CHOICE.items() if name != "text"} | fields


CHOICES: dict[str, Any] = {
    "plain": _CHOICE,
    "an empty list of logprobs": {**_CHOICE, "logprobs": []},
    "an index as a text": {**_CHOICE, "index": "0"},
    "a list of texts": {**_CHOICE, "text": ["so", " it is"]},
    "an object": {**_CHOICE, "text": {"text": "so it is"}},
    "a message": _without_text(message={"role": "assistant", "content": "so it is"}),
    "a delta": _without_text(delta={"content": "so it is"}),
}
HEADS: dict[str, dict[str, Any]] = {
    "a number for the model": {"model": 5},
    "a number for the tier": {"service_tier": 5, "system_fingerprint": 7, "id": 5},
    "a text for the time": {"created": "now"},
}


def _ask(table: Table, policies: Policies, *, stream: bool) -> Reply:
    body = {"model": "chat", "prompt": "hello", "stream": stream}
    return post(table.gateways[policies], "/v1/completions", body)


def _text(reply: Reply) -> str:
    assert reply.status == 200, reply
    found = list(events(reply.body)) if b"data: " in reply.body else [json.loads(reply.body), "[DONE]"]
    assert found[-1] == "[DONE]"
    return "".join(choice["text"] for event in found[:-1] for choice in event["choices"])


@_ways
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("name", CHOICES)
def test_a_text_in_another_form_is_the_text(table: Table, name: str, stream: bool, policies: Policies) -> None:
    choice = CHOICES[name]
    whole = json_reply(_completion({**choice, "finish_reason": "stop"}))
    table.provider.play(sse(_completion(choice), _completion(_END), "[DONE]") if stream else whole)
    assert _text(_ask(table, policies, stream=stream)) == "so it is"


@_ways
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("name", HEADS)
def test_a_field_that_nobody_needs_fails_no_answer(table: Table, name: str, stream: bool, policies: Policies) -> None:
    head = HEADS[name]
    whole = json_reply(_completion({**_CHOICE, "finish_reason": {"type": "stop"}}, **head))
    table.provider.play(sse(_completion(_CHOICE, **head), _completion(_END, **head), "[DONE]") if stream else whole)
    assert _text(_ask(table, policies, stream=stream)) == "so it is"


@_ways
@pytest.mark.parametrize("odd", [{**_HEAD, "choices": None}, _HEAD, b"data: null\n\n", {**_HEAD, "choices": [None]}])
def test_an_event_without_choices_is_one_that_an_sdk_reads(table: Table, odd: Any, policies: Policies) -> None:
    table.provider.play(sse(_completion(_CHOICE), odd, _completion(_END), b"data: [done]\n\n"))
    assert _text(_ask(table, policies, stream=True)) == "so it is"


@_ways
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("choice", [{**_CHOICE, "text": 5}, {**_CHOICE, "index": "first"}, "so"])
def test_a_text_that_is_not_understood_is_the_providers_failure(
    table: Table, choice: Any, stream: bool, policies: Policies
) -> None:
    table.provider.play(sse(_completion(choice), "[DONE]") if stream else json_reply(_completion(choice)))
    reply = _ask(table, policies, stream=stream)
    assert reply.status == 502
    assert table.gateways[policies].transaction(reply.request_id).outcome == "upstream_error"
