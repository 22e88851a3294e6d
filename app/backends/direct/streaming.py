"""A provider's answer, read as it comes, to batches of chunks. What is wrong with it is raised after the chunks before.

What a provider still says after its last word is handed on, and not waited for long.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

import aiohttp

from app.backends.direct.errors import Scrub, lost
from app.backends.direct.events import Decoder, Events
from app.backends.direct.http import Answer
from app.errors import BackendError
from app.messages import Batch

_AFTER_THE_END = 1.0
"""Seconds for what comes after the last word: mostly the end of HTTP's framing, which frees the connection."""


async def read_stream(
    ask: Callable[[], Awaitable[Answer]], decoder: Decoder, scrub: Scrub, event_limit: int
) -> AsyncGenerator[Batch, None]:
    """`ask` brings the answer's head; whoever ends this generator ends the connection. `event_limit` is in bytes."""
    events = Events(decoder, scrub, event_limit)
    response = await ask()
    try:
        read = response.content.readany
        try:
            while not decoder.ended and (data := await read()):
                if chunks := events.feed(data):
                    yield chunks
                if events.is_over:
                    events.check()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise lost(error, scrub, begun=True) from error
        if decoder.ended:
            async for rest in _rest(response, events):
                yield rest
        if chunks := events.finish():
            yield chunks
        events.check()
        events.check_end()
    except BackendError:
        response.give_up()
        raise
    finally:
        # Nothing is left of it after a whole answer; of any other, the connection ends here and at once.
        response.close()


async def _rest(response: aiohttp.ClientResponse, events: Events) -> AsyncGenerator[Batch, None]:
    clock = asyncio.get_running_loop().time
    until = clock() + _AFTER_THE_END
    while not response.content.at_eof() and (left := until - clock()) > 0:
        try:
            async with asyncio.timeout(left):
                data = await response.content.readany()
        except (aiohttp.ClientError, TimeoutError, OSError):
            return
        if chunks := events.feed(data):
            yield chunks
        if events.reader.too_large:
            return
