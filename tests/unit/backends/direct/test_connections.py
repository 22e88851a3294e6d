"""The pool of connections: who waits for one, and which are used again."""

import asyncio

import pytest

from app.backends.direct.connections import Connections, pool_readings
from app.errors import LocalFailure
from app.lookups import Lookups
from app.settings import DnsSettings
from tests.support import run
from tests.unit.http_client.rig import read_all
from tests.upstream import Head, Script, ScriptedUpstream, Stall, json_reply


def connections(url: str, limit: int) -> Connections:
    return Connections(url, Lookups(DnsSettings()), limit=limit, connect_limit=0.2)


def test_a_wait_for_a_free_connection_that_ends_in_vain_is_the_gateways_own() -> None:
    async def main() -> None:
        async with ScriptedUpstream([Head(), Stall()]) as upstream:
            pool = connections(upstream.url, limit=1)
            held = await pool.request("POST", upstream.url, b"{}", {})
            with pytest.raises(LocalFailure) as raised:
                await pool.request("POST", upstream.url, b"{}", {})
            assert raised.value.kind == "connections"
            assert len(upstream.requests) == 1
            held.close()
            (await pool.request("POST", upstream.url, b"{}", {})).close()
            await pool.aclose()

    run(main())


def test_no_other_request_uses_the_connection_of_an_answer_that_was_given_up() -> None:
    async def main() -> None:
        async with ScriptedUpstream(json_reply({})) as upstream:
            pool = connections(upstream.url, limit=1)
            for opened, give_up in ((1, False), (1, True), (2, False)):
                response = await pool.request("POST", upstream.url, b"{}", {})
                await read_all(response)
                if give_up:
                    response.give_up()
                assert upstream.connections == opened
            await pool.aclose()

    run(main())


def test_several_shares_are_closed_at_once() -> None:
    async def main() -> None:
        async with ScriptedUpstream(json_reply({})) as one, ScriptedUpstream(json_reply({})) as other:
            shares = [connections(upstream.url, limit=1) for upstream in (one, other)]
            for share, upstream in zip(shares, (one, other), strict=True):
                await read_all(await share.request("POST", upstream.url, b"{}", {}))
            await asyncio.gather(*[share.aclose() for share in shares])
            assert pool_readings() == []

    run(main())


def test_a_pool_tells_what_it_holds() -> None:
    scripts: dict[int, Script] = {1: [Head(), Stall()], 2: json_reply({})}

    async def main() -> None:
        assert pool_readings() == []
        async with ScriptedUpstream(lambda number, request: scripts[number]) as upstream:
            pool = connections(upstream.url, limit=1)
            held = await pool.request("POST", upstream.url, b"{}", {})
            waiting = asyncio.create_task(pool.request("POST", upstream.url, b"{}", {}))
            for _ in range(5):
                await asyncio.sleep(0)
            [reading] = pool_readings()
            assert reading.origin == upstream.url
            assert (reading.active, reading.idle, reading.waiting) == (1, 0, 1)
            assert [0 < seconds < 5 for seconds in reading.connects] == [True]
            held.close()
            await read_all(await waiting)
            [reading] = pool_readings()
            assert (reading.active, reading.idle, reading.waiting) == (0, 1, 0)
            assert len(reading.connects) == 1
            assert not pool_readings()[0].connects
            await pool.aclose()
        assert pool_readings() == []

    run(main())
    assert pool_readings() == []
