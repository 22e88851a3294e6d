"""Whole responses, counting, loading, and what of a hostile body reaches the wire."""

from typing import Any

import pytest

from app.backends import make_backend, validate
from app.backends.litellm.loading import RefusedLiteLLM, check_version
from app.messages import ModelResponse, Request
from app.settings import Deployment
from tests.support import run
from tests.unit.backends.fakes import FakeAttempt, ask
from tests.upstream import Received, ScriptedUpstream, json_reply, openai_completion

CLAUDE_WHOLE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-scripted",
    "content": [
        {"type": "thinking", "thinking": "hmm", "signature": "S"},
        {"type": "text", "text": "hi"},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 9, "output_tokens": 4, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 2},
}


def completed(
    body: object, model: str = "openai/gpt-5", request: Request | None = None
) -> tuple[ModelResponse, Received]:
    async def main() -> tuple[ModelResponse, Received]:
        async with ScriptedUpstream(json_reply(body)) as upstream:
            base = upstream.url if model.startswith("anthropic/") else f"{upstream.url}/v1"
            params = {"api_key": "sk-canary", "api_base": base}
            backend = make_backend(Deployment(id="d", model_name="m", model=model, provider="p", params=params))
            response = await backend.complete(request or ask(stream=False), FakeAttempt())
            await backend.aclose()
            return response.chunk, upstream.requests[0]

    return run(main(), timeout=30)


def test_a_whole_openai_response() -> None:
    response, sent = completed(openai_completion({"content": "hi", "refusal": "but no"}))
    [choice] = response.choices
    assert choice.message is not None
    assert (choice.message.content, choice.message.refusal, choice.finish_reason) == ("hi", "but no", "stop")
    assert response.usage is not None
    assert response.usage.prompt_tokens == 5
    assert response.model == "gpt-scripted-2025-01-01"
    assert "stream" not in sent.json()


def test_a_whole_anthropic_response() -> None:
    response, sent = completed(CLAUDE_WHOLE, "anthropic/claude-sonnet-4-5")
    [choice] = response.choices
    assert choice.message is not None
    assert choice.message.content == "hi"
    assert choice.message.reasoning_content == "hmm"
    assert choice.message.thinking_blocks[0].signature == "S"
    assert [(call.index, call.id, call.function.name) for call in choice.message.tool_calls] == [(0, "toolu_1", "f")]
    assert choice.finish_reason == "tool_calls"
    assert response.usage is not None
    assert (response.usage.prompt_tokens, response.usage.cache_read_input_tokens) == (16, 5)
    assert sent.headers["x-api-key"] == "sk-canary"


def test_several_choices_keep_their_finish_reasons() -> None:
    body = openai_completion({"content": "A"}, "length")
    second = {"index": 1, "message": {"role": "assistant", "content": "B"}, "finish_reason": "stop"}
    response, _ = completed({**body, "choices": [*body["choices"], second]}, request=ask(n=2, stream=False))
    assert [(choice.index, choice.finish_reason) for choice in response.choices] == [(0, "length"), (1, "stop")]


def test_a_canary_listener_named_in_the_body_sees_no_connection() -> None:
    async def main() -> None:
        async with (
            ScriptedUpstream(json_reply(openai_completion({"content": "hi"}))) as ours,
            ScriptedUpstream([]) as canary,
        ):
            hostile: dict[str, Any] = dict.fromkeys(("api_base", "base_url", "proxy", "host"), canary.url)
            hostile |= {"api_key": "sk-evil", "organization": "evil", "extra_headers": {"x": "evil"}}
            params = {"api_key": "sk-ours", "api_base": f"{ours.url}/v1"}
            deployment = Deployment(id="d", model_name="m", model="openai/gpt-5", provider="p", params=params)
            tools = {"tools": [{"type": "mcp", "server_url": f"litellm_proxy/{canary.url}", "server_label": "x"}]}
            for extra in (hostile, hostile | tools):
                await make_backend(deployment).complete(ask(stream=False, extra=extra), FakeAttempt())
            assert canary.connections == 0
            assert all(request.headers["authorization"] == "Bearer sk-ours" for request in ours.requests)
            assert all(b"evil" not in request.body for request in ours.requests)

    run(main(), timeout=30)


def test_tokens_are_counted_without_a_provider() -> None:
    deployment = Deployment(id="d", model_name="m", model="openai/gpt-4o", provider="p")
    assert 5 < run(make_backend(deployment).count_tokens(ask("one two three")), timeout=30) < 20


@pytest.mark.parametrize("version", ["1.82.6", "1.82.7", "1.82.8"])
def test_compromised_versions_are_refused(version: str) -> None:
    with pytest.raises(RefusedLiteLLM):
        check_version(version)


def test_the_installed_version_is_accepted() -> None:
    check_version("1.106.2")


@pytest.mark.parametrize(
    ("model", "params"),
    [
        *(("", {}), ("openai/", {}), ("openai/x", {"messages": []})),
        ("cohere/command", {"thinking_history": "some"}),
    ],
)
def test_deployments_that_cannot_serve_are_named(model: str, params: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"names no model|messages|thinking_history"):
        validate(Deployment(id="d", model_name="m", model=model, provider="p", params=params))
