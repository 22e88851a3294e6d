"""What a process holds at one moment, to be compared with an earlier one."""

import asyncio
import gc
import os
import re
import threading
from dataclasses import dataclass

import uvloop

from app.pipeline import ByteBudget

_Timer: type[asyncio.TimerHandle] = vars(uvloop.loop)["TimerHandle"]
_OF_A_POOL = re.compile(r"_\d+$")
"""How a ThreadPoolExecutor names its threads: they stay, and their pool bounds them."""

_TIMERS = 4
"""Timers of the process that come and go: for limits, pools of connections, breakers."""


@dataclass(frozen=True)
class Held:
    tasks: int
    timers: int
    descriptors: int
    threads: int
    bytes: int

    def beyond(self, before: "Held") -> dict[str, int]:
        """What is more than before."""
        pairs = ((name, getattr(self, name) - getattr(before, name)) for name in self.__dataclass_fields__)
        return {name: more for name, more in pairs if more > (_TIMERS if name == "timers" else 0)}


def held(tasks: int) -> Held:
    """By this process. How many tasks there are only the thread of the gateway's loop can tell."""
    gc.collect()
    things = gc.get_objects()
    return Held(
        tasks,
        sum(isinstance(one, _Timer) and not one.cancelled() for one in things),
        len(os.listdir("/proc/self/fd")),
        sum(not _OF_A_POOL.search(thread.name) for thread in threading.enumerate()),
        sum(one.used for one in things if isinstance(one, ByteBudget)),
    )
