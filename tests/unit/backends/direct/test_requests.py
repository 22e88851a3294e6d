from typing import Any

import pytest

from app.backends import validate
from app.backends.direct.anthropic_messages import AnthropicCodec
from app.backends.direct.openai_chat import OpenAIChatCodec
from app.errors import InvalidRequest
from app.messages import InputMessage, Request, TextPart
from app.settings import Deployment
from tests.support import run
from tests.unit.backends.direct.rig import ANTHROPIC, KEY, OPENAI, backend_at, deployment, read
from tests.unit.backends.fakes import FakeAttempt, ask
from tests.upstream import ScriptedUpstream, openai_events, stream_of


def body_for(model: str, request: Request | None = None, stream: bool = True, **params: Any) -> dict[str, Any]:
    made = deployment(model, **params)
    codec = AnthropicCodec(made) if made.backend == "anthropic" else OpenAIChatCodec(made)
    body = codec.encode(request or ask(), stream).body
    assert isinstance(body, dict)
    return body


@pytest.mark.parametrize(
    ("model", "params", "url"),
    [
        ("openai/gpt-5", {}, "https://api.openai.com/v1/chat/completions"),
        ("gpt-5", {}, "https://api.openai.com/v1/chat/completions"),
        ("openai/x", {"api_base": "http://h:1/v1/"}, "http://h:1/v1/chat/completions"),
        ("openai/x", {"api_base": "http://h:1/v1/chat/completions"}, "http://h:1/v1/chat/completions"),
        ("openai/x", {"base_url": "http://h:1?a=b"}, "http://h:1/chat/completions?a=b"),
        ("groq/llama", {}, "https://api.groq.com/openai/v1/chat/completions"),
        ("x", {"custom_llm_provider": "mistral"}, "https://api.mistral.ai/v1/chat/completions"),
    ],
)
def test_the_address_follows_from_provider_and_base(model: str, params: dict[str, Any], url: str) -> None:
    assert OpenAIChatCodec(deployment(model, **params)).url == url


@pytest.mark.parametrize(
    ("base", "version", "url"),
    [
        (
            "https://r.azure.test",
            None,
            "https://r.azure.test/openai/deployments/d1/chat/completions?api-version=2025-02-01-preview",
        ),
        (
            "https://r.azure.test/",
            "2024-10-21",
            "https://r.azure.test/openai/deployments/d1/chat/completions?api-version=2024-10-21",
        ),
        (
            "https://r.azure.test/openai/deployments/other",
            "2024-10-21",
            "https://r.azure.test/openai/deployments/other/chat/completions?api-version=2024-10-21",
        ),
        ("https://r.azure.test/openai/v1", None, "https://r.azure.test/openai/v1/chat/completions"),
        ("https://r.azure.test", "preview", "https://r.azure.test/openai/v1/chat/completions?api-version=preview"),
    ],
)
def test_azures_address_names_deployment_and_version(base: str, version: str | None, url: str) -> None:
    assert OpenAIChatCodec(deployment("azure/d1", api_base=base, api_version=version)).url == url


@pytest.mark.parametrize(
    ("base", "url"),
    [
        (None, "https://api.anthropic.com/v1/messages"),
        ("http://h", "http://h/v1/messages"),
        ("http://h/v1", "http://h/v1/messages"),
        ("http://h/anthropic/v1/messages", "http://h/anthropic/v1/messages"),
    ],
)
def test_anthropics_address_is_found_from_any_form_of_base(base: str | None, url: str) -> None:
    assert AnthropicCodec(deployment(ANTHROPIC, api_base=base)).url == url


def test_a_base_that_is_no_address_is_refused_at_the_start() -> None:
    wrong = Deployment(id="d", model_name="m", model="openai/x", provider="p", backend="openai")
    for base in ("nowhere", "ftp://h", "http://"):
        with pytest.raises(ValueError, match="api_base"):
            validate(deployment("openai/x", api_base=base))
    validate(wrong)


def test_usage_is_always_asked_for_and_the_clients_other_options_are_kept() -> None:
    body = body_for(OPENAI, ask(extra={"stream_options": {"include_obfuscation": False}}))
    assert body["stream_options"] == {"include_obfuscation": False, "include_usage": True}
    assert body["stream"] is True
    assert body["model"] == "gpt-x"


def test_a_whole_answer_is_asked_for_without_a_word_about_streams() -> None:
    assert not {"stream", "stream_options"} & body_for(OPENAI, stream=False).keys()


def test_what_a_provider_refuses_is_said_in_its_words() -> None:
    request = ask(
        max_tokens=7,
        user="u",
        extra={"seed": 1, "max_completion_tokens": 7},
        messages=(InputMessage("developer", (TextPart("Be brief."),)), InputMessage("user", (TextPart("Hi"),))),
    )
    body = body_for("mistral/m", request)
    assert not {"stream_options", "user", "seed", "max_completion_tokens"} & body.keys()
    assert (body["max_tokens"], body["random_seed"], body["messages"][0]["role"]) == (7, 1, "system")


def test_an_old_azure_is_not_asked_for_usage() -> None:
    assert "stream_options" not in body_for("azure/d", api_base="https://a", api_version="2024-02-01")


def test_the_operators_parameters_are_defaults_and_the_clients_word_counts() -> None:
    params: dict[str, Any] = {
        "temperature": 0.1,
        "top_p": 0.5,
        "max_tokens": 5,
        "extra_body": {"safe": True},
        "rpm": 3,
        "drop_params": 1,
    }
    body = body_for(OPENAI, ask(temperature=0.9, max_tokens=9, extra={"safe": False}), **params)
    assert (body["temperature"], body["top_p"], body["safe"]) == (0.9, 0.5, True)
    assert (body["max_completion_tokens"], "max_tokens" in body) == (9, False)
    assert not {"rpm", "drop_params", "api_key", "api_base"} & body.keys()
    assert body_for(OPENAI, **params)["max_completion_tokens"] == 5


def test_the_operators_parameters_are_said_in_anthropics_words() -> None:
    params: dict[str, Any] = {
        "temperature": 0.1,
        "max_completion_tokens": 5,
        "stop": "END",
        "reasoning_effort": "low",
        "seed": 1,
    }
    body = body_for(ANTHROPIC, **params)
    assert (body["temperature"], body["max_tokens"], body["stop_sequences"]) == (0.1, 5, ["END"])
    assert not {"stop", "seed", "max_completion_tokens", "reasoning_effort"} & body.keys()
    thinking = {"type": "enabled", "budget_tokens": 2000}
    assert body_for(ANTHROPIC, thinking=thinking)["thinking"] == thinking


def test_fields_that_the_operator_drops_are_not_sent() -> None:
    assert "temperature" not in body_for(OPENAI, ask(temperature=1), additional_drop_params=["temperature"])


def test_only_allowed_headers_of_a_client_of_the_same_dialect_go_on() -> None:
    client = {"openai-beta": "b", "openai-organization": "theirs", "authorization": "Bearer theirs", "x-other": "y"}
    codec = OpenAIChatCodec(deployment(OPENAI, extra_headers={"X-Team": "t"}, organization="ours"))
    headers = codec.encode(ask(headers=client), True).headers
    assert (headers["openai-beta"], headers["openai-organization"], headers["x-team"]) == ("b", "ours", "t")
    assert headers["authorization"] == f"Bearer {KEY}"
    assert "x-other" not in headers
    others = OpenAIChatCodec(deployment(OPENAI)).encode(ask(headers=client), True).headers
    assert others["openai-organization"] == "theirs"
    assert "openai-beta" not in codec.encode(ask(headers=client, dialect="anthropic_messages"), True).headers


def test_anthropics_headers_have_a_version_and_the_betas_of_both_sides() -> None:
    codec = AnthropicCodec(deployment(ANTHROPIC, extra_headers={"anthropic-beta": "ours"}))
    assert codec.encode(ask(), True).headers["anthropic-version"] == "2023-06-01"
    client = {"anthropic-beta": "a, b", "anthropic-version": "2099-01-01"}
    headers = codec.encode(ask(dialect="anthropic_messages", headers=client), True).headers
    assert (headers["anthropic-beta"], headers["anthropic-version"]) == ("ours,a,b", "2099-01-01")
    assert headers["x-api-key"] == KEY


def test_azures_key_stands_in_its_own_header() -> None:
    headers = OpenAIChatCodec(deployment("azure/d", api_base="https://a")).encode(ask(), True).headers
    assert headers["api-key"] == KEY
    assert "authorization" not in headers


def test_what_cannot_cross_is_the_callers_error_and_nobody_is_asked() -> None:
    async def main() -> None:
        async with ScriptedUpstream(stream_of(openai_events())) as upstream, backend_at(upstream, ANTHROPIC) as backend:
            _, error = await read(backend, ask(n=2))
            assert isinstance(error, InvalidRequest)
            assert upstream.requests == []

    run(main())


def test_the_providers_request_id_and_our_trace_headers_are_exchanged() -> None:
    async def main() -> None:
        script = stream_of(openai_events({"content": "x"}))
        async with ScriptedUpstream(script) as upstream, backend_at(upstream) as backend:
            attempt = FakeAttempt(trace_headers={"traceparent": "00-1-2-01"})
            await read(backend, attempt=attempt)
            assert upstream.requests[0].headers["traceparent"] == "00-1-2-01"
            assert attempt.calls == [("responded", 200)]

    run(main())


def test_a_large_request_is_sent_whole() -> None:
    async def main() -> None:
        script = stream_of(openai_events({"content": "x"}))
        async with ScriptedUpstream(script) as upstream, backend_at(upstream) as backend:
            _, error = await read(backend, ask("x" * 3_000_000))
            assert error is None
            assert len(upstream.requests[0].json()["messages"][0]["content"]) == 3_000_000

    run(main())
