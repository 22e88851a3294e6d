"""What of a request becomes an argument of LiteLLM's; nothing of where it goes may come from a client."""

from typing import Any

import pytest
from msgspec.structs import replace

from app.backends.litellm import loading
from app.backends.litellm.parameters import LiteLLMTarget, arguments, target_of
from app.messages import (
    DocumentPart,
    InputMessage,
    Reasoning,
    Request,
    TextPart,
    ThinkingPart,
    ToolDefinition,
)
from app.providers import ThinkingHistory
from app.settings import Deployment
from tests.unit.backends.fakes import ask

RESERVED = frozenset({"api_base", "api_key", "mock_response", "fallbacks", "metadata", "custom_llm_provider", "tags"})
OPENAI = LiteLLMTarget(
    "openai", openai_compatible=True, claude=False, top_k=False, signs_thinking=False, history=ThinkingHistory()
)
CLAUDE = LiteLLMTarget(
    "anthropic", openai_compatible=False, claude=True, top_k=True, signs_thinking=True, history=ThinkingHistory()
)
GEMINI = LiteLLMTarget(
    "gemini", openai_compatible=False, claude=False, top_k=True, signs_thinking=False, history=ThinkingHistory()
)

HOSTILE: dict[str, Any] = {
    "api_base": "http://evil",
    "base_url": "http://evil",
    "api_key": "sk-evil",
    "api_version": "evil",
    "organization": "evil",
    "extra_headers": {"authorization": "evil"},
    "extra_body": {"x": "evil"},
    "extra_query": {"x": "evil"},
    "headers": {"authorization": "evil"},
    "custom_llm_provider": "evil",
    "litellm_call_id": "evil",
    "litellm_anything": "evil",
    "_skip_mcp_handler": "evil",
    "mock_response": "evil",
    "mock_tool_calls": ["evil"],
    "fallbacks": ["evil"],
    "callbacks": ["evil"],
    "success_callback": ["evil"],
    "azure_ad_token": "evil",
    "deployment_id": "evil",
    "model_list": ["evil"],
    "timeout": "evil",
    "num_retries": "evil",
    "drop_params": "evil",
    "allowed_openai_params": ["evil"],
    "aws_access_key_id": "evil",
    "vertex_credentials": "evil",
    "shared_session": "evil",
    "client": "evil",
}


def built(request: Request, target: LiteLLMTarget = OPENAI, stream: bool = True, **params: Any) -> dict[str, Any]:
    deployment = Deployment(id="d", model_name="m", model="openai/gpt-5", provider="openai", params=params)
    loading.load()
    return arguments(
        request, deployment, target, stream=stream, timeout=9, reserved=loading.reserved_names() | RESERVED
    )


def test_the_fixed_part() -> None:
    passed = built(ask(), api_key="sk-1", api_base="http://here/v1")
    assert passed == {
        "api_key": "sk-1",
        "api_base": "http://here/v1",
        "model": "openai/gpt-5",
        "messages": [{"role": "user", "content": "Hello there"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "timeout": 9,
        "max_retries": 0,
        "num_retries": 0,
        "drop_params": True,
        "_skip_mcp_handler": True,
    }
    assert "stream_options" not in built(ask(stream=False), stream=False)


@pytest.mark.parametrize("target", [OPENAI, CLAUDE, GEMINI])
@pytest.mark.parametrize("dialect", ["openai_chat", "anthropic_messages"])
def test_a_client_chooses_no_destination_and_no_credential(target: LiteLLMTarget, dialect: str) -> None:
    request = ask(dialect=dialect, extra=HOSTILE, headers={"authorization": "evil", "x-api-key": "evil"})
    assert "evil" not in repr(built(request, target, api_key="sk-1"))


def test_unknown_fields_go_into_the_body_of_a_compatible_provider_only() -> None:
    request = ask(extra={"seed": 3, "made_up": 1, "metadata": {"a": "b"}})
    assert built(request)["extra_body"] == {"made_up": 1, "metadata": {"a": "b"}}
    assert built(request)["seed"] == 3
    for target in (CLAUDE, GEMINI):
        assert "extra_body" not in built(request, target)
        assert "made_up" not in built(request, target)


def test_the_operators_extras_win_over_the_clients() -> None:
    request = ask(extra={"made_up": 1}, headers={"openai-beta": "x", "cookie": "c"})
    passed = built(request, extra_body={"made_up": 2, "own": 3}, extra_headers={"openai-beta": "y"})
    assert passed["extra_body"] == {"made_up": 2, "own": 3}
    assert passed["extra_headers"] == {"openai-beta": "y"}
    assert built(request)["extra_headers"] == {"openai-beta": "x"}


def test_the_clients_sampling_wins_over_the_operators_defaults() -> None:
    passed = built(ask(temperature=0.1, max_tokens=5), temperature=0.9, max_tokens=99, top_p=0.5, rpm=10)
    assert (passed["temperature"], passed["max_completion_tokens"], passed["top_p"]) == (0.1, 5, 0.5)
    assert "max_tokens" not in passed
    assert "rpm" not in passed


def test_stream_options_of_the_client_are_kept() -> None:
    request = ask(extra={"stream_options": {"include_obfuscation": False}})
    assert built(request)["stream_options"] == {"include_obfuscation": False, "include_usage": True}


def test_anthropics_own_reach_claude() -> None:
    cached = {"cache_control": {"type": "ephemeral"}}
    parts = (ThinkingPart("hmm", signature="S"), TextPart("hi", extra=cached))
    request = Request(
        dialect="anthropic_messages",
        model="m",
        messages=(
            InputMessage(role="user", parts=(TextPart("hello", extra=cached), DocumentPart(url="https://x/y.pdf"))),
            InputMessage(role="assistant", parts=parts),
        ),
        tools=(ToolDefinition(name="f", parameters={"type": "object"}, extra=cached),),
        top_k=5,
        reasoning=Reasoning(budget_tokens=2048),
        headers={"anthropic-beta": "b"},
        extra={"context_management": {"edits": []}, "container": "c"},
    )
    passed = built(request, CLAUDE)
    user, assistant = passed["messages"]
    assert user["content"][0] == {"type": "text", "text": "hello", **cached}
    assert user["content"][1]["file"]["file_id"] == "https://x/y.pdf"
    assert assistant["thinking_blocks"] == [{"type": "thinking", "thinking": "hmm", "signature": "S"}]
    assert passed["tools"][0]["cache_control"] == cached["cache_control"]
    assert passed["thinking"] == {"type": "enabled", "budget_tokens": 2048}
    assert passed["reasoning_effort"] is None
    assert passed["top_k"] == 5
    assert "container" not in passed


@pytest.mark.parametrize("model", ["anthropic/claude-x", "bedrock/anthropic.claude-x", "vertex_ai/claude-x"])
def test_a_capability_of_anthropics_goes_whole_or_not_at_all(model: str) -> None:
    """LiteLLM adds the `anthropic-beta` of these fields at Anthropic alone; what a client's means it cannot carry."""
    betas: dict[str, Any] = {"context_management": {"edits": []}, "speed": "fast"}
    request = replace(
        ask(),
        dialect="anthropic_messages",
        headers={"anthropic-beta": "b", "anthropic-x": "1"},
        extra={**betas, "new": 1},
    )
    target = LiteLLMTarget(
        model.partition("/")[0],
        openai_compatible=False,
        claude=True,
        top_k=True,
        signs_thinking=True,
        history=ThinkingHistory(),
    )
    passed = built(request, target)
    assert "extra_headers" not in passed
    assert {name: passed[name] for name in passed if name in betas} == (betas if target.name == "anthropic" else {})


def test_adaptive_thinking_reaches_claude() -> None:
    adaptive = {"type": "adaptive", "display": "summarized"}
    asked = replace(ask(), dialect="anthropic_messages")
    passed = built(replace(asked, reasoning=Reasoning(extra=adaptive)), CLAUDE)
    assert (passed["thinking"], passed["reasoning_effort"]) == (adaptive, None)
    passed = built(replace(asked, reasoning=Reasoning(effort="low", extra=adaptive)), CLAUDE)
    assert ("thinking" in passed, passed["reasoning_effort"]) == (False, "low")


def test_what_openai_does_not_know_stays_away_from_it() -> None:
    passed = built(ask(dialect="anthropic_messages", top_k=5, reasoning=Reasoning(budget_tokens=2048)))
    assert "top_k" not in passed
    assert "thinking" not in passed
    assert passed["reasoning_effort"] == "low"


@pytest.mark.parametrize(
    ("name", "model", "expected"),
    [
        ("openai", "openai/gpt-5", (True, False)),
        ("anthropic", "anthropic/claude-x", (False, True)),
        ("bedrock", "bedrock/anthropic.claude-x", (False, True)),
        ("bedrock", "bedrock/amazon.nova", (False, False)),
        ("azure_ai", "azure_ai/claude-x", (False, True)),
        ("azure_ai", "azure_ai/mistral", (True, False)),
    ],
)
def test_what_a_provider_speaks(name: str, model: str, expected: tuple[bool, bool]) -> None:
    deployment = Deployment(id="d", model_name="m", model=model, provider="p")
    target = target_of(name, deployment, {"openai", "azure_ai"})
    assert (target.openai_compatible, target.claude) == expected
