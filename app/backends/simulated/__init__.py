"""Models that need no network and no key; `scenario` has the grammar of their names and params."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from app.backends.simulated.backend import SimulatedBackend
from app.backends.simulated.scenario import Fault, Scenario, read_scenario
from app.settings import Deployment

__all__ = ["Fault", "Scenario", "SimulatedBackend", "make_simulated", "read_scenario", "scenario_of"]

PREFIX = "simulated/"


def scenario_of(deployment: Deployment) -> Scenario:
    return read_scenario(deployment.model.removeprefix(PREFIX), deployment.params)


def make_simulated(
    deployment: Deployment,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    rng: random.Random | None = None,
    now: Callable[[], float] = time.time,
) -> SimulatedBackend:
    return SimulatedBackend(deployment.model, scenario_of(deployment), sleep=sleep, rng=rng, now=now)
