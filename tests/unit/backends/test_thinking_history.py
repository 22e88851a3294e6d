"""The thinking of earlier turns, as each provider of chat completions is given it."""

from typing import Any

import pytest

from app.backends.thinking_history import history_of, takes_unsigned_thinking, with_signed_thinking, with_thinking
from app.providers import ThinkingHistory, find

_CALLS = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]


def history(model: str, **params: Any) -> ThinkingHistory:
    found = find(model, params)
    assert found is not None
    return history_of(found.provider, found.model, params)


def turn(model: str, same: bool = True, params: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """The assistant's message in the middle of a conversation, as a model's provider is sent it."""
    assistant = {"role": "assistant", "content": "a", **fields}
    body = {"messages": [{"role": "user", "content": "q"}, assistant, {"role": "user", "content": "and?"}]}
    sent = with_thinking(body, history(model, **(params or {})), same)[1]
    return {name: value for name, value in sent.items() if name not in ("role", "content")}


@pytest.mark.parametrize(
    "fields",
    [
        {"reasoning_content": "hm"},
        {"reasoning": "hm"},
        {"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
        {"thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "s"}]},
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                {"type": "text", "text": "a"},
            ]
        },
        {"reasoning_content": "hm", "reasoning": "hm", "provider_specific_fields": {"reasoning_content": "hm"}},
    ],
    ids=["reasoning_content", "reasoning", "reasoning_details", "thinking_blocks", "content", "several"],
)
@pytest.mark.parametrize(
    ("model", "sent"),
    [
        ("deepseek/deepseek-chat", {"reasoning_content": "hm"}),
        ("moonshot/kimi-k2", {"reasoning_content": "hm"}),
        ("zai/glm-5", {"reasoning_content": "hm"}),
        ("xiaomi_mimo/mimo-v2-pro", {"reasoning_content": "hm"}),
        ("hosted_vllm/qwen", {"reasoning_content": "hm", "reasoning": "hm"}),
        ("mistral/mistral-large", {}),
        ("cerebras/gpt-oss-120b", {}),
        ("groq/llama", {}),
        ("gpt-5", {}),
        ("azure/d", {}),
    ],
)
def test_each_provider_gets_it_under_its_own_names_or_not_at_all(
    model: str, sent: dict[str, Any], fields: dict[str, Any]
) -> None:
    assert turn(model, **fields) == sent


def test_a_part_of_the_content_that_is_thinking_goes_to_who_has_such_parts() -> None:
    content = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}]
    body = {"messages": [{"role": "assistant", "content": content}]}
    assert with_thinking(body, history("mistral/magistral"), True) == body["messages"]
    for model in ("groq/llama", "deepseek/deepseek-chat"):
        assert with_thinking(body, history(model), True)[0]["content"] == [{"type": "text", "text": "a"}]


def test_details_go_on_as_they_came_where_they_are_the_providers_own() -> None:
    details = [{"type": "reasoning.encrypted", "data": "x", "format": "google-gemini-v1", "id": "c"}]
    assert turn("openrouter/google/gemini", reasoning_details=details) == {"reasoning_details": details}
    assert turn("openrouter/x/y", reasoning_content="hm") == {
        "reasoning": "hm",
        "reasoning_details": [{"type": "reasoning.text", "text": "hm"}],
    }


@pytest.mark.parametrize(
    "model", ["deepseek/deepseek-chat", "moonshot/kimi-k2", "xiaomi_mimo/mimo-v2-pro", "together_ai/moonshotai/Kimi-K2"]
)
@pytest.mark.parametrize("lost", [{}, {"reasoning_content": ""}, {"reasoning_content": None}])
def test_a_filler_stands_in_for_what_the_client_lost(model: str, lost: dict[str, Any]) -> None:
    assert turn(model, tool_calls=_CALLS, **lost)["reasoning_content"] == " "
    assert turn(model, tool_calls=_CALLS, reasoning_content="hm")["reasoning_content"] == "hm"


def test_no_filler_where_there_are_no_tools_or_no_thinking() -> None:
    assert turn("deepseek/deepseek-chat") == {}
    assistant = {"role": "assistant", "content": None, "tool_calls": _CALLS}
    required = history("deepseek/deepseek-chat")
    for off in ({"thinking": {"type": "disabled"}}, {"reasoning_effort": "none"}):
        assert with_thinking({"messages": [assistant], **off}, required, True) == [assistant]
    answer = {"role": "assistant", "content": "sunny"}
    assert with_thinking({"messages": [assistant, answer]}, required, True)[1]["reasoning_content"] == " "


def test_a_server_of_which_nothing_is_known_gets_what_a_chat_client_says() -> None:
    at = {"api_base": "http://h/v1"}
    given: dict[str, Any] = {"reasoning": "hm", "thinking_blocks": [{"type": "thinking", "thinking": "hm"}], "x": 1}
    assert turn("openai/qwen", params=at, **given) == given
    # From another dialect's client it comes in these two fields, of which the second is for LiteLLM's proxy.
    other: dict[str, Any] = {
        "reasoning_content": "hm",
        "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "s"}],
    }
    assert turn("openai/qwen", False, at, **other) == {"reasoning_content": "hm"}
    assert turn("litellm_proxy/claude", False, at, **other) == other


@pytest.mark.parametrize(
    ("base", "names"),
    [
        ("https://api.deepseek.com", ("reasoning_content",)),
        ("https://api.moonshot.cn/v1", ("reasoning_content",)),
        ("https://open.bigmodel.cn/api/paas/v4", ("reasoning_content",)),
        ("https://api.groq.com/openai/v1", ()),
        ("https://api.openai.com/v1", ()),
        ("http://127.0.0.1:8080/v1", None),
    ],
)
def test_an_address_tells_whose_provider_it_is(base: str, names: tuple[str, ...] | None) -> None:
    assert history("openai/x", api_base=base).fields == names


def test_the_operators_word_counts_first() -> None:
    at = {"api_base": "http://h/v1"}
    for word, sent in (("reasoning", {"reasoning": "hm"}), ("none", {}), ("required", {"reasoning_content": "hm"})):
        assert turn("openai/x", params={**at, "thinking_history": word}, reasoning_content="hm") == sent
    assert turn("groq/x", params={"thinking_history": "required"}, tool_calls=_CALLS)["reasoning_content"] == " "
    with pytest.raises(ValueError, match="thinking_history 'some' is none of"):
        history("openai/x", thinking_history="some")


@pytest.mark.parametrize("rubbish", [1, "", [], [1, {"text": 2}], {"text": "x"}])
def test_fields_of_another_shape_are_no_thinking(rubbish: Any) -> None:
    fields = {"reasoning": rubbish, "reasoning_details": rubbish, "provider_specific_fields": rubbish}
    assert turn("zai/glm-5", **fields) == {}


def test_who_sells_other_models_by_anthropics_api_takes_their_thinking_back() -> None:
    def takes(**params: Any) -> bool:
        found = find("anthropic/m", params)
        assert found is not None
        return takes_unsigned_thinking(found.provider, params)

    assert takes(api_base="https://api.deepseek.com/anthropic")
    assert takes(api_base="http://h", thinking_history="unsigned")
    assert not takes()
    assert not takes(api_base="http://h")
    assert not takes(api_base="https://api.anthropic.com/v1")


def test_claude_behind_litellm_gets_only_what_anthropic_signed() -> None:
    signed = {"type": "thinking", "thinking": "hm", "signature": "EqQB"}
    assistant = {"role": "assistant", "content": "a", "reasoning_content": "hm", "reasoning": "hm"}
    unsigned = [
        {"type": "thinking", "thinking": "hm"},
        {"type": "thinking", "thinking": "hm", "signature": ""},
        {"type": "thinking", "thinking": "hm", "signature": "openai_chat:"},
        {"type": "thinking", "thinking": "hm", "signature": "91cfbb94-554b-4136-8e21-fa02280d56ed"},
        {"type": "redacted_thinking", "data": "openai_responses:gAAAA"},
    ]
    body = {
        "messages": [{**assistant, "thinking_blocks": [*unsigned, signed]}, {**assistant, "thinking_blocks": unsigned}]
    }
    sent = with_signed_thinking(body)
    assert sent == [
        {"role": "assistant", "content": "a", "thinking_blocks": [signed]},
        {"role": "assistant", "content": "a"},
    ]
    assert with_signed_thinking({"messages": [{"role": "assistant", "content": None, "reasoning": "hm"}]}) == []


def calls_sent(model: str, same: bool = False, **params: Any) -> list[dict[str, Any]]:
    signed = {**_CALLS[0], "extra_content": {"google": {"thought_signature": "S"}}}
    body = {"messages": [{"role": "assistant", "content": None, "tool_calls": [signed, *_CALLS]}]}
    calls: list[dict[str, Any]] = with_thinking(body, history(model, **params), same)[0]["tool_calls"]
    return [{name: value for name, value in call.items() if name not in _CALLS[0]} for call in calls]


def test_signatures_of_calls_go_to_who_may_have_given_them() -> None:
    signature = {"extra_content": {"google": {"thought_signature": "S"}}}
    google = "https://generativelanguage.googleapis.com/v1beta/openai"
    assert calls_sent("openai/gemini-3-pro", api_base=google) == [signature, {}]
    assert calls_sent("openai/some", api_base="http://h/v1") == [signature, {}]
    assert calls_sent("litellm_proxy/g", api_base="http://h") == [
        {"provider_specific_fields": {"thought_signature": "S"}},
        {},
    ]
    for model in ("gpt-5", "groq/x", "deepseek/deepseek-chat"):
        assert calls_sent(model) == [{}, {}]


@pytest.mark.parametrize(
    ("model", "filled"), [("gemini-3.8-flash", True), ("gemini-flash-latest", True), ("gemini-2.5-pro", False)]
)
def test_a_filler_for_a_call_without_signature_where_the_model_needs_one(model: str, filled: bool) -> None:
    google = "https://generativelanguage.googleapis.com/v1beta/openai"
    sent = turn(f"openai/{model}", False, {"api_base": google}, tool_calls=_CALLS * 2)["tool_calls"]
    filler = {"extra_content": {"google": {"thought_signature": "skip_thought_signature_validator"}}}
    assert sent == [{**_CALLS[0], **(filler if filled else {})}, *_CALLS]
