"""Clients that never come to the point: heads that do not arrive, arrive byte by byte, or never end."""

import re
import threading
import time
from collections.abc import Iterator

import pytest

from tests.behaviour.clients import CHAT, RawClient, ask, post, request
from tests.behaviour.gateway import RunningGateway, configuration, simulated, until

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
HELD = 500


@pytest.fixture(scope="module")
def gateway() -> Iterator[RunningGateway]:
    limits = "  server: {header_timeout: 500ms, header_limit: 16KiB}"
    with RunningGateway(configuration(simulated("echo", "lorem-30+pace-100"), limits)) as running:
        yield running


def test_a_connection_on_which_nothing_comes_is_closed_without_a_word(gateway: RunningGateway) -> None:
    with RawClient(gateway) as client:
        assert client.read_all() == b""


@pytest.mark.parametrize("begun", [b"P", HEAD, HEAD + b"x-a: b\r\n"])
def test_a_head_that_stops_half_way_is_given_up(gateway: RunningGateway, begun: bytes) -> None:
    with RawClient(gateway) as client:
        client.send(begun)
        answer = client.read_all()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert re.search(rb"\r\nx-request-id: req_[0-9a-f]{32}\r\n", answer)


def test_a_head_that_dribbles_wins_no_time(gateway: RunningGateway) -> None:
    since = time.monotonic()
    with RawClient(gateway) as client:
        stop = threading.Event()
        dribbling = threading.Thread(target=_dribble, args=(client, stop))
        dribbling.start()
        assert client.read_all().startswith(b"HTTP/1.1 408 ")
        stop.set()
        dribbling.join(5)
    assert time.monotonic() - since < 3
    until(lambda: gateway.log_line(level="warning", logger="flowspan")["message"], "it is told")


def _dribble(client: RawClient, stop: threading.Event) -> None:
    for byte in HEAD + b"x-a: " + b"b" * 1000:
        if stop.wait(0.02):
            return
        try:
            client.send(bytes([byte]))
        except OSError:
            return


def test_a_head_that_never_ends_is_refused_by_its_size(gateway: RunningGateway) -> None:
    with RawClient(gateway) as client:
        client.send(HEAD)
        for number in range(10_000):
            client.send(b"x-%d: %b\r\n" % (number, b"y" * 1000))
        assert client.read_all().startswith(b"HTTP/1.1 431 ")


def test_a_long_head_that_ends_is_served(gateway: RunningGateway) -> None:
    assert post(gateway, CHAT, ask("echo"), {"anthropic-beta": "x" * 12_000}).status == 200


def test_what_is_on_its_way_is_not_disturbed_by_a_head_that_comes_too_early(gateway: RunningGateway) -> None:
    """Half of the next request, while the first one streams for longer than a head may take."""
    with RawClient(gateway) as client:
        body = b'{"model": "lorem-30+pace-100", "stream": true, "messages": [{"role": "user", "content": "hi"}]}'
        client.send(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body + b"POST /v1/cha")
        received = client.read_all()
    first, _, rest = received.partition(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 200 ")
    assert first.count(b"HTTP/1.1") == 1
    assert rest.startswith(b"HTTP/1.1 408 ")


def test_a_connection_between_two_requests_may_be_idle(gateway: RunningGateway) -> None:
    with RawClient(gateway) as client:
        for _ in range(2):
            client.send(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert b"ready" in client.read_until(b"}")
            late = [RawClient(gateway), RawClient(gateway)]
            for other in late:
                with other:
                    assert other.read_all() == b""


def test_hundreds_that_hold_a_connection_keep_nobody_out() -> None:
    """Half of them say nothing, half dribble; others are served meanwhile, and all of them are got rid of."""
    limits = "  server: {header_timeout: 2s}"
    with RunningGateway(configuration(simulated("echo"), limits)) as gateway:
        held = [RawClient(gateway) for _ in range(HELD)]
        for client in held[::2]:
            client.send(HEAD)
        until(lambda: len(gateway.server.server_state.connections) == HELD, "all are connected")
        for _ in range(5):
            since = time.monotonic()
            assert post(gateway, CHAT, ask("echo", stream=True)).status == 200
            assert time.monotonic() - since < 1
        until(lambda: not gateway.server.server_state.connections, "all are closed")
        for client in held:
            client.socket.close()
        assert request(gateway, "GET", "/readyz").status == 200
