"""A provider's stream, read as it comes: bytes of the connection in, batches of chunks out.

A stream ends well only with its API's terminal event; bytes that come after that are handed on uninterpreted, and not
waited for long. An error is raised after the chunks that came before it.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import NamedTuple

from app.backends.direct.bodies import BODY_LIMIT
from app.backends.direct.body_forms import UpstreamBody
from app.backends.direct.codec import StreamDecoder
from app.backends.direct.errors import connection_lost, unexpected_body
from app.backends.direct.odd_framing import DONE
from app.backends.direct.provider_connection import ProviderResponse
from app.backends.direct.stream_events import Events
from app.backends.error_bodies import Scrub
from app.bodies import Held
from app.dialects.joined import joined
from app.errors import BackendError
from app.http_client import HttpError
from app.messages import Batch, ModelResponse, Received

_AFTER_THE_END = 1.0
"""Seconds for what comes after the terminal event: mostly the end of HTTP's framing, which frees the connection."""


class Opened(NamedTuple):
    """An answer to a request for a stream; `whole` is the chunk of one that came whole, `limits` what its head says of
    rate limits, where clients get that."""

    answer: UpstreamBody
    whole: ModelResponse | None = None
    limits: dict[str, str] | None = None


async def read_stream(
    send: Callable[[], Awaitable[Opened]],
    decoder: StreamDecoder,
    scrub: Scrub,
    event_limit: int,
) -> AsyncGenerator[Batch, None]:
    """Read the stream whose first bytes `send` brings. Closing this generator closes the connection. `event_limit` is
    the most bytes of one event. The first chunk comes with the limits of the head."""
    (response, form, start), whole, limits = await send()
    events = Events(decoder, scrub, event_limit, form)
    try:
        if whole is not None:
            yield (Received(whole, None, limits),)
            return
        read, data = response.read_piece, start
        try:
            while data:
                if chunks := events.feed(data):
                    if limits:
                        chunks[0], limits = chunks[0].with_limits(limits), None
                    yield chunks
                if events.is_over:
                    events.check()
                data = b"" if decoder.ended else await read()
        except (HttpError, TimeoutError, OSError) as error:
            raise connection_lost(error, scrub, begun=True) from error
        async for rest in _ending(response, events, decoder):
            if limits:
                rest, limits = (rest[0].with_limits(limits), *rest[1:]), None
            yield rest
    except BackendError:
        response.give_up()
        raise
    finally:
        # Nothing is left of it after a whole answer; of any other, the connection ends here and at once.
        response.close()


async def _ending(response: ProviderResponse, events: Events, decoder: StreamDecoder) -> AsyncGenerator[Batch, None]:
    if decoder.ended:
        async for rest in _rest(response, events):
            yield rest
    if chunks := events.finish():
        yield chunks
    events.check()
    events.check_end()
    if not decoder.ended and events.is_mended:
        # What was put into OpenAI's form gets OpenAI's end, too; a stream that went on as it came has its own.
        yield [events.chunk(DONE)]


async def read_joined(
    answer: UpstreamBody, decoder: StreamDecoder, scrub: Scrub, event_limit: int, held: Held
) -> ModelResponse:
    """Read a stream that came in place of a whole answer, to its end. `held` counts its bytes. Raises `Overloaded`
    where there is no room for them."""
    events = Events(decoder, scrub, event_limit, answer.form)
    held.grow(len(answer.start))
    received = events.feed(answer.start)
    try:
        while not (decoder.ended or events.is_over) and (data := await answer.response.read_piece()):
            held.grow(len(data))
            received += events.feed(data)
            if held.size > BODY_LIMIT:
                raise unexpected_body(f"a stream of more than {BODY_LIMIT} bytes", b"", scrub)
    except (HttpError, TimeoutError, OSError) as error:
        raise connection_lost(error, scrub, begun=True) from error
    received += events.finish()
    events.check()
    events.check_end()
    return joined([one.chunk for one in received])


async def _rest(response: ProviderResponse, events: Events) -> AsyncGenerator[Batch, None]:
    clock = asyncio.get_running_loop().time
    until = clock() + _AFTER_THE_END
    while not response.content.at_eof() and (left := until - clock()) > 0:
        try:
            async with asyncio.timeout(left):
                data = await response.read_piece()
        except (HttpError, TimeoutError, OSError):
            return
        if chunks := events.feed(data):
            yield chunks
        if events.reader.too_large:
            return
