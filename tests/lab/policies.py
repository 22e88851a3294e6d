"""A policy that misbehaves where a request asks for it, in the one hook that it was made for.

A text that holds `policy: raises` (or `blocks`, `dawdles`, `hangs`) is the wish.
"""

import asyncio
import json
import re
import time
from dataclasses import asdict
from typing import ClassVar

from app.errors import PolicyBlocked
from app.messages import Request
from app.policies import Hook, Policy, PolicyContext, StreamContext
from tests.behaviour.policies import InHook
from tests.lab.holdings import held

_WISH = re.compile(r"policy: (raises|blocks|dawdles|hangs)")
DAWDLES = 0.03
"""Seconds, at each of the first five calls."""


class Errant(InHook):
    async def act(self, ctx: PolicyContext | StreamContext) -> None:
        context = ctx if isinstance(ctx, PolicyContext) else ctx.policy
        match _wish(context.request):
            case "raises":
                raise ValueError("a policy of the laboratory raises")
            case "blocks":
                raise PolicyBlocked("The laboratory allows no such thing.")
            case "dawdles":
                times = context.scratchpad.get("dawdled", 0)
                if isinstance(times, int) and times < 5:
                    context.scratchpad["dawdled"] = times + 1
                    await asyncio.sleep(DAWDLES)
            case "hangs":
                await asyncio.Event().wait()


class Census(Policy):
    """How many tasks there were on the gateway's loop at the last request. One that asks for it (`policy: counts`) is
    refused with all that the process holds, as JSON."""

    tasks: ClassVar[int] = 0

    async def on_request(self, request: Request, ctx: PolicyContext) -> Request:
        Census.tasks = len(asyncio.all_tasks())
        if _is_there(request, "policy: counts"):
            raise PolicyBlocked(json.dumps(asdict(held(Census.tasks))))
        return request


class Sleeps(InHook):
    """Keeps each call for `seconds`, where a request asks for it (`policy: sleeps`)."""

    slept: ClassVar[list[float]] = []

    def __init__(self, *, hook: Hook, seconds: float) -> None:
        super().__init__(hook=hook)
        self._seconds = seconds

    @classmethod
    def taken(cls) -> float:
        """What it really took since it was last asked, in seconds."""
        taken = sum(cls.slept)
        cls.slept.clear()
        return taken

    async def act(self, ctx: PolicyContext | StreamContext) -> None:
        context = ctx if isinstance(ctx, PolicyContext) else ctx.policy
        if _is_there(context.request, "policy: sleeps"):
            since = time.monotonic()
            await asyncio.sleep(self._seconds)
            self.slept.append(time.monotonic() - since)


def _wish(request: Request) -> str:
    found = _WISH.search(" ".join(_texts(request)))
    return found[1] if found else ""


def _is_there(request: Request, wish: str) -> bool:
    return any(wish in text for text in _texts(request))


def _texts(request: Request) -> list[str]:
    texts: list[str] = []

    def note(text: str) -> str:
        texts.append(text)
        return text

    request.map_text(note)
    return texts
