"""What a caller sent is shown in errors within bounds, and without characters that a terminal would obey."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.behaviour.clients import CHAT, COUNT, MESSAGES, RESPONSES, Reply, ask, post, request
from tests.behaviour.gateway import RunningGateway, configuration, simulated

BOUND = 3000
"""Bytes of a whole answer: some message around what was sent."""
LONG = "\x1b[31m\u202e\x00" + "A" * 100_000
ANTHROPIC = {"anthropic-version": "2023-06-01"}


@pytest.fixture(scope="module")
def gateway() -> Iterator[RunningGateway]:
    # The Anthropic one is never asked: what would be is refused before.
    models = [*simulated("echo"), "claude: {model: anthropic/claude, api_key: k, api_base: 'http://127.0.0.1:9'}"]
    with RunningGateway(configuration(models)) as running:
        yield running


def check(reply: Reply) -> None:
    assert 400 <= reply.status < 500, reply.body[:300]
    assert len(reply.body) < BOUND
    message = reply.json()["error"]["message"]
    assert message
    assert message.isprintable()
    assert all(len(value) < 300 for value in reply.headers.values())


def bodies(path: str) -> Iterator[dict[str, Any]]:
    """Each with something long in a place that an error could name."""
    yield {**ask("echo", path), "model": LONG}
    yield {**ask("echo", path), "tools": [{"type": LONG}]}
    yield {**ask("claude", path), "tool_choice": LONG}
    yield {**ask("claude", path), "tool_choice": {"type": LONG}}
    yield {**ask("claude", path), "response_format": {"type": LONG}}
    contents: list[Any] = [[{"type": LONG}], [{LONG: LONG}], {LONG: 1}, [{"type": "text", "text": {LONG: 1}}]]
    messages: list[Any] = [{"role": "user", "content": content} for content in contents]
    for message in (*messages, {"role": LONG, "content": "x"}, {"type": LONG}, {LONG: 1}):
        yield {**ask("claude", path), "messages": [message], "input": [message]}


@pytest.mark.parametrize("path", [CHAT, MESSAGES, COUNT, RESPONSES, "/v1/completions", "/v1/embeddings"])
def test_of_a_body_little_is_shown(gateway: RunningGateway, path: str) -> None:
    refused = 0
    for body in bodies(path):
        reply = post(gateway, path, body)
        if reply.status != 200 and reply.status < 500:
            check(reply)
            refused += 1
        assert len(reply.body) < BOUND
    assert refused >= 2


@pytest.mark.parametrize("headers", [{}, ANTHROPIC], ids=["openai", "anthropic"])
@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/" + "A" * 20_000,
        "/" + "A" * 20_000,
        f"{MESSAGES}/" + "A" * 20_000,
        f"{RESPONSES}/" + "A" * 20_000,
        f"{RESPONSES}/resp_" + "A" * 20_000,
        "/v1/models/%1b[31m%00%0d%0ax-injected:%20yes",
        "/%1b[31m%00%ff%0d%0ax-injected:%20yes",
        "/v1/models?limit=" + "A" * 20_000,
        "/v1/models?after_id=" + "A" * 20_000,
    ],
    ids=lambda path: path[:30],
)
def test_of_an_address_little_is_shown(gateway: RunningGateway, path: str, headers: dict[str, str]) -> None:
    for method in ("GET", "POST", "DELETE", "PROPFIND"):
        reply = request(gateway, method, path, headers=headers)
        if reply.status != 200:
            check(reply)
        assert "x-injected" not in reply.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"content-length": "1" + "A" * 20_000},
        {"content-encoding": "A" * 20_000},
        {"host": "A" * 20_000},
        {"origin": "A" * 20_000},
        {"authorization": "A" * 20_000},
    ],
    ids=lambda headers: next(iter(headers)),
)
def test_of_a_header_nothing_is_shown(gateway: RunningGateway, headers: dict[str, str]) -> None:
    for path in (CHAT, MESSAGES, RESPONSES, "/v1/models"):
        reply = request(gateway, "POST", path, b"{}", headers)
        assert 400 <= reply.status < 500
        assert b"AAA" not in reply.body
