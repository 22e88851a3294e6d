"""The proxy does to a connection what its faults say."""

import asyncio
import time

import pytest

from tests.lab.faults import (
    Bandwidth,
    Blackhole,
    Fault,
    HalfClose,
    Latency,
    LimitData,
    ResetPeer,
    Slicer,
    SlowClose,
)
from tests.lab.proxy import FaultProxy, Link
from tests.support import run
from tests.upstream import Body, Fin, Head, ScriptedUpstream

ANSWER = b"0123456789" * 20
HEAD = Head(chunked=False)
REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


async def _ask(port: int, pieces: list[bytes] | None = None) -> bytes:
    """Everything that comes back, with RESET where the connection was reset."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    try:
        writer.write(REQUEST)
        while piece := await reader.read(1 << 16):
            answer += piece
            if pieces is not None:
                pieces.append(piece)
    except ConnectionResetError:
        answer += b"RESET"
    finally:
        writer.close()
    return answer


def _through(*down: Fault, up: tuple[Fault, ...] = ()) -> tuple[bytes, float, FaultProxy, ScriptedUpstream]:
    async def played() -> tuple[bytes, float, FaultProxy, ScriptedUpstream]:
        async with (
            ScriptedUpstream([HEAD, Body(ANSWER), Fin()]) as upstream,
            FaultProxy(upstream.port, down, up) as proxy,
        ):
            since = time.monotonic()
            return await _ask(proxy.port), time.monotonic() - since, proxy, upstream

    return run(played())


def test_without_faults_everything_comes_through() -> None:
    answer, _, proxy, _ = _through()
    assert answer.endswith(ANSWER)
    assert not proxy.held.seconds
    assert proxy.connections == 1


def test_a_limit_ends_an_answer_short() -> None:
    answer, *_ = _through(LimitData(100))
    assert len(answer) == 100


def test_a_reset_is_one() -> None:
    assert _through(ResetPeer())[0] == b"RESET"


def test_half_a_close_of_the_request_ends_it_for_the_upstream() -> None:
    answer, _, _, upstream = _through(up=(HalfClose(10),))
    assert answer == b""
    assert upstream.requests == []


def test_a_black_hole_lets_only_the_end_through() -> None:
    assert _through(Blackhole(20))[0] == (b"HTTP/1.1 200 Scripted" + ANSWER)[:20]


@pytest.mark.parametrize("fault", [Latency(0.05), Bandwidth(4000), Slicer(100, 0.02), SlowClose(0.05)])
def test_time_that_is_held_is_measured(fault: Fault) -> None:
    answer, took, proxy, _ = _through(fault)
    assert answer.endswith(ANSWER)
    assert 0.03 < proxy.held.seconds <= took


def test_slices_of_one_byte_are_the_same_answer() -> None:
    assert _through(Slicer(1))[0].endswith(ANSWER)
    assert _through(Slicer(7), Latency(0.001), LimitData(90))[0] == _through(LimitData(90))[0]


def test_connections_may_differ() -> None:
    async def played() -> list[bytes]:
        def links(number: int) -> Link:
            return Link(refused=number % 2 == 1)

        async with (
            ScriptedUpstream([HEAD, Body(ANSWER), Fin()]) as upstream,
            FaultProxy(upstream.port, links=links) as proxy,
        ):
            return [await _ask(proxy.port) for _ in range(4)]

    answers = run(played())
    assert [answer[-4:] for answer in answers] == [b"ESET", b"6789", b"ESET", b"6789"]
