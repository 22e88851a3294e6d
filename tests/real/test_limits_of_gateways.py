"""A thousand requests at once at two gateways, which share their limits in a real Redis: a burst keeps event loops busy
for longer than a Redis that is silent is waited for."""

import asyncio
import os
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.quotas.redis_calls import RedisCalls, RedisUnreachable
from tests.behaviour.limits_at_once import CASES, Holding, check, limited
from tests.behaviour.process import Served
from tests.redis_server import program, running
from tests.upstream import ScriptedUpstream

pytestmark = pytest.mark.skipif(
    program() is None and not os.environ.get("CI"), reason="Redis is not installed (Debian: redis-server)"
)

_TICK = ("a", "-1", "0", "0", "2", "900", "")
"""Arguments of a gateway that asks for the time for the first time."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.timeout(180)
def test_two_gateways_let_through_what_one_would(tmp_path: Path) -> None:
    async def all_cases(store: str, stack: ExitStack) -> None:
        async with ScriptedUpstream([]) as provider:
            text = limited(provider.url, f"  console: off\n  quotas: {{store: '{store}'}}")
            gateways = []
            for name in ("one", "other"):
                (tmp_path / name).mkdir()
                gateways.append(stack.enter_context(await asyncio.to_thread(Served, tmp_path / name, text)))
            for case in CASES:
                holding = Holding(case)
                provider.play(holding)
                await check(case, [gateway.port for gateway in gateways], provider, holding)

    with running() as redis, ExitStack() as stack:
        asyncio.run(all_cases(redis.url, stack))


@pytest.mark.anyio
async def test_a_loop_that_is_busy_takes_no_redis_for_silent() -> None:
    with running() as redis:
        calls = RedisCalls(redis.url, 0.1)
        replies = [calls.call("tick.lua", ["{busy}:gateways", "{busy}:clock"], _TICK) for _ in range(300)]
        while not all(reply.done() for reply in replies):
            _keep_busy(0.08)
            await asyncio.sleep(0)
        assert [reply.exception() for reply in replies] == [None] * 300
        redis.pause()
        began = time.monotonic()
        with pytest.raises(RedisUnreachable, match="does not reply in time"):
            await calls.call("tick.lua", ["{busy}:gateways", "{busy}:clock"], _TICK)
        assert time.monotonic() - began < 2
        redis.resume()
        await calls.call("tick.lua", ["{busy}:gateways", "{busy}:clock"], _TICK)
        await calls.close()


def _keep_busy(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass
