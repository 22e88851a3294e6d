"""Requests that nobody can serve: each gets a client error in its dialect, is counted, and has a span."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.behaviour.clients import CHAT, COUNT, MESSAGES, RawClient, Reply, ask, dechunked, post, request
from tests.behaviour.gateway import RunningGateway, configuration, simulated, until

PATHS = (CHAT, MESSAGES, COUNT)
paths = pytest.mark.parametrize("path", PATHS)
DEEP = b'{"model": "echo", "max_tokens": 5, "messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.fixture(scope="module")
def gateway() -> Iterator[RunningGateway]:
    with RunningGateway(configuration(simulated("echo"), "  server: {body_timeout: 300ms}")) as running:
        yield running


def is_refused(gateway: RunningGateway, path: str, reply: Reply, status: int = 400) -> Any:
    """The error as the path's dialect words it; its transaction ended as the client's fault."""
    assert reply.status == status, reply.body
    body = reply.json()
    if path == CHAT:
        assert set(body) == {"error"}
        assert set(body["error"]) == {"message", "type", "param", "code"}
    else:
        assert set(body) == {"type", "error", "request_id"}
        assert body["type"] == "error"
        assert set(body["error"]) == {"type", "message"}
    assert gateway.transaction(reply.request_id).outcome == "client_error"
    return body["error"]


@paths
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b'{"model": "echo"} trailing',
        b"\xef\xbb\xbf{}",
        b'{"model": "\xff"}',
        b'{"model": "echo", "messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"model": "echo", "temperature": NaN}',
        b'{"model": "echo", "temperature": 1e999}',
        b'{"model": "echo", "seed": ' + b"1" * 5000 + b"}",
        DEEP,
        b"[" * 1_000_000,
    ],
    ids=lambda body: repr(body[:40]),
)
def test_what_is_no_json_object_is_refused(gateway: RunningGateway, path: str, body: bytes) -> None:
    is_refused(gateway, path, post(gateway, path, body))


@paths
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", None),
        ("model", 7),
        ("messages", None),
        ("messages", []),
        ("messages", "hello"),
        ("messages", [7]),
        ("messages", [{"role": "user"}]),
        ("messages", [{"role": "king", "content": "hello"}]),
        ("messages", [{"role": "user", "content": 7}]),
        ("messages", [{"role": "user", "content": [{"type": "text"}]}]),
        ("messages", [{"role": "user", "content": [{"type": "text", "text": ["x"]}]}]),
        ("messages", {"role": "user"}),
        ("tools", "all"),
        ("tools", [{}]),
        ("temperature", "hot"),
        ("temperature", []),
        ("stream", "yes"),
        ("stream", 2),
        ("max_tokens", "many"),
        ("max_tokens", 1.5),
        ("tool_choice", 7),
    ],
)
def test_a_field_of_a_wrong_kind_is_refused_by_name(
    gateway: RunningGateway, path: str, field: str, value: object
) -> None:
    error = is_refused(gateway, path, post(gateway, path, {**ask("echo", path), field: value}))
    assert field in error["message"]


@pytest.mark.parametrize(
    ("path", "left_out"),
    [(path, field) for path in PATHS for field in ("model", "messages")] + [(MESSAGES, "max_tokens")],
)
def test_a_required_field_that_is_missing_is_named(gateway: RunningGateway, path: str, left_out: str) -> None:
    body = {name: value for name, value in ask("echo", path).items() if name != left_out}
    assert left_out in is_refused(gateway, path, post(gateway, path, body))["message"]


@paths
def test_the_last_of_two_equal_keys_counts(gateway: RunningGateway, path: str) -> None:
    body = json.dumps(ask("echo", path)).encode()
    twice = b'{"model": "nothing", ' + body[1:]
    assert post(gateway, path, twice).status == 200


@paths
@pytest.mark.parametrize(
    "name",
    ["nothing", "", "a\r\nSet-Cookie: x=1", "\x1b[31mred", "x" * 100_000, "../../etc/passwd", "{{7*7}}", "echo "],
)
def test_hostile_model_names_are_not_found_and_never_a_label(gateway: RunningGateway, path: str, name: str) -> None:
    reply = post(gateway, path, ask(name, path))
    assert reply.status in (400, 404)
    assert "set-cookie" not in reply.headers
    ended = gateway.transaction(reply.request_id)
    assert ended.outcome == "client_error"
    assert ended.get("flowspan.model") in (None, "other")
    line = gateway.log_line(transaction_id=reply.request_id)
    assert line["model"] == "other"
    labels = {
        sample.labels["model"]
        for family in gateway.telemetry.registry.collect()
        for sample in family.samples
        if "model" in sample.labels
    }
    assert labels == {"echo", "other"}


@paths
@pytest.mark.parametrize("announced", [True, False])
def test_a_body_that_is_too_large_is_refused_while_it_is_still_read(
    gateway: RunningGateway, path: str, announced: bool
) -> None:
    """33 MiB, with a length or in chunks without one; the limit is 32 MiB."""
    mebibyte = b"x" * (1 << 20)
    with RawClient(gateway) as client:
        if announced:
            client.head(path, content_length=str(33 << 20))
            client.send(mebibyte)
        else:
            client.head(path, transfer_encoding="chunked")
            chunk = b"%x\r\n" % len(mebibyte) + mebibyte + b"\r\n"
            for _ in range(33):
                client.send(chunk)
        raw = client.read_until(b"}")
    assert raw.startswith(b"HTTP/1.1 413 ")
    assert b"request_too_large" in raw
    [reply_id] = [line.split(b": ")[1].decode() for line in raw.split(b"\r\n") if line.startswith(b"x-request-id")]
    assert gateway.transaction(reply_id).outcome == "client_error"


def test_a_body_just_below_the_limit_is_served(gateway: RunningGateway) -> None:
    reply = post(gateway, CHAT, ask("echo", text="x" * ((32 << 20) - 1000)))
    assert reply.status == 200


@paths
def test_a_body_that_does_not_come_is_given_up(gateway: RunningGateway, path: str) -> None:
    with RawClient(gateway) as client:
        client.head(path, content_length="1000")
        client.send(b'{"model": ')
        raw = client.read_until(b"}")
    assert raw.startswith(b"HTTP/1.1 408 ")
    [reply_id] = [line.split(b": ")[1].decode() for line in raw.split(b"\r\n") if line.startswith(b"x-request-id")]
    ended = gateway.transaction(reply_id)
    assert ended.outcome == "client_error"
    assert ended["flowspan.time.client_s"] > 0.2


@pytest.mark.parametrize("length", ["-5", "ten", "1e3", "", "9" * 40])
def test_a_length_that_is_none_is_refused(gateway: RunningGateway, length: str) -> None:
    with RawClient(gateway) as client:
        client.head(CHAT, content_length=length)
        raw = client.socket.recv(65536)
    assert raw.split(b" ")[1] in (b"400", b"413")


def test_several_requests_on_one_connection_keep_apart(gateway: RunningGateway) -> None:
    """A refused body, then a good one, sent without waiting."""
    good = json.dumps(ask("echo", text="second", stream=True)).encode()
    with RawClient(gateway) as client:
        client.head(CHAT, content_length="8")
        client.send(b"not json")
        client.head(CHAT, content_length=str(len(good)), connection="close")
        client.send(good)
        raw = client.read_all()
    first, _, second = raw.partition(b"HTTP/1.1 200")
    assert first.startswith(b"HTTP/1.1 400")
    body, complete = dechunked(second)
    assert complete
    assert b"second" in body


def test_who_would_rather_speak_another_protocol_is_served_in_this_one(gateway: RunningGateway) -> None:
    """As Java's HTTP client asks, on a connection's first request and on a later one."""
    data = json.dumps(ask("echo", text="upgrade: h2c")).encode()
    wish = {"Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQAAP__", "content-length": str(len(data))}
    with RawClient(gateway) as client:
        for last in ("Upgrade, HTTP2-Settings", "Upgrade, close"):
            client.head(CHAT, **wish, connection=last)
            client.send(data)
            client.read_until(b"upgrade: h2c")
    assert request(gateway, "GET", CHAT, headers={"upgrade": "websocket", "connection": "upgrade"}).status == 405


def test_all_of_them_were_counted_and_are_over(gateway: RunningGateway) -> None:
    until(lambda: gateway.in_flight() == 0, "all requests have ended")
    until(lambda: sum(gateway.outcomes().values()) == len(gateway.transactions()), "each is counted and traced")
    assert set(gateway.outcomes()) == {"ok", "client_error"}
    assert not [line for line in gateway.logs() if line["level"] == "error"]
