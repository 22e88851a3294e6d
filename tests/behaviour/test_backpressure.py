"""A client that reads slowly: bounded memory, a stalled upstream, and in the end every byte."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.behaviour.clients import CHAT, MESSAGES, RawClient, ask, dechunked, post
from tests.behaviour.gateway import RunningGateway, configuration, until
from tests.behaviour.provider import Provider
from tests.behaviour.scripted import content_of, models
from tests.upstream import Body, End, Head, Step, openai_events

EVENTS = 120
PIECE = "0123456789" * 10_000
"""12 MB in all: more than the sockets and queues of 256 KiB hold."""
SMALL_QUEUES = "  pipeline: {queue_items: 20, queue_bytes: 256KiB, put_timeout: %s}"
BIG = "big: {model: simulated/lorem, texts: ['%s'], chunk_size: 10000}" % ("x" * 10_000_000)


@pytest.fixture(scope="module")
def patient(provider: Provider) -> Iterator[RunningGateway]:
    with RunningGateway(configuration(models(provider), SMALL_QUEUES % "30s")) as running:
        yield running


def script() -> list[Step]:
    events = openai_events(*({"content": f"{number:06d}{PIECE}"} for number in range(EVENTS)))
    return [Head(), *(Body(event) for event in events), End()]


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_slow_reader_stalls_the_upstream_and_gets_every_byte(
    patient: RunningGateway, provider: Provider, path: str
) -> None:
    provider.play(script())
    seen = patient.wait_until_idle()
    with RawClient(patient, receive_buffer=16384) as client:
        client.post(path, ask("oai", path, stream=True))
        blocked_at = _standstill(patient)
        assert blocked_at < EVENTS / 2, "the upstream went on although nobody read"
        assert patient.in_flight() == 1
        body, complete = dechunked(client.read_until(b"0\r\n\r\n"))
    assert complete
    assert content_of(path, body) == ("".join(f"{number:06d}{PIECE}" for number in range(EVENTS)), [], None)
    ended = patient.next_transaction(seen)
    assert ended.outcome == "ok"
    assert ended["flowspan.time.client_s"] > 0.2
    assert "queue.high_water" in ended.events
    for span in ended.others:
        if span.name.startswith("flowspan.queue"):
            attributes: dict[str, Any] = dict(span.attributes or {})
            assert attributes["flowspan.queue.bytes_max"] <= 256 * 1024 + 2 * len(PIECE)
            assert attributes["flowspan.queue.depth_max"] <= 20
            assert attributes["flowspan.queue.overflows"] == attributes["flowspan.queue.discarded"] == 0


def _standstill(gateway: RunningGateway) -> int:
    """How many items had entered the queues when nothing moved any more."""

    def entered() -> int:
        gateway.telemetry.sampler.sample()
        return int(gateway.sample("flowspan_queue_enqueued_items_total", queue="policy_out"))

    last, since = -1, time.monotonic()

    def still() -> bool:
        nonlocal last, since
        if (now := entered()) != last:
            last, since = now, time.monotonic()
        return last > 0 and time.monotonic() - since > 0.3

    before = entered()
    until(still, "the stream stands still")
    return last - before


@pytest.fixture(scope="module")
def impatient() -> Iterator[RunningGateway]:
    limits = (SMALL_QUEUES % "700ms") + "\n  breakers: {queue: {threshold: 3, window: 60s, cooldown: 2s}}"
    small = "small: {model: simulated/echo, texts: [all is well]}"
    with RunningGateway(configuration([BIG, small], limits)) as running:
        yield running


def test_overflows_end_their_streams_and_then_trip_the_breaker(impatient: RunningGateway) -> None:
    """Three streams that nobody reads; the breaker then turns new ones away, in the words of each dialect, until a
    probe has gone well. Requests that are not streamed use no queue and are served all the time."""
    clients = [RawClient(impatient, receive_buffer=4096) for _ in range(3)]
    for client, path in zip(clients, (CHAT, MESSAGES, CHAT), strict=True):
        client.post(path, ask("big", path, stream=True))
    until(lambda: impatient.sample("flowspan_breaker_trips_total", reason="failures_in_window"), "the breaker trips")

    for path, status in ((CHAT, 503), (MESSAGES, 529)):
        turned_away = post(impatient, path, ask("small", path, stream=True))
        assert turned_away.status == status
        assert int(turned_away.headers["retry-after"]) >= 1
        refused = impatient.transaction(turned_away.request_id)
        assert refused.outcome == "breaker_open"
        assert len(refused.span.links) == 1
        assert post(impatient, path, ask("small", path)).status == 200
    assert impatient.sample("flowspan_breaker_rejections_total", reason="open") == 2

    for client in clients:
        with client:
            read = client.read_all()
            assert b"data: [DONE]" not in read
            assert b"event: message_stop" not in read
    until(lambda: impatient.outcomes().get("overflow") == 3, "the three have ended")
    tripped = [one for one in impatient.transactions() if "breaker.state_change" in one.events]
    assert tripped[0]["error.type"] == "queue_overflow"
    assert refused.span.links[0].context.trace_id == tripped[0].span.context.trace_id

    recovered = until(lambda: _served(impatient), "the breaker lets a probe through")
    assert recovered.endswith(b"data: [DONE]\n\n")
    assert impatient.sample("flowspan_breaker_transitions_total", to_state="closed") >= 1
    assert post(impatient, MESSAGES, ask("small", MESSAGES, stream=True)).status == 200


def test_a_client_that_reads_again_is_told_of_the_overflow(impatient: RunningGateway) -> None:
    """What was on its way arrives, then the error; not one byte that would make it a success."""
    overflows = impatient.sample("flowspan_queue_overflows_total")
    with RawClient(impatient, receive_buffer=4096) as client:
        client.post(MESSAGES, ask("big", MESSAGES, stream=True))
        until(lambda: impatient.sample("flowspan_queue_overflows_total") > overflows, "an overflow")
        body, _ = dechunked(client.read_until(b"0\r\n\r\n"))
    _, _, error = content_of(MESSAGES, body)
    assert error is not None
    assert error["type"] == "overloaded_error"


def test_the_memory_of_a_stream_that_nobody_reads_is_given_back(impatient: RunningGateway) -> None:
    until(lambda: impatient.in_flight() == 0, "all streams have ended")
    impatient.telemetry.sampler.sample()
    assert impatient.sample("flowspan_queue_bytes") == 0
    assert impatient.sample("flowspan_queue_depth_items") == 0


def test_a_client_that_never_reads_has_its_connection_cut(impatient: RunningGateway) -> None:
    """Its socket and what was buffered for it must not stay for as long as it likes."""
    until(lambda: not impatient.server.server_state.connections, "all other connections are closed")
    cut = impatient.sample("flowspan_streams_delivered_total", result="cut")
    with RawClient(impatient, receive_buffer=4096) as client:
        client.post(CHAT, ask("big", stream=True))
        until(lambda: impatient.server.server_state.connections, "the connection is open")
        until(lambda: not impatient.server.server_state.connections, "the connection is cut", 15)
    impatient.wait_until_idle()
    assert impatient.sample("flowspan_streams_delivered_total", result="cut") == cut + 1


@pytest.fixture(scope="module")
def quick() -> Iterator[RunningGateway]:
    """Its queues hold all that is said, so that only what the client reads at the end can be missing."""
    large = "  pipeline: {put_timeout: 500ms, queue_bytes: 64MiB, keepalive_interval: 0}"
    with RunningGateway(configuration([BIG], large)) as running:
        yield running


@pytest.mark.parametrize(("path", "stream"), [(CHAT, False), (MESSAGES, False), (CHAT, True)])
def test_an_answer_that_nobody_reads_to_its_end_is_an_overflow(quick: RunningGateway, path: str, stream: bool) -> None:
    """Whole, or a stream whose model has said all: it must not pass for one that arrived, nor stay for ever."""
    seen = quick.wait_until_idle()
    with RawClient(quick, receive_buffer=4096) as client:
        client.post(path, ask("big", path, stream=stream))
        ended = quick.next_transaction(seen)
        assert (ended.outcome, ended["error.type"]) == ("overflow", "queue_overflow")
        assert ended["flowspan.time.client_s"] > 0.9
        until(lambda: not quick.server.server_state.connections, "the connection is cut", 15)
        assert b"[DONE]" not in client.read_all()


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_reads_slowly_to_the_end_is_waited_for(quick: RunningGateway, stream: bool) -> None:
    """For longer than the patience with one that reads nothing."""
    seen = quick.wait_until_idle()
    with RawClient(quick) as client:
        client.post(CHAT, ask("big", stream=stream))
        read = bytearray()
        while len(read) < 6_000_000:
            read += client.socket.recv(1 << 18)
            time.sleep(0.05)
        read += client.read_all()
    assert quick.next_transaction(seen).outcome == "ok"
    assert read.count(b"x") >= 9_900_000


def test_a_client_that_leaves_a_whole_answer_unread_has_left(quick: RunningGateway) -> None:
    seen = quick.wait_until_idle()
    with RawClient(quick, receive_buffer=4096) as client:
        client.post(CHAT, ask("big"))
        client.socket.recv(1)
        client.reset()
    assert quick.next_transaction(seen).outcome == "client_disconnect"


def _served(gateway: RunningGateway) -> bytes:
    reply = post(gateway, CHAT, ask("small", stream=True))
    return reply.body if reply.status == 200 else b""
