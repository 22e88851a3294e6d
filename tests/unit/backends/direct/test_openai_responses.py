"""How a provider of the Responses API is asked."""

from typing import Any

import pytest

from app.backends.direct.openai_responses import ResponsesCodec
from app.backends.stored_responses import StoredCall
from app.dialects.openai_responses.request_decoding import decode_request
from app.messages import InputMessage, Reasoning, Request, TextPart
from tests.unit.backends.direct.rig import KEY, OPENAI, deployment
from tests.unit.backends.fakes import ask


def asked(**fields: Any) -> Request:
    return ask(dialect="openai_responses", **fields)


def body_for(request: Request | None = None, stream: bool = True, **params: Any) -> dict[str, Any]:
    body = ResponsesCodec(deployment(OPENAI, **params)).encode(request or asked(), stream).body
    assert isinstance(body, dict)
    return body


@pytest.mark.parametrize(
    ("base", "url"),
    [
        (None, "https://api.openai.com/v1/responses"),
        ("https://h/v1/", "https://h/v1/responses"),
        ("https://h/v1/chat/completions", "https://h/v1/responses"),
        ("https://h/v1/responses?team=a", "https://h/v1/responses?team=a"),
    ],
)
def test_the_api_is_beside_chat_completions(base: str | None, url: str) -> None:
    assert ResponsesCodec(deployment(OPENAI, **({"api_base": base} if base else {}))).url == url


@pytest.mark.parametrize(
    ("base", "version", "url"),
    [
        ("https://r.test", None, "https://r.test/openai/v1/responses"),
        ("https://r.test/openai/deployments/d", "2024-10-21", "https://r.test/openai/v1/responses"),
        ("https://r.test", "2025-04-01-preview", "https://r.test/openai/responses?api-version=2025-04-01-preview"),
        ("https://r.test/openai/v1", "2025-04-01-preview", "https://r.test/openai/v1/responses"),
        ("https://r.test", "preview", "https://r.test/openai/v1/responses?api-version=preview"),
    ],
)
def test_azure_has_it_at_the_resource_and_names_the_deployment_in_the_body(
    base: str, version: str | None, url: str
) -> None:
    codec = ResponsesCodec(deployment("azure/d1", api_base=base, api_version=version))
    ask = codec.encode(asked(), True)
    assert isinstance(ask.body, dict)
    assert (ask.url, ask.headers["api-key"], ask.body["model"]) == (url, KEY, "d1")


def test_unknown_fields_of_its_own_clients_go_on() -> None:
    body = body_for(asked(extra={"store": True, "previous_response_id": "resp_1", "x": 1}))
    assert (body["model"], body["stream"], body["store"], body["x"]) == ("gpt-x", True, True, 1)
    assert body["previous_response_id"] == "resp_1"
    assert "stream" not in body_for(stream=False)


def test_the_operators_parameters_are_said_in_its_words() -> None:
    body = body_for(
        asked(reasoning=Reasoning(effort="high")),
        max_tokens=5,
        reasoning={"summary": "auto", "effort": "low"},
        verbosity="low",
        stop="END",
        seed=3,
        extra_body={"safe": True},
    )
    assert (body["max_output_tokens"], body["text"], body["safe"]) == (5, {"verbosity": "low"}, True)
    assert body["reasoning"] == {"summary": "auto", "effort": "high"}
    assert not {"stop", "seed", "max_tokens", "verbosity"} & body.keys()


def test_a_chat_for_a_provider_of_this_api_alone_is_put_in_its_words() -> None:
    body = body_for(ask(messages=(InputMessage("user", (TextPart("Hi"),)),), max_tokens=70))
    assert (body["input"], body["max_output_tokens"]) == ([{"role": "user", "content": "Hi"}], 70)
    assert (body["store"], "messages" in body) == (False, False)


def test_only_allowed_headers_of_openais_clients_go_on() -> None:
    client = {"openai-beta": "b", "authorization": "Bearer theirs", "x-other": "y"}
    codec = ResponsesCodec(deployment(OPENAI, organization="ours"))
    headers = codec.encode(asked(headers=client), True).headers
    assert (headers["openai-beta"], headers["openai-organization"]) == ("b", "ours")
    assert headers["authorization"] == f"Bearer {KEY}"
    assert "x-other" not in headers
    assert "openai-beta" not in codec.encode(ask(headers=client, dialect="anthropic_messages"), True).headers


def test_what_is_kept_is_asked_for_by_its_id_below_the_same_address() -> None:
    codec = ResponsesCodec(deployment("azure/d", api_base="https://a", api_version="preview"))
    ask = codec.encode_stored(StoredCall("GET", "resp_1=", "/input_items", "limit=2", headers={"x-other": "y"}))
    assert (ask.method, ask.body) == ("GET", None)
    assert ask.url == "https://a/openai/v1/responses/resp_1%3D/input_items?api-version=preview&limit=2"
    assert (ask.headers["api-key"], "x-other" in ask.headers) == (KEY, False)


def test_thinking_that_the_gateway_showed_of_another_model_does_not_go_to_openai() -> None:
    summary = [{"type": "summary_text", "text": "hm"}]
    ours = [{"type": "reasoning", "id": id, "summary": summary} for id in ("rs_resp_1_0", "rs_0af3_2", None)]
    kept = {"type": "reasoning", "id": "rs_68c0ffee", "summary": summary}
    encrypted = {**ours[0], "encrypted_content": "gAAAA"}
    items = [{"role": "user", "content": "q"}, *ours, kept, encrypted]
    request = decode_request({"model": "m", "input": items}, {})
    assert body_for(request)["input"] == [items[0], kept, encrypted]
    assert body_for(request, api_base="http://h/v1")["input"] == items
