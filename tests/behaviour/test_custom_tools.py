"""Tools that are called with plain text, before providers that have them and before those that know functions alone."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.behaviour.clients import CHAT, RESPONSES, ask, post
from tests.behaviour.gateway import RunningGateway, configuration
from tests.behaviour.provider import Provider
from tests.unit.dialects.legality import check_openai
from tests.unit.dialects.openai_responses.legality import check_responses
from tests.upstream import (
    Script,
    anthropic_ending,
    anthropic_events,
    anthropic_start,
    json_reply,
    openai_completion,
    openai_events,
    stream_of,
)

PATCH = '*** Begin Patch\n*** Update File: a "b".txt\n+to bob@example.org, \U0001f600\n*** End Patch'
REDACTED = PATCH.replace("bob@example.org", "[EMAIL]")
REDACTING = "  policies: [{use: redact, config: {patterns: [email]}}]"
KINDS = {CHAT: "custom", RESPONSES: "custom_tool_call"}
TOOLS: dict[str, dict[str, Any]] = {
    CHAT: {"type": "custom", "custom": {"name": "apply_patch", "description": "Edits files."}},
    RESPONSES: {"type": "custom", "name": "apply_patch", "description": "Edits files.", "format": {"type": "text"}},
}
MODELS = ("ant", "chat", "litellm")
WAYS = [(path, model, stream) for path in (CHAT, RESPONSES) for model in MODELS for stream in (True, False)]
ways = pytest.mark.parametrize(("path", "model", "stream"), WAYS)


def _models(provider: Provider) -> list[str]:
    chat = f"{{model: hosted_vllm/scripted, api_base: '{provider.url}/v1', api_key: k, use_chat_completions_api: true}}"
    return [
        f"ant: {{model: anthropic/claude-scripted, api_base: '{provider.url}', api_key: k}}",
        f"chat: {chat}",
        f"litellm: {chat}, backend: litellm",
        f"openai: {{model: azure/scripted, api_base: '{provider.url}', api_key: k, use_chat_completions_api: true}}",
    ]


@pytest.fixture(scope="module")
def plain(provider: Provider) -> Iterator[RunningGateway]:
    with RunningGateway(configuration(_models(provider))) as running:
        yield running


@pytest.fixture(scope="module")
def redacting(provider: Provider) -> Iterator[RunningGateway]:
    with RunningGateway(configuration(_models(provider), REDACTING)) as running:
        yield running


def _called(model: str, stream: bool, arguments: str) -> Script:
    parts = [arguments[start : start + 5] for start in range(0, len(arguments), 5)]
    if model == "ant":
        block = {"type": "tool_use", "id": "call_1", "name": "apply_patch", "input": {}}
        if not stream:
            message = {**anthropic_start()["message"], "stop_reason": "tool_use"}
            return json_reply({**message, "content": [{**block, "input": json.loads(arguments)}]})
        deltas = [{"type": "input_json_delta", "partial_json": part} for part in parts]
        return stream_of(
            anthropic_events(
                anthropic_start(),
                {"type": "content_block_start", "index": 0, "content_block": block},
                *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
                {"type": "content_block_stop", "index": 0},
                *anthropic_ending("tool_use"),
            )
        )
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "apply_patch", "arguments": ""}}
    if not stream:
        whole = {**call, "function": {"name": "apply_patch", "arguments": arguments}}
        return json_reply(openai_completion({"tool_calls": [whole]}, "tool_calls"))
    pieces = [call, *({"index": 0, "function": {"arguments": part}} for part in parts)]
    return stream_of(openai_events(*({"tool_calls": [piece]} for piece in pieces), finish="tool_calls"))


def _ask(gateway: RunningGateway, path: str, model: str, stream: bool, **fields: Any) -> list[tuple[str, str, str]]:
    """Kind, name and input of each call that the client gets."""
    reply = post(gateway, path, ask(model, path, stream=stream, tools=[TOOLS[path]], **fields))
    assert reply.status == 200, reply.body
    if path == RESPONSES:
        response = check_responses(reply.body).response if stream else reply.json()
        assert response is not None
        items = [item for item in response["output"] if item["type"].endswith("_call")]
        return [(item["type"], item["name"], item["input"]) for item in items]
    if not stream:
        (choice,) = reply.json()["choices"]
        assert choice["finish_reason"] == "tool_calls"
        calls = choice["message"]["tool_calls"]
        return [(call["type"], call["custom"]["name"], call["custom"]["input"]) for call in calls]
    choice = check_openai(reply.body).choices[0]
    assert (choice.finish_reason, b'"type":"function"' in reply.body) == ("tool_calls", False)
    return [("custom", call["name"], call["arguments"]) for call in choice.calls]


@ways
def test_a_call_reaches_its_client_as_plain_text(
    plain: RunningGateway, provider: Provider, path: str, model: str, stream: bool
) -> None:
    provider.play(_called(model, stream, json.dumps({"input": PATCH})))
    assert _ask(plain, path, model, stream) == [(KINDS[path], "apply_patch", PATCH)]
    (tool,) = provider.requests[-1].json()["tools"]
    schema = tool.get("input_schema") or tool["function"]["parameters"]
    assert schema["required"] == ["input"]


@ways
def test_a_policy_reads_and_edits_the_plain_text(
    redacting: RunningGateway, provider: Provider, path: str, model: str, stream: bool
) -> None:
    provider.play(_called(model, stream, json.dumps({"input": PATCH})))
    assert _ask(redacting, path, model, stream) == [(KINDS[path], "apply_patch", REDACTED)]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("model", ["chat", "litellm"])
def test_arguments_that_are_no_json_are_the_text(
    plain: RunningGateway, provider: Provider, model: str, stream: bool
) -> None:
    provider.play(_called(model, stream, PATCH))
    assert _ask(plain, RESPONSES, model, stream) == [(KINDS[RESPONSES], "apply_patch", PATCH)]


def test_a_provider_that_has_them_is_given_them_as_they_are(plain: RunningGateway, provider: Provider) -> None:
    call = {"id": "call_1", "type": "custom", "custom": {"name": "apply_patch", "input": PATCH}}
    provider.play(json_reply(openai_completion({"tool_calls": [call]}, "tool_calls")))
    assert _ask(plain, CHAT, "openai", False) == [("custom", "apply_patch", PATCH)]
    assert provider.requests[-1].json()["tools"] == [TOOLS[CHAT]]
