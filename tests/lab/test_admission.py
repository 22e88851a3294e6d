"""Several keys ask for more than a deployment may have, each as much as it likes: who is served, and who is refused."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from telemetry.names.spans import TIME
from tests.behaviour.clients import CHAT, ask
from tests.behaviour.gateway import RunningGateway, Transaction, configuration
from tests.lab.clients import Manner, Seen, request, visit
from tests.processes.test_workers import Workers, both

KEYS = {name: f"sk-{name}-0123456789abcdef0123" for name in ("one", "two", "three", "four")}
DEMAND = {"one": 10, "two": 4, "three": 2, "four": 2}
"""Requests of each key, as shares: unequal by five."""
SLOTS, TAKES = 4, 0.1
CAPACITY = SLOTS / TAKES
"""Requests a second."""
MODEL = f"busy: {{model: simulated/slow-start-{TAKES}+lorem-1, max_parallel_requests: {SLOTS}}}"


def _configuration(admission: str) -> str:
    keys = ", ".join(f"{{name: {name}, key: {key}}}" for name, key in KEYS.items())
    return configuration([MODEL], f"  keys: [{keys}]\n  admission: {{{admission}}}")


@dataclass(frozen=True)
class Visited:
    key: str
    seen: Seen
    begun: float
    ended: float


async def _offered(port: int, seconds: float, times: float) -> list[Visited]:
    """`times` the capacity for so many seconds, each key at a pace of its own."""
    shares = sum(DEMAND.values())
    loops = [_pace(port, key, CAPACITY * times * share / shares, seconds) for key, share in DEMAND.items()]
    return [one for visits in await asyncio.gather(*loops) for one in visits]


async def _pace(port: int, key: str, rate: float, seconds: float) -> list[Visited]:
    began, asked = time.monotonic(), []
    for number in range(round(rate * seconds)):
        await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
        asked.append(asyncio.create_task(_visit(port, key)))
    return list(await asyncio.gather(*asked))


async def _visit(port: int, key: str) -> Visited:
    begun = time.monotonic()
    data = request(CHAT, ask("busy", stream=True), {"authorization": f"Bearer {KEYS[key]}"})
    seen = await visit(port, data, Manner(timeout=60))
    return Visited(key, seen, begun, time.monotonic())


def jain(amounts: Sequence[float]) -> float:
    """Jain's index of fairness: 1 where all have the same, 1/n where one has it all."""
    return sum(amounts) ** 2 / (len(amounts) * sum(amount**2 for amount in amounts))


@dataclass(frozen=True)
class Figures:
    served: Mapping[str, int]
    refused: Mapping[str, int]
    longest_wait: float
    fairness: float
    """Jain's index over what keys were served while all of them had somebody waiting."""
    ledger_error: float
    """The most that the parts of a ledger differ from its request's duration, as a share."""
    longest_refusal: float
    """Seconds from a refused request to its answer."""


def _figures(gateway: RunningGateway, visits: Sequence[Visited], busy_until: float) -> Figures:
    gateway.wait_until_idle()
    by_id = {str(one["flowspan.transaction_id"]): one for one in gateway.transactions()}
    records = [(one, by_id[one.seen.request_id]) for one in visits]
    served = [one for one, record in records if record.outcome == "ok"]
    while_busy = Counter(one.key for one in served if one.ended < busy_until)
    return Figures(
        served=Counter(one.key for one in served),
        refused=Counter(one.key for one, record in records if record.outcome == "overloaded"),
        longest_wait=max(float(record["flowspan.time.admission_s"]) for _, record in records),
        fairness=jain([while_busy[key] for key in KEYS]),
        ledger_error=max(_ledger_error(record) for _, record in records),
        longest_refusal=max(
            (one.ended - one.begun for one, record in records if record.outcome == "overloaded"), default=0.0
        ),
    )


def _ledger_error(record: Transaction) -> float:
    start, end = record.span.start_time, record.span.end_time
    assert start is not None
    assert end is not None
    duration = (end - start) / 1e9
    return abs(sum(float(record[name]) for name in TIME.values()) - duration) / duration


def test_three_times_the_capacity_is_served_in_time_and_fairly() -> None:
    """A burst of two seconds, which takes six to be served: nobody is refused, and no key is served before its turn."""
    with RunningGateway(_configuration("queue_timeout: 20s")) as gateway:
        began = time.monotonic()
        visits = asyncio.run(_offered(gateway.port, 2, 3))
        figures = _figures(gateway, visits, began + 2)
        most = max(gateway.sample("flowspan_admission_capacity_requests"), 0)
    assert most == SLOTS
    assert not figures.refused
    assert sum(figures.served.values()) == len(visits)
    assert figures.longest_wait < 2 * 3 + 2
    assert figures.fairness >= 0.95, figures
    assert figures.ledger_error < 0.01, figures


def test_two_workers_are_as_fair_though_each_has_a_queue_of_its_own(tmp_path: Path) -> None:
    text = _configuration("queue_timeout: 20s") + "\n  server: {workers: 2, lame_duck: 0}\n  console: off"
    with Workers(tmp_path, text) as served:
        both(served)
        began = time.monotonic()
        visits = asyncio.run(_offered(served.port, 4, 3))
    assert {one.seen.status for one in visits} == {200}
    # What the first slots were given to was before anybody waited.
    while_busy = Counter(one.key for one in visits if began + 1 < one.ended < began + 4)
    assert jain([while_busy[key] for key in KEYS]) >= 0.95, while_busy


def test_only_who_could_not_be_served_in_time_is_refused() -> None:
    """The slots are in use without a break until the time of the last refused request would have been up: to serve it,
    another one would have had to be refused."""
    timeout = 1.0
    with RunningGateway(_configuration(f"queue_timeout: {timeout}s")) as gateway:
        began = time.monotonic()
        visits = asyncio.run(_offered(gateway.port, 3, 3))
        figures = _figures(gateway, visits, began + 3)
        refused = [one for one in gateway.transactions() if one.outcome == "overloaded"]
        attempts = [span for one in gateway.transactions() for span in one.attempts]
    assert refused
    assert figures.longest_wait < timeout + 0.25
    assert figures.fairness >= 0.95, figures
    assert figures.ledger_error < 0.01, figures
    # What was used of the slots between the first request that was refused and the end of the last one's time.
    since = min(one.span.start_time or 0 for one in refused) / 1e9
    until = max(one.span.start_time or 0 for one in refused) / 1e9 + timeout
    used = sum(
        max(0.0, min(until, (span.end_time or 0) / 1e9) - max(since, (span.start_time or 0) / 1e9)) for span in attempts
    )
    assert used / (SLOTS * (until - since)) > 0.9, "slots were free while requests were refused"
