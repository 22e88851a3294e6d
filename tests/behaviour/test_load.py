"""Many at once and many in a row: nobody is kept out, nothing stays behind."""

import os
import time
from functools import partial

import pytest

from app.backends.direct import backend
from app.backends.direct.connections import Connections
from tests.behaviour.clients import CHAT, MESSAGES, RawClient, ask, post
from tests.behaviour.gateway import RunningGateway, configuration, simulated, until
from tests.behaviour.policies import CountsTasks
from tests.behaviour.provider import Provider
from tests.behaviour.scripted import gateway_before, text_reply, text_stream
from tests.upstream import Fin, Received, Script, Stall

HELD = 500


def test_hundreds_of_held_streams_keep_nobody_out() -> None:
    """Each waits for a model that says no more; others are served at once, and all of them can still be ended."""
    drain = "  server: {drain_timeout: 100ms}"
    with RunningGateway(configuration(simulated("stall-2", "echo"), drain)) as gateway:
        held = [RawClient(gateway) for _ in range(HELD)]
        for client in held:
            client.post(CHAT, ask("stall-2", stream=True))
        until(lambda: gateway.in_flight() == HELD, "all are held")
        for stream in (True, False):
            since = time.monotonic()
            assert post(gateway, MESSAGES, ask("echo", MESSAGES, stream=stream)).status == 200
            assert time.monotonic() - since < 1
        for client in held[: HELD // 2]:
            client.reset()
        until(lambda: gateway.outcomes().get("client_disconnect") == HELD // 2, "half of them have left")
        gateway.server.handle_exit(15, None)
        gateway.join()
        assert gateway.outcomes() == {"client_disconnect": HELD // 2, "drained": HELD // 2, "ok": 2}
        for client in held[HELD // 2 :]:
            client.socket.close()


def test_hundreds_of_requests_in_a_row_leave_nothing_behind(provider: Provider) -> None:
    """Good, bad, cut and left ones: after them there are as many tasks and descriptors as before."""

    def script(number: int, request: Received) -> Script:
        steps = list(text_stream("oai") if request.json().get("stream") else text_reply("oai"))
        return [*steps[:4], Fin()] if number % 5 == 0 else steps

    gateway = """
  policies: ['tests.behaviour.policies:CountsTasks']
  breakers: {upstream: {threshold: 100000, min_requests: 100000}}"""
    with gateway_before(provider, gateway, backend="direct") as running:
        provider.play(script)
        _requests(running, 20)
        tasks, descriptors = _held(running)
        _requests(running, 100)
        until(lambda: _held(running) <= (tasks, descriptors), "tasks and descriptors are given back")
        assert sum(running.outcomes().values()) == len(running.transactions())


def _requests(gateway: RunningGateway, rounds: int) -> None:
    for number in range(rounds):
        path = (CHAT, MESSAGES)[number % 2]
        post(gateway, path, ask("oai", path, stream=number % 3 > 0))
        post(gateway, path, b"not json")
        with RawClient(gateway) as client:
            client.post(path, ask("oai", path, stream=True))
            client.read_until(b"HTTP/1.1")
            client.reset()


def _held(gateway: RunningGateway) -> tuple[int, int]:
    """Tasks of the gateway while it serves nobody else, and descriptors of the process."""
    gateway.wait_until_idle()
    assert post(gateway, CHAT, ask("oai", text="count")).status in (200, 502)
    return CountsTasks.tasks, len(os.listdir("/proc/self/fd"))


def test_streams_beyond_the_pool_of_connections_wait_a_bounded_time(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "Connections", partial(Connections, limit=2, connect_limit=0.3))
    provider.play([*list(text_stream("oai"))[:4], Stall()])
    with (
        gateway_before(provider, backend="direct") as gateway,
        RawClient(gateway) as first,
        RawClient(gateway) as other,
    ):
        for client in (first, other):
            client.post(CHAT, ask("oai", stream=True))
            client.read_until(b"Hel")
        since = time.monotonic()
        reply = post(gateway, MESSAGES, ask("oai", MESSAGES))
        assert (reply.status, gateway.transaction(reply.request_id).outcome) == (529, "internal_error")
        assert 0.2 < time.monotonic() - since < 2
        provider.play(text_reply("oai"))
        first.reset()
        assert post(gateway, CHAT, ask("oai")).status == 200
