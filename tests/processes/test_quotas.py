"""Limits that several processes share, one of which is killed in the middle of its work."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest

from app.quotas import Denial, Need, Quotas
from app.settings import Budget, Limits, QuotaSettings, WorkerProcess
from tests.unit.quotas.made import CALLER, rules

pytestmark = pytest.mark.anyio
PROCESSES = 4
"""Three that work, and one that looks after them."""
_WORKER = """
import asyncio, random, sys
from app.quotas import Denial, Need
from tests.processes.test_quotas import shared

async def one(quotas):
    admitted = await quotas.admit("key:ada")
    if isinstance(admitted, Denial):
        await asyncio.sleep(0.001)
        return 0
    denial = await admitted.reserve(Need(random.randrange(10, 20), 0.02))
    await asyncio.sleep(random.random() / 1_000)
    admitted.commit(10, 0 if denial else 0.01)
    return 0 if denial else 1

async def main():
    quotas = shared(int(sys.argv[1]), sys.argv[2])
    print("ready", flush=True)
    sys.stdin.readline()
    passed, until_end = 0, asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    while not until_end.done():
        passed += sum(await asyncio.gather(*(one(quotas) for _ in range(20))))
    print(passed)

asyncio.run(main())
"""


def shared(index: int, folder: str) -> Quotas:
    made = rules(Limits(requests_per_minute=4_000, tokens_per_minute=30_000, streams=30), [Budget(20)])
    return Quotas(made, QuotaSettings(), WorkerProcess(index, PROCESSES, folder))


@contextmanager
def _workers(folder: Path) -> Iterator[list[subprocess.Popen[str]]]:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", _WORKER, str(index), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[3],
        )
        for index in range(PROCESSES - 1)
    ]
    try:
        # All begin together: one alone would use up what the others are to have.
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("begin\n")
            worker.stdin.flush()
        yield workers
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


async def _look(quotas: Quotas) -> dict[str, float]:
    """What is used of each limit, with what is reserved; no limit may be passed."""
    usages = await quotas.usage(CALLER)
    assert all(usage.used + usage.reserved <= usage.most + 1e-6 for usage in usages)
    return {usage.limit: usage.used + usage.reserved for usage in usages}


async def test_a_process_that_is_killed_takes_only_what_it_held_with_it(tmp_path: Path) -> None:
    quotas = shared(PROCESSES - 1, str(tmp_path))
    with _workers(tmp_path) as workers:
        deadline = time.monotonic() + 30
        while (await _look(quotas))["requests_per_minute"] < 300:
            assert time.monotonic() < deadline
        while (await _look(quotas))["streams"] < 5:
            assert time.monotonic() < deadline
        workers[0].kill()
        workers[0].wait()
        quotas.release_worker(0)
        for _ in range(200):
            await _look(quotas)
        passed = [int(worker.communicate("")[0]) for worker in workers[1:]]
    end = {usage.limit: usage for usage in await quotas.usage(CALLER)}
    assert all(one > 0 for one in passed)
    assert end["streams"].used == 0
    assert end["budget_month"].reserved == pytest.approx(0)
    assert end["budget_month"].used >= sum(passed) * 0.01 - 1e-6
    await quotas.close()


@pytest.mark.parametrize("window", ["calendar", "sliding"])
async def test_what_a_killed_process_had_reserved_of_a_budget_counts_as_used(
    tmp_path: Path, window: Literal["calendar", "sliding"]
) -> None:
    made = rules(Limits(tokens_per_minute=1_000, streams=5), [Budget(10, "day", window)])
    kept, killed = (Quotas(made, QuotaSettings(), WorkerProcess(index, PROCESSES, str(tmp_path))) for index in (3, 0))
    for quotas in (killed, kept):
        admitted = await quotas.admit(CALLER)
        assert not isinstance(admitted, Denial)
        assert await admitted.reserve(Need(100, 3.0)) is None
    kept.release_worker(0)
    kept.release_worker(1)
    usages = {usage.limit: usage for usage in await kept.usage(CALLER)}
    spent = usages["budget_day"]
    assert (spent.used, spent.reserved, spent.left) == (3.0, 3.0, 4.0)
    assert usages["streams"].used == 1
    # A token counts in the second in which it was reserved, whatever becomes of its request.
    assert usages["tokens_per_minute"].left == 800
