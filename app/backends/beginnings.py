"""The beginning of a provider's stream: what says nothing of an answer yet is held, as a client that has seen nothing
of a failure can be given another deployment's stream.

Theory of operation. A stream begins with chunks that hold nothing of the answer: a role, an id, pings, blocks that are
empty still. They are kept, in their order, until one comes that holds something; then all of them go on at once. Until
that moment the attempt is judged as one of which nothing came: an error, an end and a silence fail it, and whoever
asked may ask somebody else. Three things end the wait for the first piece of the answer (the first token):

    hold ended          what is held goes on to the client, and the rest as it comes: no client waits longer for a sign
    first_token         the attempt has failed; it takes the place of `hold`, which might let it pass
    next_chunk          the provider fell silent: the attempt has failed

A wait that is cut off closes the stream that is waited for. As `hold` ends a wait and must not cut it off, the reading
is then a task's of its own: one for a stream whose first chunks hold nothing, and none for any other. Once `hold` has
ended it reads what it waits for, and no more. The pipeline, which reads on, has its own limits on silence.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from math import inf
from time import monotonic

from app.backends.attempts import GuardedAttempt
from app.dialects.dialect import DIALECTS
from app.errors import UpstreamTimeout, UpstreamTruncated
from app.limits import Limit
from app.messages import Batch, Choice, Received, is_substantial
from app.opened_stream import OpenedStream


@dataclass(frozen=True)
class Waits:
    """How long a stream may take to begin, in seconds."""

    first_chunk: float
    """The wait for its first chunks, whatever they hold."""
    next_chunk: float = inf
    """The wait for each of those that follow, as long as they are held."""
    first_token: float | None = None
    """The time from the beginning of the attempt to the first piece of the answer; where nothing is held, to the first
    chunks. None for no limit of its own."""
    hold: float = 0.0
    """For how long chunks that hold nothing of the answer are held; 0 for not at all."""


async def opened(guard: GuardedAttempt, stream: AsyncGenerator[Batch, None], waits: Waits) -> OpenedStream:
    """Wait for the beginning of a deployment's stream, which must not be empty; the pipeline watches over what follows.
    The attempt ends with the stream."""
    batches = _guarded(guard, stream, waits)
    return OpenedStream(await anext(batches), batches)


def has_value(received: Received) -> bool:
    """Whether a chunk holds something of an answer that a client could miss. What is not known counts as something."""
    chunk = received.chunk
    if is_substantial(chunk) or any(map(_holds_more, chunk.choices)):
        return True
    native = received.native
    return native is not None and not DIALECTS[native.dialect].is_preamble(native)


def _holds_more(choice: Choice) -> bool:
    if choice.logprobs and any(choice.logprobs.values()):
        return True
    message = choice.delta or choice.message
    return message is not None and bool(message.annotations or any(message.extra.values()))


async def _guarded(
    guard: GuardedAttempt, stream: AsyncGenerator[Batch, None], waits: Waits
) -> AsyncGenerator[Batch, None]:
    # The attempt ends with the reading, however long it may take to close the stream.
    async with aclosing(_Beginning(guard, stream, waits)) as beginning:
        with guard:
            yield await beginning.read()
            if beginning.is_unfinished and (batch := await beginning.rest()):
                yield batch
            async for batch in stream:
                guard.received(*batch)
                yield batch


class _Beginning:
    """Reads the beginning of one stream. Closing it closes the stream."""

    def __init__(self, guard: GuardedAttempt, stream: AsyncGenerator[Batch, None], waits: Waits) -> None:
        self._guard = guard
        self._stream = stream
        self._waits = waits
        self._begun = monotonic()
        self._held: list[Received] = []
        self._limit = Limit(0)
        self._reading: asyncio.Task[None] | None = None
        self.is_unfinished = False
        """Whether `rest` has more, as the beginning was handed on before there was anything of the answer in it."""

    async def read(self) -> Batch:
        """The chunks up to the first that holds something of the answer; without one if it takes too long."""
        waits = self._waits
        first = waits.first_chunk if waits.first_token is None else min(waits.first_chunk, waits.first_token)
        with self._guard.limited(first):
            batch = await anext(self._stream, None)
        if batch is None:
            raise UpstreamTruncated("The provider's stream was empty.")
        self._guard.received(*batch)
        is_held = waits.hold > 0 and not any(map(has_value, batch))
        return await self._hold(batch) if is_held else batch

    async def rest(self) -> Batch:
        """What the reading that `hold` did not cut off has brought."""
        if self._reading is not None:
            await self._reading
        return self._held

    async def aclose(self) -> None:
        """Stop reading, and close the stream."""
        if self._reading is not None and not self._reading.done():
            self._reading.cancel()
            await asyncio.wait({self._reading})
        await self._stream.aclose()

    async def _hold(self, batch: Batch) -> Batch:
        self._held += batch
        self._reading = asyncio.get_running_loop().create_task(self._read_on())
        hold = self._waits.hold if self._waits.first_token is None else None
        await asyncio.wait({self._reading}, timeout=hold)
        if self._reading.done():
            self._reading.result()
            self._guard.attempt.first_token()
        else:
            self.is_unfinished = True
            self._limit.pause()
        held, self._held = self._held, []
        return held

    async def _read_on(self) -> None:
        """Read until something of the answer is there, or one batch more once the beginning has been handed on."""
        limit = self._limit = Limit(self._seconds_left())
        try:
            with limit:
                async for batch in self._stream:
                    self._guard.received(*batch)
                    self._held += batch
                    if self.is_unfinished or any(map(has_value, batch)):
                        return
                    limit.restart(self._seconds_left())
        except TimeoutError as error:
            if not limit.expired:
                raise
            raise self._timeout() from error
        if not self.is_unfinished:
            raise UpstreamTruncated("The provider's stream ended before it held anything of an answer.")

    def _seconds_left(self) -> float:
        """Seconds for the next chunk; 0 stands for no limit."""
        first_token = self._waits.first_token
        left = inf if first_token is None else max(0.001, self._begun + first_token - monotonic())
        seconds = min(self._waits.next_chunk or inf, left)
        return 0.0 if seconds == inf else seconds

    def _timeout(self) -> UpstreamTimeout:
        first_token = self._waits.first_token
        if first_token is not None and monotonic() >= self._begun + first_token:
            message = f"The provider sent nothing of its answer within {round(first_token, 3):g} seconds."
            return UpstreamTimeout(message, detail="no first token")
        return UpstreamTimeout("The provider fell silent before its answer.", detail="upstream idle")
