"""Closing an upstream, whatever cancels the one who closes it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

from app.messages import Batch

_TIMEOUT = 1.0
"""Seconds to wait for it; an upstream that will not close is left to itself then."""

_closing: set[asyncio.Task[None]] = set()


async def close_stream(stream: AsyncGenerator[Batch, None]) -> None:
    task = asyncio.create_task(_aclose(stream))
    _closing.add(task)
    task.add_done_callback(_closing.discard)
    await asyncio.wait({task}, timeout=_TIMEOUT)


async def _aclose(stream: AsyncGenerator[Batch, None]) -> None:
    with suppress(Exception):
        await stream.aclose()
