"""The bounded run: every client once, several at a time, then the evidence of what happened, from all sides."""

import asyncio
from collections.abc import Awaitable, Sequence

from app.demo.checks.evidence import Evidence, read_scrape
from app.demo.clients.calls import (
    APIS,
    Call,
    bad,
    contacts,
    down,
    flaky,
    fragile,
    leave,
    severed,
    slow,
    stuck,
    talk,
    think,
    unknown,
    use_tool,
)
from app.demo.clients.client import Clients, Observation
from app.demo.gateway.in_thread import DemoGateway
from app.demo.gateway.scenario import COOLDOWN, PUT_TIMEOUT, RUN_ONCE, TRIPS_AFTER, settings


async def run_incident() -> Evidence:
    async with DemoGateway(settings(RUN_ONCE)) as gateway, Clients(gateway.url) as clients:
        observations = await _all_at_once(clients)
        await gateway.idle_snapshot()
        scrape = read_scrape(await clients.get(gateway.metrics_url))
    return Evidence(tuple(observations), gateway.spans.spans(), scrape, tuple(gateway.log.faults))


async def _all_at_once(clients: Clients) -> list[Observation]:
    rows: list[Awaitable[list[Observation]]] = [
        *(_in_turn(clients, [call]) for call in _streams()),
        *(_in_turn(clients, [*map(make, APIS)]) for make in (bad, unknown)),
        _in_turn(clients, [call for api in APIS for call in _whole(api)]),
        _in_turn(clients, [down("openai_chat"), down("openai_chat"), *map(down, APIS)]),
        _failure_and_recovery(clients),
    ]
    return [observation for row in await asyncio.gather(*rows) for observation in row]


def _streams() -> list[Call]:
    kinds = (talk, think, use_tool, contacts, leave, fragile, severed)
    return [
        *(make(api) for make in kinds for api in APIS),
        slow("openai_chat"),
        slow("anthropic_messages", pause=0.04),
        slow("openai_responses", pause=0.04),
        stuck("openai_chat", seconds=PUT_TIMEOUT + 1.5),
    ]


def _whole(api: str) -> list[Call]:
    return [make(known, stream=False) for known in APIS if known == api for make in (talk, think, use_tool, contacts)]


async def _in_turn(clients: Clients, calls: Sequence[Call]) -> list[Observation]:
    return [await clients.send(call) for call in calls]


async def _failure_and_recovery(clients: Clients) -> list[Observation]:
    """Failures until the breaker opens, calls while it is open, a pause, and the probe that closes it."""
    turns = [flaky(APIS[turn % len(APIS)], stream=turn % 2 == 0) for turn in range(TRIPS_AFTER + 2)]
    observations = await _in_turn(clients, turns)
    await asyncio.sleep(COOLDOWN + 0.2)
    return observations + await _in_turn(clients, [flaky(api) for api in APIS])
