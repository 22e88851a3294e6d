"""What a model needs back with the next turn survives clients of every dialect, before providers that refuse as real
ones do."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from tests.behaviour.provider import Provider
from tests.behaviour.scripted import PROVIDER_KEY
from tests.oddities.client_memory import INPUTS, QUESTION, Turn, remembered, results
from tests.oddities.client_views import Api, read
from tests.oddities.table import (
    WAYS,
    Table,
    Way,
    chat_events,
    chat_whole,
    delta,
    messages_events,
    messages_whole,
    running_table,
)
from tests.upstream import Received, Script, anthropic_error, openai_error

Refusal = Callable[[Any], str | None]
"""What a provider says of a body that it refuses."""
over_ways = pytest.mark.parametrize("way", WAYS, ids=str)

_USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
_THOUGHT = "I call the tool"
_SIGNATURE = "CiQB0e2Kbz+/" * 40 + "AA=="
_CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
_SIGNED = {**_CALL, "extra_content": {"google": {"thought_signature": _SIGNATURE}}}
_TOOLS: Mapping[Api, Any] = {
    "chat": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    "messages": [{"name": "f", "input_schema": {"type": "object"}}],
    "responses": [{"type": "function", "name": "f", "parameters": {"type": "object"}}],
}


def _models(provider: Provider) -> list[str]:
    openai = f"api_base: '{provider.url}/v1', api_key: {PROVIDER_KEY}, use_chat_completions_api: true"
    return [
        f"deepseek: {{model: deepseek/deepseek-chat, {openai}}}",
        f"vllm: {{model: hosted_vllm/qwen, {openai}}}",
        f"openrouter: {{model: openrouter/a/b, {openai}}}",
        f"groq: {{model: groq/llama, {openai}}}",
        f"mistral: {{model: mistral/mistral-large, {openai}}}",
        f"gemini: {{model: openai/gemini-3-pro-preview, {openai}}}",
        f"told: {{model: openai/x, {openai}, thinking_history: required}}",
    ]


@pytest.fixture(scope="module")
def second_turns() -> Iterator[Table]:
    with running_table(_models) as running:
        yield running


def _answers(way: Way, message: dict[str, Any]) -> Script:
    """A chat provider's answer with these fields, in one delta each where it is streamed."""
    finish = "tool_calls" if "tool_calls" in message else "stop"
    if not way.stream:
        return chat_whole(message, finish)
    calls = [{"index": at, **call} for at, call in enumerate(message.get("tool_calls", ()))]
    deltas = [{name: value} for name, value in message.items() if name != "tool_calls"]
    deltas += [{"tool_calls": [call]} for call in calls]
    return chat_events(*(delta(**one) for one in deltas), delta(finish=finish), usage=_USAGE)


def _assistants(body: Any) -> list[dict[str, Any]]:
    return [message for message in body["messages"] if message["role"] == "assistant"]


def _asked_again(table: Table, way: Way, model: str, turn: Turn, script: Callable[[Received], Script]) -> Any:
    """Send the second turn; the body that the provider was sent, if it answered."""
    table.provider.play(lambda number, request: script(request))
    conversation = [QUESTION, *turn, *results(way.client, turn)]
    reply = table.send(way, model, **{INPUTS[way.client]: conversation}, tools=_TOOLS[way.client])
    view = read(way.client, way.stream, reply)
    assert (view.status, view.error, view.text) == (200, None, "sunny"), view
    return table.provider.received().json()


def _first_turn(table: Table, way: Way, model: str, message: dict[str, Any]) -> Turn:
    table.provider.play(list(_answers(way, message)))
    return remembered(way.client, way.stream, table.send(way, model, tools=_TOOLS[way.client]))


def _chat(way: Way, refuses: Refusal) -> Callable[[Received], Script]:
    def script(request: Received) -> Script:
        if (refusal := refuses(request.json())) is not None:
            return openai_error(400, refusal)
        return _answers(way, {"content": "sunny"})

    return script


def _claude(way: Way) -> Callable[[Received], Script]:
    def script(request: Received) -> Script:
        for message in request.json()["messages"]:
            blocks = message["content"] if isinstance(message["content"], list) else []
            if not message["content"]:
                return anthropic_error(400, "invalid_request_error", "messages must have non-empty content")
            if any(block["type"] == "thinking" and block["signature"] != "EqQB" for block in blocks):
                return anthropic_error(400, "invalid_request_error", "Invalid `signature` in `thinking` block")
            if any(block["type"] == "redacted_thinking" and ":" in block["data"] for block in blocks):
                return anthropic_error(400, "invalid_request_error", "Invalid `data` in `redacted_thinking` block")
        text = {"type": "text", "text": "sunny"}
        if not way.stream:
            return messages_whole([text])
        return messages_events(({**text, "text": ""}, [{"type": "text_delta", "text": "sunny"}]))

    return script


@over_ways
@pytest.mark.parametrize(
    ("model", "given", "wanted"),
    [
        ("deepseek", "reasoning_content", ["reasoning_content"]),
        ("vllm", "reasoning", ["reasoning", "reasoning_content"]),
        ("openrouter", "reasoning", ["reasoning"]),
        ("told", "reasoning_content", ["reasoning_content"]),
    ],
)
def test_thinking_goes_back_to_the_provider_that_had_it(
    second_turns: Table, way: Way, model: str, given: str, wanted: list[str]
) -> None:
    def refuses(body: Any) -> str | None:
        lost = [name for message in _assistants(body) for name in wanted if message.get(name) != _THOUGHT]
        return "The reasoning_content in the thinking mode must be passed back to the API." if lost else None

    turn = _first_turn(second_turns, way, model, {given: _THOUGHT, "tool_calls": [_CALL]})
    _asked_again(second_turns, way, model, turn, _chat(way, refuses))


@over_ways
def test_a_filler_stands_in_for_thinking_that_a_client_lost(second_turns: Table, way: Way) -> None:
    def refuses(body: Any) -> str | None:
        return None if all(message.get("reasoning_content") for message in _assistants(body)) else "passed back"

    turn = _first_turn(second_turns, way, "deepseek", {"tool_calls": [_CALL]})
    _asked_again(second_turns, way, "deepseek", turn, _chat(way, refuses))


@over_ways
@pytest.mark.parametrize("model", ["groq", "mistral"])
def test_thinking_of_another_provider_stays_away_from_one_that_refuses_it(
    second_turns: Table, way: Way, model: str
) -> None:
    def refuses(body: Any) -> str | None:
        known = {"role", "content", "tool_calls"}
        unknown = [name for message in _assistants(body) for name in message if name not in known]
        return f"property {unknown[0]!r} is unsupported" if unknown else None

    turn = _first_turn(second_turns, way, "deepseek", {"reasoning_content": _THOUGHT, "tool_calls": [_CALL]})
    _asked_again(second_turns, way, model, turn, _chat(way, refuses))


@over_ways
def test_a_signature_of_geminis_comes_back_with_its_call(second_turns: Table, way: Way) -> None:
    def refuses(body: Any) -> str | None:
        (call,) = _assistants(body)[0]["tool_calls"]
        if call.get("extra_content") != _SIGNED["extra_content"]:
            return "Function call is missing a thought_signature in functionCall parts."
        same = [message["tool_call_id"] for message in body["messages"] if message["role"] == "tool"] == [call["id"]]
        return None if same and call["id"] == "call_1" else "Invalid id"

    turn = _first_turn(second_turns, way, "gemini", {"tool_calls": [_SIGNED]})
    ids = re.findall(r"'(?:call_id|id)': '((?:call|toolu)[^']*)'", str(turn))
    assert [re.fullmatch(r"[a-zA-Z0-9_-]+", id) is not None for id in ids] == [True], ids
    _asked_again(second_turns, way, "gemini", turn, _chat(way, refuses))


@over_ways
def test_a_call_that_gemini_never_signed_gets_its_filler(second_turns: Table, way: Way) -> None:
    def refuses(body: Any) -> str | None:
        first, second = _assistants(body)[0]["tool_calls"]
        filler = {"google": {"thought_signature": "skip_thought_signature_validator"}}
        return None if first.get("extra_content") == filler and "extra_content" not in second else "missing"

    turn = _first_turn(second_turns, way, "deepseek", {"tool_calls": [_CALL, {**_CALL, "id": "call_2"}]})
    _asked_again(second_turns, way, "gemini", turn, _chat(way, refuses))


@over_ways
@pytest.mark.parametrize("model", ["deepseek", "groq"])
def test_a_signature_of_geminis_goes_to_nobody_else(second_turns: Table, way: Way, model: str) -> None:
    def refuses(body: Any) -> str | None:
        calls = [call for message in _assistants(body) for call in message["tool_calls"]]
        return "unknown" if any(call.keys() != _CALL.keys() or len(call["id"]) > 40 for call in calls) else None

    turn = _first_turn(second_turns, way, "gemini", {"tool_calls": [_SIGNED]})
    _asked_again(second_turns, way, model, turn, _chat(way, refuses))


@over_ways
def test_only_what_anthropic_signed_goes_to_anthropic(second_turns: Table, way: Way) -> None:
    first = {"reasoning_content": _THOUGHT, "tool_calls": [_SIGNED]}
    turn = _first_turn(second_turns, way, "deepseek", first)
    body = _asked_again(second_turns, way, "messages", turn, _claude(way))
    assert [block["type"] for block in _assistants(body)[0]["content"]] == ["tool_use"]


@over_ways
def test_claudes_signed_thinking_comes_back_and_reads_as_text_elsewhere(second_turns: Table, way: Way) -> None:
    thought = {"type": "thinking", "thinking": _THOUGHT, "signature": "EqQB"}
    call = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
    if way.stream:
        pieces = [{"type": "thinking_delta", "thinking": _THOUGHT}, {"type": "signature_delta", "signature": "EqQB"}]
        begun = {**thought, "thinking": "", "signature": ""}
        answer = messages_events((begun, pieces), (call, []), stop="tool_use")
    else:
        answer = messages_whole([thought, call], "tool_use")
    second_turns.provider.play(list(answer))
    turn = remembered(way.client, way.stream, second_turns.send(way, "messages", tools=_TOOLS[way.client]))
    body = _asked_again(second_turns, way, "messages", turn, _claude(way))
    assert _assistants(body)[0]["content"] == [thought, call]
    body = _asked_again(second_turns, way, "deepseek", turn, _chat(way, lambda body: None))
    (message,) = _assistants(body)
    assert (message["reasoning_content"], "thinking_blocks" in message) == (_THOUGHT, False)


def test_details_that_openrouter_gave_go_back_as_they_came(second_turns: Table) -> None:
    way = Way("chat", False, "no policy")
    details = [{"type": "reasoning.encrypted", "data": "x", "format": "google-gemini-v1", "id": "call_1", "index": 0}]
    turn = _first_turn(second_turns, way, "openrouter", {"reasoning_details": details, "tool_calls": [_CALL]})
    body = _asked_again(second_turns, way, "openrouter", turn, _chat(way, lambda body: None))
    assert _assistants(body)[0]["reasoning_details"] == details
