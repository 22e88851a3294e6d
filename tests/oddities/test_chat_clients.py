"""A client of chat completions before a provider of the same: its official SDK reads what came, and each event that it
can read goes on byte for byte."""

import json
from typing import Any

import httpx
import openai
import pytest

from tests.behaviour.clients import Reply
from tests.oddities.table import POLICIES, Case, Expected, Policies, Table, Way, chat_events, chat_whole, delta, sse
from tests.oddities.test_shapes import body_of

_START = delta(role="assistant", content="so")
_HEAD = json.loads(body_of(chat_events(_START)).split(b"\n\n")[0].removeprefix(b"data: "))
_CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "read", "arguments": "{}"}}


def _event(choices: Any) -> dict[str, Any]:
    return {**_HEAD, "choices": choices}


def _bytes(event: Any) -> bytes:
    return body_of(sse(event))


ODD: dict[str, tuple[Any, Any]] = {
    "choices null": (_event(None), _event([])),
    "no choices": ({name: value for name, value in _HEAD.items() if name != "choices"}, _event([])),
    "a null among choices": (_event([None]), _event([])),
    "one choice": (_event(delta(content=" it is")), _event([delta(content=" it is")])),
    "delta null": (
        _event([{"index": 0, "delta": None, "finish_reason": None}]),
        _event([{"index": 0, "delta": {}, "finish_reason": None}]),
    ),
    "no delta": (_event([{"index": 0}]), _event([{"index": 0, "delta": {}}])),
    "an empty list of logprobs": (
        _event([delta(content="a", choice={"logprobs": []})]),
        _event([delta(content="a", choice={"logprobs": None})]),
    ),
    "an index as a text": (_event([{**delta(content="a"), "index": "0"}]), _event([delta(content="a")])),
    "a list of texts": (_event([delta(content=["a", "b"])]), _event([delta(content="ab")])),
    "an object": (_event([delta(content={"type": "text", "text": "a"})]), _event([delta(content="a")])),
    "one call": (_event([delta(tool_calls=_CALL)]), _event([delta(tool_calls=[_CALL])])),
    "nulls among calls": (_event([delta(tool_calls=[None, _CALL])]), _event([delta(tool_calls=[_CALL])])),
    "null": (b"data: null\n\n", b":\n\n"),
    "the field twice": (b"data: " + _bytes(_event([delta(content="a")])), _event([delta(content="a")])),
}
PLAIN: dict[str, Any] = {
    "typed parts": _event([delta(content=[{"type": "text", "text": "a"}])]),
    "a number for the tier": {**_event([delta(content="a")]), "service_tier": 5},
    "reasoning as an object": _event([delta(content="a", reasoning={"text": "hm"})]),
    "annotations in an object": _event([delta(content="a", annotations={"a": 1})]),
    "no type of a call": _event([delta(tool_calls=[{name: _CALL[name] for name in ("index", "id", "function")}])]),
    "a comment": b": so\n\n",
}


def _asked(table: Table, policies: Policies, body: bytes) -> Reply:
    script = sse(body)
    return table.ask(Case("", script, script, Expected()), Way("chat", True, policies))


def _text_by_sdk(body: bytes) -> str | None:
    """What the official SDK makes of a stream, by its helper that adds up the events."""
    answer = httpx.MockTransport(
        lambda request: httpx.Response(200, headers={"content-type": "text/event-stream"}, content=body)
    )
    with (
        openai.OpenAI(api_key="any", base_url="http://gateway", http_client=httpx.Client(transport=answer)) as sdk,
        sdk.chat.completions.stream(model="m", messages=[{"role": "user", "content": "hi"}]) as stream,
    ):
        stream.until_done()
        return stream.get_final_completion().choices[0].message.content


@pytest.mark.filterwarnings("ignore:Pydantic serializer")
@pytest.mark.parametrize("policies", POLICIES)
@pytest.mark.parametrize("name", ODD)
def test_only_the_event_that_an_sdk_stumbles_over_is_mended(table: Table, name: str, policies: Policies) -> None:
    odd, mended = ODD[name]
    end = delta(finish="tool_calls" if "call" in name else "stop")
    before, after = _bytes(_event([_START])), _bytes(_event([end])) + b"data: [DONE]\n\n"
    reply = _asked(table, policies, before + _bytes(odd) + after)
    assert reply.body.startswith(before)
    assert reply.body.endswith(after)
    middle = reply.body[len(before) : -len(after)]
    if isinstance(mended, bytes):
        assert middle == mended
    else:
        assert json.loads(middle.removeprefix(b"data: ")) == mended
    assert (_text_by_sdk(reply.body) or "").startswith("so")


@pytest.mark.parametrize("policies", POLICIES)
@pytest.mark.parametrize("name", PLAIN)
def test_what_an_sdk_can_read_stays_byte_for_byte(table: Table, name: str, policies: Policies) -> None:
    end = delta(finish="tool_calls" if "call" in name else "stop")
    body = b"".join(map(_bytes, [_event([_START]), PLAIN[name], _event([end])])) + b"data: [DONE]\n\n"
    assert _asked(table, policies, body).body == body


@pytest.mark.parametrize("policies", POLICIES)
def test_a_whole_completion_as_an_event_is_one_that_an_sdk_reads(table: Table, policies: Policies) -> None:
    completion = body_of(chat_whole({"content": "so it is"}))
    reply = _asked(table, policies, b"data: %b\n\n" % completion)
    assert _text_by_sdk(reply.body) == "so it is"
    assert reply.body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("policies", POLICIES)
def test_a_whole_completion_as_others_write_it_stays_byte_for_byte(table: Table, policies: Policies) -> None:
    script = chat_whole({"content": "so", "reasoning": {"text": "hm"}}, service_tier=5)
    assert table.ask(Case("", None, script, Expected()), Way("chat", False, policies)).body == body_of(script)
