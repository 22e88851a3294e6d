"""Requests beyond what a deployment may have wait for it, in sight; those beyond all bounds are told at once."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from telemetry.names.spans import TIME
from tests.behaviour.clients import CHAT, MESSAGES, RESPONSES, RawClient, Reply, ask, post, request
from tests.behaviour.gateway import RunningGateway, configuration, until
from tests.behaviour.provider import Provider
from tests.behaviour.scripted import PROVIDER_KEY, content_of
from tests.upstream import Received, Script, json_reply, openai_completion

TAKES = 0.2
LIMITED = f"limited: {{model: simulated/slow-start-{TAKES}+lorem-3, max_parallel_requests: 2}}"
HELD = "held: {model: simulated/slow-start-3+lorem-3, max_parallel_requests: 1}"
SETTINGS = """\
  pipeline: {keepalive_interval: 50ms}
  admission: {queue_timeout: 400ms, queue_size: 8}
"""


@pytest.fixture(scope="module")
def gateway() -> Iterator[RunningGateway]:
    with RunningGateway(configuration([LIMITED, HELD], SETTINGS)) as running:
        yield running


def at_once(gateway: RunningGateway, count: int, path: str, model: str, *, stream: bool) -> list[Reply]:
    with ThreadPoolExecutor(count) as pool:
        asked = [pool.submit(post, gateway, path, ask(model, path, stream=stream)) for _ in range(count)]
        return [one.result() for one in asked]


@pytest.mark.parametrize("path", [CHAT, MESSAGES, RESPONSES])
@pytest.mark.parametrize("stream", [True, False])
def test_a_burst_is_served_in_turns_and_nobody_is_refused(gateway: RunningGateway, path: str, stream: bool) -> None:
    """Twice as many as there are slots: half of them wait for the others to end."""
    gateway.wait_until_idle()
    before = gateway.sample("flowspan_admission_enqueued_requests_total", deployment="limited")
    replies = at_once(gateway, 4, path, "limited", stream=stream)
    assert [reply.status for reply in replies] == [200] * 4
    if stream:
        assert all(content_of(path, reply.body)[0].startswith("lorem ipsum dolor") for reply in replies)
    ended = [gateway.transaction(reply.request_id) for reply in replies]
    waits = sorted(float(one["flowspan.time.admission_s"]) for one in ended)
    assert waits[:2] == [0, 0]
    assert TAKES / 2 < waits[2] <= waits[3] < 2 * TAKES
    for one in ended:
        waited = bool(one["flowspan.time.admission_s"])
        assert ("flowspan.admission limited" in one.names) is waited
        assert ("admission.admitted" in one.events) is waited
        parts = sum(float(one[name]) for name in TIME.values())
        assert one.span.end_time is not None
        assert one.span.start_time is not None
        assert parts == pytest.approx((one.span.end_time - one.span.start_time) / 1e9, rel=0.01)
    assert gateway.sample("flowspan_admission_enqueued_requests_total", deployment="limited") == before + 2
    gateway.wait_until_idle()
    assert gateway.sample("flowspan_admission_waiting_requests") == 0


@pytest.mark.parametrize("path", [CHAT, MESSAGES, RESPONSES])
def test_a_stream_that_waits_is_kept_alive(gateway: RunningGateway, path: str) -> None:
    replies = at_once(gateway, 3, path, "limited", stream=True)
    waited = max(replies, key=lambda reply: reply.body.count(b": keepalive\n\n"))
    # In its own time a stream has three comments at most.
    assert waited.body.count(b": keepalive\n\n") >= 5
    assert content_of(path, waited.body)[0].startswith("lorem ipsum dolor")


@pytest.mark.parametrize(("path", "status", "kind"), [(CHAT, 503, "server_error"), (MESSAGES, 529, "overloaded_error")])
def test_who_waits_too_long_is_told_so_and_when_to_come_back(
    gateway: RunningGateway, path: str, status: int, kind: str
) -> None:
    with RawClient(gateway) as holding:
        holding.post(CHAT, ask("held", stream=True))
        until(lambda: gateway.sample("flowspan_upstream_in_flight", deployment="held") == 1, "the slot is taken")
        since = time.monotonic()
        reply = post(gateway, path, ask("held", path))
        assert 0.35 < time.monotonic() - since < 1.5
        assert reply.status == status
        assert reply.json()["error"]["type"] == kind
        assert reply.headers["retry-after"] == "1"
        assert "x-should-retry" not in reply.headers
        ended = gateway.transaction(reply.request_id)
        assert ended.outcome == "overloaded"
        assert ended["error.type"] == "admission_timeout"
        assert "admission.refused" in ended.events
        assert not ended.attempts
        # A stream has begun with comments by then: the same is its last event.
        streamed = post(gateway, path, ask("held", path, stream=True))
        assert streamed.status == 200
        assert kind.encode() in streamed.body
        assert b"had no room for the request in time" in streamed.body
    gateway.wait_until_idle()
    assert gateway.sample("flowspan_breaker_trips_total") == 0


def test_a_client_that_leaves_while_it_waits_gives_way(gateway: RunningGateway) -> None:
    gateway.wait_until_idle()
    left = gateway.sample("flowspan_admission_dequeued_requests_total", deployment="held", result="left")
    with RawClient(gateway) as holding:
        holding.post(CHAT, ask("held", stream=True))
        until(lambda: gateway.sample("flowspan_upstream_in_flight", deployment="held") == 1, "the slot is taken")
        with RawClient(gateway) as waiting:
            waiting.post(CHAT, ask("held", stream=True))
            until(lambda: gateway.sample("flowspan_admission_waiting_requests", deployment="held") == 1, "it waits")
            snapshot = gateway.telemetry.snapshot()
            assert [stream.waiting_for for stream in snapshot.streams].count("admission") == 1
            assert snapshot.waiting["admission"] == 1
        until(lambda: gateway.sample("flowspan_admission_waiting_requests", deployment="held") == 0, "it waits no more")
    gateway.wait_until_idle()
    assert gateway.sample("flowspan_admission_dequeued_requests_total", deployment="held", result="left") == left + 1


def test_beyond_the_queues_size_a_request_is_refused_at_once(gateway: RunningGateway) -> None:
    gateway.wait_until_idle()
    with RawClient(gateway) as holding:
        holding.post(CHAT, ask("held", stream=True))
        until(lambda: gateway.sample("flowspan_upstream_in_flight", deployment="held") == 1, "the slot is taken")
        replies = at_once(gateway, 12, CHAT, "held", stream=False)
    found = [gateway.transaction(reply.request_id) for reply in replies]
    full = [one for one in found if one["error.type"] == "admission_queue_full"]
    assert [reply.status for reply in replies] == [503] * 12
    assert len(full) == 4
    assert all("flowspan.admission held" not in one.names for one in full)
    gateway.wait_until_idle()


def test_a_limit_that_the_provider_tells_is_waited_for_and_not_run_into() -> None:
    """One request a quarter second, by the provider's own headers: each comes when there is one."""
    arrivals: list[float] = []
    limits = {
        "x-ratelimit-limit-requests": "4",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "1s",
    }

    def answer(number: int, received: Received) -> Script:
        arrivals.append(time.monotonic())
        return json_reply(openai_completion({"content": "Hello"}), headers=limits)

    with Provider() as provider:
        provider.play(answer)
        model = f"told: {{model: openai/gpt-scripted, api_base: '{provider.url}/v1', api_key: {PROVIDER_KEY}}}"
        with RunningGateway(configuration([model])) as gateway:
            assert post(gateway, CHAT, ask("told")).status == 200
            assert [one.status for one in at_once(gateway, 3, CHAT, "told", stream=False)] == [200] * 3
            assert gateway.sample("flowspan_admission_enqueued_requests_total", deployment="told") == 3
    gaps = [later - earlier for earlier, later in pairwise(arrivals)]
    # On a busy machine one may come later, and then the next one sooner after it.
    assert arrivals[-1] - arrivals[0] > 0.6
    assert max(gaps) < 2


INSIDE, OFFERED = 12, 36
PACED = "paced: {model: simulated/lorem-10+pace-20}"


def test_beyond_its_streams_the_process_answers_at_once_and_serves_those_inside() -> None:
    """Three times as many as it takes on."""
    with RunningGateway(configuration([PACED], f"  admission: {{max_streams: {INSIDE}}}")) as gateway:
        alone = _timed(gateway, CHAT)[1]
        with ThreadPoolExecutor(INSIDE + 2) as pool:
            inside = [pool.submit(_timed, gateway, CHAT) for _ in range(INSIDE)]
            until(lambda: gateway.in_flight() == INSIDE, "all of them are open")
            outside = [_timed(gateway, path) for path in (CHAT, MESSAGES) * ((OFFERED - INSIDE) // 4)]
            probes = []
            for _ in range(5):
                since = time.monotonic()
                assert request(gateway, "GET", "/livez").status == 200
                probes.append(time.monotonic() - since)
            served = [one.result() for one in inside]
        assert [reply.status for reply, _ in served] == [200] * INSIDE
        assert {reply.status for reply, _ in outside} == {503, 529}
        assert all(reply.headers["retry-after"] == "1" for reply, _ in outside)
        assert max(probes) < 0.1
        assert _median([seconds for _, seconds in outside]) < 0.05
        assert max(seconds for _, seconds in served) < 2 * alone + 0.3
        refused = gateway.transaction(outside[0][0].request_id)
        assert refused.outcome == "overloaded"
        assert refused.get("flowspan.model") is None
        assert post(gateway, CHAT, ask("paced")).status == 200


def test_the_body_of_a_request_without_room_is_not_waited_for() -> None:
    with (
        RunningGateway(configuration([PACED], "  admission: {max_streams: 1}")) as gateway,
        RawClient(gateway) as first,
    ):
        first.post(CHAT, ask("paced", stream=True))
        until(lambda: gateway.in_flight() == 1, "it is open")
        with RawClient(gateway) as second:
            second.head(CHAT, content_length="1000000")
            assert second.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 503 ")


def _timed(gateway: RunningGateway, path: str) -> tuple[Reply, float]:
    since = time.monotonic()
    reply = post(gateway, path, ask("paced", path, stream=True))
    return reply, time.monotonic() - since


def _median(seconds: Sequence[float]) -> float:
    return sorted(seconds)[len(seconds) // 2]


def test_a_reload_changes_limits_and_takes_no_slot_away() -> None:
    def text(limit: int) -> str:
        return configuration([HELD.replace("max_parallel_requests: 1", f"max_parallel_requests: {limit}")])

    with RunningGateway(text(1)) as gateway, RawClient(gateway) as first, RawClient(gateway) as second:
        first.post(CHAT, ask("held", stream=True))
        until(lambda: gateway.sample("flowspan_upstream_in_flight", deployment="held") == 1, "the slot is taken")
        second.post(CHAT, ask("held", stream=True))
        until(lambda: gateway.sample("flowspan_admission_waiting_requests", deployment="held") == 1, "one waits")
        gateway.reload(text(2))
        until(lambda: gateway.sample("flowspan_upstream_in_flight", deployment="held") == 2, "it waits no more")
        assert gateway.sample("flowspan_admission_capacity_requests", deployment="held") == 2
        with RawClient(gateway) as third:
            third.post(CHAT, ask("held", stream=True))
            until(lambda: gateway.sample("flowspan_admission_waiting_requests", deployment="held") == 1, "one waits")
