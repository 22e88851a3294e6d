"""Clients that come and go for as long as the demo runs: most behave, some are slow, some leave, some are mistaken."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

from app.demo.clients.calls import (
    APIS,
    Api,
    Call,
    bad,
    contacts,
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
from app.demo.clients.client import Clients
from app.demo.gateway.scenario import PUT_TIMEOUT

_Make = Callable[[Api], Call]


@dataclass(frozen=True)
class Visitor:
    """Makes one of `calls` after another, with about `pause` seconds in between; `first` seconds pass before."""

    calls: tuple[_Make, ...]
    pause: float
    first: float = 0.0


_WHOLE: tuple[_Make, ...] = (lambda api: talk(api, stream=False), lambda api: use_tool(api, stream=False))
_SLOW: tuple[_Make, ...] = (slow,)
VISITORS = (
    *(Visitor((talk, think, use_tool, contacts), pause=0.4, first=0.3 * turn) for turn in range(5)),
    Visitor(_WHOLE, pause=0.3),
    Visitor(_SLOW, pause=1.0),
    Visitor(_SLOW, pause=2.0, first=4.0),
    Visitor((flaky,), pause=0.25),
    Visitor((fragile,), pause=4.0, first=3.0),
    Visitor((leave,), pause=4.0, first=2.0),
    Visitor((bad, unknown), pause=5.0, first=5.0),
    Visitor((severed,), pause=9.0, first=8.0),
    Visitor((lambda api: stuck(api, PUT_TIMEOUT + 2),), pause=20.0, first=6.0),
)


async def keep_visiting(clients: Clients, rng: random.Random) -> None:
    """Run every visitor until cancelled."""
    async with asyncio.TaskGroup() as visits:
        for visitor in VISITORS:
            visits.create_task(_visit(clients, visitor, rng))


async def _visit(clients: Clients, visitor: Visitor, rng: random.Random) -> None:
    await asyncio.sleep(visitor.first)
    while True:
        await clients.send(rng.choice(visitor.calls)(rng.choice(APIS)))
        await asyncio.sleep(visitor.pause * rng.uniform(0.5, 1.5))
