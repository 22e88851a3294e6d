"""Mixed traffic with faults through `flowspan serve` for many minutes: `python -m tests.lab.soak --minutes 30`.

In rounds: a random mix, attacks and a probe at once; then all is quiet for a moment, the books of the round are
compared, and what the process holds is noted. At the end memory, tasks, timers, descriptors, threads and the latency of
the probe must be flat over the second half, and no book may be wrong. Exit code 1 otherwise; `--picture` draws it.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import linear_regression, median, quantiles
from typing import Any

import click

from tests.behaviour.clients import CHAT
from tests.behaviour.gateway import configuration, until
from tests.lab.account import Books, Visit, complaints, verdict
from tests.lab.attacks import ATTACKS, ask
from tests.lab.clients import ORDINARY, request, visit
from tests.lab.collected import Collected
from tests.lab.faults import Latency, Slicer
from tests.lab.holdings import Held
from tests.lab.loop import LoopThread
from tests.lab.mix import Plan, mix
from tests.lab.process import ServedGateway
from tests.lab.proxy import FaultProxy
from tests.lab.storm import LabProvider, storm

_GATEWAY = """
  policies: ['tests.lab.policies:Census', noop, redact,
             {use: 'tests.lab.policies:Errant', config: {hook: on_content_delta}}]
  pipeline: {queue_bytes: 64KiB, put_timeout: 400ms, upstream_idle_timeout: 400ms, policy_timeout: 300ms,
             event_limit: 100KiB}
  breakers: {upstream: {cooldown: 1s}, queue: {cooldown: 1s}}
  server: {body_limit: 1MiB, header_timeout: 20s}"""
_ROUTER = "litellm_settings: {request_timeout: 1, num_retries: 1, fallbacks: [{far-oai: [oai]}, {far-ant: [ant]}]}"
_REQUESTS, _ATTACKS = 250, 20
"""In one round."""
_BY_ATTACK = 60
"""Requests in one attack, at most."""
_MB = 1 << 20


@dataclass(frozen=True)
class Sample:
    """At the end of a round, when nothing is under way. Times in seconds, memory in bytes."""

    at: float
    requests: int
    resident: int
    held: Held
    p50: float
    p99: float
    cpu: float


@dataclass(frozen=True)
class Bound:
    """How much a line through the samples of the second half may rise from its beginning to its end: by a share of the
    median, or absolutely, whichever is more."""

    name: str
    value: Callable[[Sample], float]
    share: float
    absolute: float

    def complaint(self, samples: Sequence[Sample]) -> str | None:
        times, values = [sample.at for sample in samples], [self.value(sample) for sample in samples]
        rise = linear_regression(times, values).slope * (times[-1] - times[0])
        allowed = max(self.share * median(values), self.absolute)
        return f"{self.name} rises by {rise:.3g}, {allowed:.3g} allowed" if rise > allowed else None


_BOUNDS = (
    Bound("resident memory, MB", lambda sample: sample.resident / _MB, 0.05, 8),
    Bound("tasks", lambda sample: sample.held.tasks, 0, 2),
    Bound("timers", lambda sample: sample.held.timers, 0, 3),
    Bound("descriptors", lambda sample: sample.held.descriptors, 0, 5),
    Bound("threads", lambda sample: sample.held.threads, 0, 1),
    Bound("p50 of the probe, s", lambda sample: sample.p50, 0.5, 0.1),
)


class Soak:
    def __init__(self, gateway: ServedGateway, provider: LabProvider, collected: Collected, seed: int) -> None:
        self.samples: list[Sample] = []
        self.complaints: list[str] = []
        self.requests = 0
        self._gateway = gateway
        self._provider = provider
        self._collected = collected
        self._rng = random.Random(seed)
        self._began = time.monotonic()
        self._sheet = gateway.wait_until_idle()
        gateway.new_lines()

    @property
    def minutes(self) -> float:
        return (time.monotonic() - self._began) / 60

    def round(self, loop: LoopThread) -> None:
        number = len(self.samples)
        plans = mix(self._rng.randrange(1 << 30), _REQUESTS, first=1000 + number * _REQUESTS)
        visits, latencies = loop.run(self._traffic(plans), timeout=300)
        loop.run(self._provider.drop_all())
        counted = loop.run(self._count())
        visits.append(counted)
        self._compare(number, visits)
        self._note(counted, latencies)

    async def _traffic(self, plans: Sequence[Plan]) -> tuple[list[Visit], list[float]]:
        storming = asyncio.create_task(storm(self._gateway.port, self._provider, plans))
        attacking = asyncio.create_task(self._attack())
        probes, latencies = await self._probe(storming)
        await attacking
        return [*await storming, *probes], latencies

    async def _attack(self) -> None:
        names = [self._rng.choice(list(ATTACKS)) for _ in range(_ATTACKS)]
        for name in names:
            await ask(self._gateway.port, ATTACKS[name](self._rng))

    async def _probe(self, storming: "asyncio.Task[list[Visit]]") -> tuple[list[Visit], list[float]]:
        """A small stream every tenth of a second, until the storm is over."""
        plan = Plan(0, CHAT, "echo", stream=True)
        visits: list[Visit] = []
        latencies: list[float] = []
        while not storming.done() or len(visits) < 2:
            since = time.monotonic()
            visits.append(Visit(plan, await visit(self._gateway.port, plan.data)))
            latencies.append(time.monotonic() - since)
            await asyncio.sleep(0.1)
        return visits, latencies

    async def _count(self) -> Visit:
        plan = Plan(0, CHAT, "echo", wish="counts")
        return Visit(plan, await visit(self._gateway.port, request(CHAT, plan.body), ORDINARY))

    def _compare(self, number: int, visits: list[Visit]) -> None:
        before, self._sheet = self._sheet, self._gateway.wait_until_idle()
        sheet = self._sheet.since(before)
        ended = int(sheet.sum("flowspan_requests_total"))
        self.requests += ended
        with suppress(AssertionError):
            # Those that are missing then are complained of one by one.
            until(lambda: self._collected.transactions >= ended, "all transactions at the collector", 30)
        lines = self._gateway.new_lines()
        access = [line for line in lines if line.get("logger") == "flowspan.access"]
        found = complaints(Books(self._collected.take(), access, sheet), visits, _ATTACKS * _BY_ATTACK)
        found += [f"the log has {line}" for line in lines if _is_unwanted(line)]
        found += [f"the probe saw {one.seen}" for one in visits if _is_probe(one) and verdict(one.seen) != "finished"]
        for complaint in found:
            click.echo(f"round {number}: {complaint}", err=True)
        self.complaints += found

    def _note(self, counted: Visit, latencies: list[float]) -> None:
        message = json.loads(counted.seen.body)["error"]["message"]
        used = self._gateway.used()
        cuts = quantiles(latencies, n=100, method="inclusive")
        held = Held(**json.loads(message))
        at = time.monotonic() - self._began
        self.samples.append(Sample(at, self.requests, used.resident, held, cuts[49], cuts[98], used.cpu))

    def rising(self) -> list[str]:
        """What was not flat over the second half."""
        half = self.samples[len(self.samples) // 2 :]
        found = [bound.complaint(half) for bound in _BOUNDS]
        return [one for one in found if one]


def _is_unwanted(line: Mapping[str, Any]) -> bool:
    """Whether a line tells of what nobody wished for: an error, but for those of the policy that fails where it is
    asked to; or something that is no line of the log."""
    return "text" in line or (line.get("level") == "error" and line.get("error_type") != "policy_failed")


def _is_probe(visit: Visit) -> bool:
    return visit.plan.number == 0 and not visit.plan.wish


@click.command()
@click.option("--minutes", type=float, default=30, show_default=True)
@click.option("--seed", type=int, default=None, help="Of the mix; a random one by default, which is printed.")
@click.option("--picture", type=click.Path(path_type=Path), help="Where to draw what was seen, as PNG.")
@click.option("--samples", "file", type=click.Path(path_type=Path), help="Where to write every sample, as JSON.")
def main(minutes: float, seed: int | None, picture: Path | None, file: Path | None) -> None:
    seed = seed if seed is not None else random.randrange(1 << 30)
    click.echo(f"seed {seed}, {minutes:g} minutes")
    with LoopThread() as loop, Collected() as collected:
        provider = loop.enter(LabProvider(seed))
        # The collector is far away and slow, and loses nothing.
        far = loop.enter(FaultProxy(collected.port, up=[Slicer(4096)], down=[Latency(0.02)]))
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": far.url,
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            "OTEL_BSP_MAX_QUEUE_SIZE": "50000",
        }
        with ServedGateway(configuration(provider.models(), _GATEWAY, _ROUTER), environment) as gateway:
            soak = Soak(gateway, provider, collected, seed)
            while soak.minutes < minutes and len(soak.complaints) < 100:
                soak.round(loop)
                click.echo(_row(soak.samples[-1], soak.complaints))
    _finish(soak, picture, file)


def _finish(soak: Soak, picture: Path | None, file: Path | None) -> None:
    if file is not None:
        file.write_text(json.dumps([asdict(sample) for sample in soak.samples]))
    if picture is not None:
        from tests.lab.picture import draw

        draw(soak.samples, picture)
    wrong = [*soak.complaints[:50], *soak.rising()]
    click.echo(
        "\n".join(wrong) or f"{soak.requests} requests in {soak.minutes:.1f} minutes: all accounted for, all flat"
    )
    sys.exit(1 if wrong else 0)


def _row(sample: Sample, complaints: list[str]) -> str:
    return (
        f"{sample.at:6.0f} s {sample.requests:7d} requests  {sample.resident / _MB:6.1f} MB  {sample.held}  "
        f"p50 {sample.p50 * 1000:.0f} ms p99 {sample.p99 * 1000:.0f} ms  {len(complaints)} complaints"
    )


if __name__ == "__main__":
    main()
