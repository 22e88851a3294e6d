"""The pool of connections: who waits for one, and which are used again."""

import pytest

from app.backends.direct.connections import Connections
from app.errors import LocalFailure
from app.lookups import Lookups
from app.settings import DnsSettings
from tests.support import run
from tests.upstream import Head, ScriptedUpstream, Stall, json_reply


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
                await response.read()
                if give_up:
                    response.give_up()
                assert upstream.connections == opened
            await pool.aclose()

    run(main())
