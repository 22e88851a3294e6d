"""Compressed bodies of requests, from the socket to the provider."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import openai
import pytest

from tests.behaviour.clients import CHAT, COUNT, MESSAGES, RESPONSES, ask, post
from tests.behaviour.gateway import RunningGateway, configuration, simulated
from tests.behaviour.provider import Provider
from tests.behaviour.scripted import PROVIDER_KEY, text_reply
from tests.unit.bodies.test_decompression import zstd

COMPRESS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstd.compress, "deflate": zlib.compress}
PATHS = (CHAT, MESSAGES, COUNT, RESPONSES)
MIB = 1024**2


@pytest.fixture(scope="module")
def gateway(provider: Provider) -> Iterator[RunningGateway]:
    models = [*simulated("echo"), f"ant: {{model: anthropic/x, api_base: '{provider.url}', api_key: {PROVIDER_KEY}}}"]
    with RunningGateway(configuration(models)) as running:
        yield running


def encoded(body: dict[str, Any], coding: str) -> bytes:
    return COMPRESS[coding](json.dumps(body).encode())


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("coding", sorted(COMPRESS))
def test_a_compressed_body_is_read(gateway: RunningGateway, path: str, coding: str) -> None:
    reply = post(gateway, path, encoded(ask("echo", path), coding), {"content-encoding": coding})
    assert reply.status == 200, reply.body
    assert b"hello there" in reply.body or path == COUNT
    assert gateway.transaction(reply.request_id).outcome == "ok"


def test_the_provider_gets_it_as_it_is(gateway: RunningGateway, provider: Provider) -> None:
    provider.play(text_reply("ant"))
    body = ask("ant", MESSAGES, text="x" * 3 * MIB)
    reply = post(gateway, MESSAGES, encoded(body, "zstd"), {"content-encoding": "zstd", "anthropic-beta": "b"})
    assert reply.status == 200
    sent = provider.received()
    assert "content-encoding" not in sent.headers
    assert sent.json()["messages"] == body["messages"]


def test_stacked_codings_are_read_in_one_line_or_in_two(gateway: RunningGateway) -> None:
    body = zstd.compress(encoded(ask("echo"), "gzip"))
    assert post(gateway, CHAT, body, {"content-encoding": "gzip, zstd"}).status == 200
    with httpx.Client() as client:
        headers = [("content-encoding", "gzip"), ("content-encoding", "zstd")]
        assert client.post(gateway.url + CHAT, content=body, headers=headers).status_code == 200


def test_openais_sdk_may_send_it(gateway: RunningGateway) -> None:
    class Compressing(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            body = gzip.compress(request.read())
            headers = {**request.headers, "content-encoding": "gzip", "content-length": str(len(body))}
            return super().handle_request(httpx.Request(request.method, request.url, headers=headers, content=body))

    http = httpx.Client(transport=Compressing())
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="any", http_client=http) as sdk:
        answer = sdk.chat.completions.create(model="echo", messages=[{"role": "user", "content": "hi"}])
    assert answer.choices[0].message.content == "hi"


@pytest.mark.parametrize("path", PATHS)
def test_another_coding_is_refused_with_those_that_are_read(gateway: RunningGateway, path: str) -> None:
    reply = post(gateway, path, b"{}", {"content-encoding": "br"})
    assert reply.status == 415
    assert reply.headers["accept-encoding"] == "gzip, zstd, deflate"
    error = reply.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert (reply.json().get("type") == "error") == path.startswith(MESSAGES)
    assert gateway.transaction(reply.request_id)["error.type"] == "unsupported_encoding"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("coding", sorted(COMPRESS))
def test_a_body_that_is_not_what_it_says_is_refused(gateway: RunningGateway, path: str, coding: str) -> None:
    whole = encoded(ask("echo", path), coding)
    for broken in (json.dumps(ask("echo", path)).encode(), whole[:-1], whole + b"x"):
        reply = post(gateway, path, broken, {"content-encoding": coding})
        assert reply.status == 400, reply.body
        assert coding in reply.json()["error"]["message"]


@pytest.mark.parametrize("coding", ["gzip", "zstd", "gzip, gzip", "gzip, zstd"])
def test_a_bomb_ends_at_the_limit_and_leaves_nothing(gateway: RunningGateway, coding: str) -> None:
    bomb = b'{"model": "' + b" " * 300 * MIB
    for one in coding.split(", "):
        bomb = COMPRESS[one](bomb)
    reply = post(gateway, CHAT, bomb, {"content-encoding": coding}, timeout=30)
    assert reply.status == 413
    assert "33554432 bytes, decompressed" in reply.json()["error"]["message"]
    assert gateway.app.gateway.bodies.used == 0
