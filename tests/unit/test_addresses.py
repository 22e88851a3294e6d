"""Base addresses: whose network they are in; where a user and password in one go, and where they are never seen."""

import base64
from collections.abc import Callable
from typing import Any

import pytest

from app.addresses import is_internal, passwords, without_credentials
from app.backends import validate
from app.backends.direct.anthropic_messages import AnthropicCodec
from app.backends.direct.codec import ProviderCodec
from app.backends.direct.completions_and_embeddings import CompletionsCodec, EmbeddingsCodec
from app.backends.direct.endpoint import endpoint_of
from app.backends.direct.openai_chat import OpenAIChatCodec
from app.backends.direct.openai_responses import ResponsesCodec
from app.main import secrets_of
from app.messages import Request
from app.settings import Deployment, Settings
from tests.unit.backends.fakes import ask

BASE = "http://us%40er:p%40ss-0123456789@host:8000/v1"
BASIC = "Basic " + base64.b64encode(b"us@er:p@ss-0123456789").decode()


def deployment(model: str = "openai/m", backend: str = "openai", **params: object) -> Deployment:
    given = {"api_base": BASE, **params}
    return Deployment(id="d", model_name="m", model=model, provider="p", backend=backend, params=given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("codec", "request_of"),
    [
        (OpenAIChatCodec, ask()),
        (ResponsesCodec, ask()),
        (CompletionsCodec, ask()),
        (EmbeddingsCodec, ask(dialect="openai_embeddings")),
    ],
)
def test_credentials_of_a_base_address_are_sent_as_basic_authorization(
    codec: Callable[[Deployment], ProviderCodec], request_of: Request
) -> None:
    asked = codec(deployment()).encode(request_of, False)
    assert asked.headers["authorization"] == BASIC
    assert asked.url.startswith("http://host:8000/v1/")


def test_beside_a_key_that_has_a_header_of_its_own_too() -> None:
    codec = AnthropicCodec(deployment("anthropic/claude", "anthropic", api_key="sk-ant"))
    asked = codec.encode(ask(), False)
    assert (asked.headers["authorization"], asked.headers["x-api-key"]) == (BASIC, "sk-ant")
    assert asked.url == "http://host:8000/v1/messages"
    azure = OpenAIChatCodec(deployment("azure/m", api_key="key")).encode(ask(), False)
    assert (azure.headers["authorization"], azure.headers["api-key"]) == (BASIC, "key")


@pytest.mark.parametrize(
    ("model", "backend", "params"),
    [
        ("openai/m", "openai", {"api_key": "sk-x"}),
        ("azure/m", "openai", {"azure_ad_token": "token"}),
        ("openai/m", "openai", {"extra_headers": {"Authorization": "Bearer x"}}),
        ("anthropic/c", "anthropic", {"extra_headers": {"Authorization": "Bearer x"}}),
        ("cohere/c", "litellm", {}),
    ],
)
def test_two_that_want_the_same_header_are_refused_at_the_start(
    model: str, backend: str, params: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match="user and password") as raised:
        validate(deployment(model, backend, **params))
    assert "ss-0123456789" not in str(raised.value)


@pytest.mark.parametrize(
    "base", ["ftp://u:secret@host/", "http://u:secret@", "http://u:sec/ret@host", "http://u:secret@[::1"]
)
def test_a_base_that_is_no_address_is_refused_without_its_password(base: str) -> None:
    with pytest.raises(ValueError, match="not an http") as raised:
        validate(deployment(api_base=base))
    assert "sec" not in str(raised.value)


def test_the_password_is_a_secret_everywhere() -> None:
    found = set(passwords(BASE))
    assert found == {"p%40ss-0123456789", "p@ss-0123456789", BASIC.removeprefix("Basic ")}
    assert found <= set(secrets_of(Settings(deployments=(deployment(),))))
    endpoint = endpoint_of(deployment())
    assert BASIC not in repr(endpoint)
    assert "p%40ss" not in repr(endpoint)


@pytest.mark.parametrize("base", ["http://host/v1", "https://host:1/a@b", ""])
def test_an_address_without_any_stays_as_it_is(base: str) -> None:
    assert without_credentials(base) == (base, None)
    assert list(passwords(base)) == []


def test_a_user_without_a_password_has_an_empty_one() -> None:
    assert without_credentials("http://u@h/v1") == ("http://h/v1", "Basic " + base64.b64encode(b"u:").decode())


def test_every_header_and_every_parameter_that_is_named_a_secret_is_one() -> None:
    params: dict[str, Any] = {
        "aws_secret_access_key": "aws-0123456789",
        "azure_ad_token": "azure-0123456789",
        "extra_headers": {"Authorization": "Bearer 0123456789", "x-team": "team-a"},
        "default_headers": {"cookie": "session=9876543210"},
        "extra_body": {"safety": {"auth_token": "body-0123456789"}, "style": "brief-and-dry"},
        "max_tokens": 5,
        "api_version": "2024-10-21",
    }
    found = secrets_of(Settings(deployments=(deployment(api_base=None, **params),)))
    assert set(found) == {
        *("aws-0123456789", "azure-0123456789", "body-0123456789"),
        *("Bearer 0123456789", "0123456789", "team-a", "session=9876543210"),
    }


@pytest.mark.parametrize(
    ("base", "internal"),
    [
        *((f"http://{host}:8000/v1", True) for host in ("127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.1.9", "[::1]")),
        *(
            (f"http://{host}/v1", True)
            for host in ("169.254.1.1", "[fd00::1]", "[fe80::1%25eth0]", "[::ffff:10.0.0.1]")
        ),
        *((f"http://{host}", True) for host in ("vllm", "LOCALHOST", "vllm.default.svc.cluster.local.", "x.internal")),
        *((f"https://{host}/v1", False) for host in ("api.openai.com", "8.8.8.8", "172.32.0.1", "[2001:db8::1]")),
        *((f"https://{host}", False) for host in ("local.example.com", "127.0.0.1.example.com", "internal.io")),
        *((base, False) for base in ("", "not an address", "http://", "http://[::1")),
        ("https://10.0.0.1@api.openai.com/v1", False),
    ],
)
def test_an_internal_address_is_known_by_its_name_or_number(base: str, internal: bool) -> None:
    assert is_internal(base) is internal
