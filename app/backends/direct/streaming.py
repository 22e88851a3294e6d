"""A provider's stream as a source: bytes of the connection in, batches of chunks out.

A stream ends well only with its API's terminal event; bytes that come after that are handed on uninterpreted, and not
waited for long. An error is raised after the chunks that came before it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
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
from app.messages import ModelResponse, Received
from app.stages import Taker

_AFTER_THE_END = 1.0
"""Seconds for what comes after the terminal event: mostly the end of HTTP's framing, which frees the connection."""


class Opened(NamedTuple):
    """An answer to a request for a stream; `whole` is the chunk of one that came whole, `limits` what its head says of
    rate limits, where clients get that."""

    answer: UpstreamBody
    whole: ModelResponse | None = None
    limits: dict[str, str] | None = None


class ProviderStream:
    """The source of one stream's chunks. The first `pass_to` sends the request; closing it closes the connection.
    `event_limit` is the most bytes of one event. The first chunk comes with the limits of the head.

    What the connection brings is decoded in its turn. The reader's task looks where the taker wants no more, where an
    event is wrong, and at the end."""

    def __init__(
        self, send: Callable[[], Awaitable[Opened]], decoder: StreamDecoder, scrub: Scrub, event_limit: int
    ) -> None:
        self._send = send
        self._decoder = decoder
        self._scrub = scrub
        self._event_limit = event_limit
        self._response: ProviderResponse | None = None
        self._limits: dict[str, str] | None = None
        self._is_whole = False
        self._reads_on = True
        """Neither the last event, nor a wrong one, nor the end of the body has come."""
        self._is_behind = False
        self._until = 0.0
        """The event loop's time until which what follows the last event is waited for."""

    async def pass_to(self, taker: Taker[Received]) -> bool:
        self._taker = taker
        try:
            response = self._response or await self._begin()
            while self._reads_on and not self._is_behind:
                try:
                    self._reads_on = await response.pass_to(self) and self._reads_on
                except (HttpError, TimeoutError, OSError) as error:
                    raise connection_lost(error, self._scrub, begun=True) from error
            if self._is_behind or await self._end(response):
                self._is_behind = False
                return True
        except BaseException as error:
            if isinstance(error, BackendError) and self._response is not None:
                self._response.give_up()
            await self.aclose()
            raise
        finally:
            del self._taker
        await self.aclose()
        return False

    def take(self, pieces: Sequence[bytes]) -> bool:
        """Hand on the chunks of what has come of the body."""
        events = self._events
        chunks = events.feed(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if chunks:
            self._is_behind = not self._hands_on(chunks) if self._limits else not self._taker.take(chunks)
        self._reads_on = not (self._decoder.ended or events.is_over)
        return self._reads_on and not self._is_behind

    async def aclose(self) -> None:
        # Nothing is left of it after a whole answer; of any other, the connection ends here and at once.
        if self._response is not None:
            self._response.close()

    async def _begin(self) -> ProviderResponse:
        """Send the request, and hand on what was read of the answer's beginning."""
        (response, form, start), whole, self._limits = await self._send()
        self._response = response
        self._events = Events(self._decoder, self._scrub, self._event_limit, form)
        if whole is not None:
            self._is_whole, self._reads_on = True, False
            self._is_behind = not self._hands_on([Received(whole)])
        elif start:
            self.take((start,))
        return response

    async def _end(self, response: ProviderResponse) -> bool:
        """Hand on what comes at the end. Whether the taker wants no more for now; whatever has been handed on then is
        not handed on again."""
        if self._is_whole:
            return False
        events, decoder = self._events, self._decoder
        if not self._until:
            events.check()
            self._until = asyncio.get_running_loop().time() + _AFTER_THE_END
        while decoder.ended and not events.reader.too_large and (data := await self._rest(response)):
            if (chunks := events.feed(data)) and not self._hands_on(chunks):
                return True
        if (chunks := events.finish()) and not self._hands_on(chunks):
            return True
        events.check()
        events.check_end()
        # What was put into OpenAI's form gets OpenAI's end, too; a stream that went on as it came has its own.
        return not decoder.ended and events.is_mended and not self._hands_on([events.chunk(DONE)])

    async def _rest(self, response: ProviderResponse) -> bytes:
        """What has come behind the last event; nothing where nothing more comes in time."""
        left = self._until - asyncio.get_running_loop().time()
        if response.content.at_eof() or left <= 0:
            return b""
        try:
            async with asyncio.timeout(left):
                return await response.read_piece()
        except (HttpError, TimeoutError, OSError):
            return b""

    def _hands_on(self, chunks: list[Received]) -> bool:
        if self._limits:
            chunks[0], self._limits = chunks[0].with_limits(self._limits), None
        return self._taker.take(chunks)


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
