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
from collections.abc import Coroutine
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import Any

from app.backends.attempts import GuardedAttempt
from app.dialects.dialect import DIALECTS
from app.errors import UpstreamTimeout, UpstreamTruncated
from app.limits import Limit
from app.messages import Batch, Choice, Received, is_substantial
from app.opened_stream import OpenedStream
from app.stages import Source, Taker


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


def opened(guard: GuardedAttempt, stream: Source[Received], waits: Waits) -> Coroutine[Any, Any, OpenedStream]:
    """Wait for the beginning of a deployment's stream, which must not be empty; the pipeline watches over what follows.
    The attempt ends with the stream."""
    return _GuardedStream(guard, stream, waits).opened()


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


class _GuardedStream:
    """The stream of an attempt, which ends with it."""

    def __init__(self, guard: GuardedAttempt, stream: Source[Received], waits: Waits) -> None:
        self._guard = guard
        self._received = guard.received
        self._stream = stream
        self._waits = waits
        self._beginning = _Beginning(guard, stream, waits)
        self._has_ended = False

    async def opened(self) -> OpenedStream:
        """The stream once it has begun."""
        waits, beginning = self._waits, self._beginning
        first = waits.first_chunk if waits.first_token is None else min(waits.first_chunk, waits.first_token)
        try:
            with self._guard.limited(first):
                has_begun = await self._stream.pass_to(beginning)
            if not has_begun:
                raise UpstreamTruncated("The provider's stream was empty.")
            if waits.hold > 0 and not any(map(has_value, beginning.held)):
                await beginning.hold()
            return OpenedStream(beginning.taken(), self)
        except BaseException as error:
            await self._fail(error)
            raise

    async def pass_to(self, taker: Taker[Received]) -> bool:
        self._taker = taker
        try:
            if self._beginning.is_unfinished and (batch := await self._beginning.rest()) and not taker.take(batch):
                return True
            if await self._stream.pass_to(self):
                return True
        except BaseException as error:
            await self._fail(error)
            raise
        finally:
            del self._taker
        self._end()
        return False

    def take(self, batch: Batch) -> bool:
        self._received(*batch)
        return self._taker.take(batch)

    async def aclose(self) -> None:
        await self._fail(GeneratorExit())

    async def _fail(self, error: BaseException) -> None:
        # The attempt ends with the reading, however long it may take to close the stream.
        try:
            self._end(error)
        finally:
            await self._beginning.stop()
            await self._stream.aclose()

    def _end(self, error: BaseException | None = None) -> None:
        if not self._has_ended:
            self._has_ended = True
            self._guard.end(error)


class _Beginning:
    """Reads the beginning of one stream."""

    def __init__(self, guard: GuardedAttempt, stream: Source[Received], waits: Waits) -> None:
        self._guard = guard
        self._stream = stream
        self._waits = waits
        self._begun = monotonic()
        self.held: list[Received] = []
        """The chunks up to the first that holds something of the answer; without one if it takes too long."""
        self._limit: Limit | None = None
        """On the silence before each chunk, while they are held."""
        self._reading: asyncio.Task[None] | None = None
        self.is_unfinished = False
        """Whether `rest` has more, as the beginning was handed on before there was anything of the answer in it."""

    async def rest(self) -> Batch:
        """What the reading that `hold` did not cut off has brought."""
        if self._reading is not None:
            await self._reading
        self.is_unfinished = False
        return self.taken()

    async def stop(self) -> None:
        """Stop reading. What it may have failed with is nobody's news any more."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    def take(self, batch: Batch) -> bool:
        """Hold what has come. Only what holds nothing of the answer is followed by more."""
        self._guard.received(*batch)
        self.held += batch
        if self._limit is None or self.is_unfinished or any(map(has_value, batch)):
            return False
        self._limit.restart(self._seconds_left())
        return True

    async def hold(self) -> None:
        """Wait for something of the answer, as long as its beginning may be held."""
        self._reading = asyncio.get_running_loop().create_task(self._read_on())
        hold = self._waits.hold if self._waits.first_token is None else None
        await asyncio.wait({self._reading}, timeout=hold)
        if self._reading.done():
            self._reading.result()
            self._guard.attempt.first_token()
        else:
            self.is_unfinished = True
            if self._limit is not None:
                self._limit.pause()

    async def _read_on(self) -> None:
        """Read until something of the answer is there, or one batch more once the beginning has been handed on."""
        limit = self._limit = Limit(self._seconds_left())
        try:
            with limit:
                has_more = await self._stream.pass_to(self)
        except TimeoutError as error:
            if not limit.expired:
                raise
            raise self._timeout() from error
        if not (has_more or self.is_unfinished):
            raise UpstreamTruncated("The provider's stream ended before it held anything of an answer.")

    def taken(self) -> Batch:
        """What is held, which is held no longer."""
        held, self.held = self.held, []
        return held

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
