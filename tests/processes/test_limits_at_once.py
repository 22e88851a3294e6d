"""A thousand requests at once at two workers, which share one table of limits."""

import asyncio
from pathlib import Path

import pytest

from tests.behaviour.limits_at_once import CASES, Holding, check, limited
from tests.processes.test_workers import Workers, both
from tests.upstream import ScriptedUpstream


@pytest.mark.timeout(120)
def test_two_workers_let_through_what_one_would(tmp_path: Path) -> None:
    async def all_cases() -> None:
        async with ScriptedUpstream([]) as provider:
            text = limited(provider.url, "  server: {workers: 2}\n  console: off")
            served = await asyncio.to_thread(Workers, tmp_path, text)
            try:
                await asyncio.to_thread(both, served)
                for case in CASES:
                    holding = Holding(case)
                    provider.play(holding)
                    await check(case, [served.port], provider, holding)
            finally:
                await asyncio.to_thread(served.__exit__, None, None, None)

    asyncio.run(all_cases())
