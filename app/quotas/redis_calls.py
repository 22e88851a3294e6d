"""Scripts that a Redis runs for all gateways that share it, many at a time, and never waited for long.

Calls that come while others are under way go together in the next batch, on one connection, so a burst of a thousand
requests needs neither a thousand connections nor a thousand turns.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

T = TypeVar("T")
_BATCH = 64
_LOOKS = 10
"""In so many parts the limit is waited for, each at least one turn of the event loop: in a burst a turn takes a tenth
of a second, and a reply that is there long since is read some turns later."""


class RedisUnreachable(Exception):
    """It did not do what it was asked in time; whether it will is not known. The text says why, without a password."""


class _Call(NamedTuple):
    script: str
    keys: Sequence[str]
    arguments: Sequence[str]
    reply: asyncio.Future[Any]


class RedisCalls:
    """`limit` is how many seconds a batch may take."""

    def __init__(self, address: str, limit: float) -> None:
        self._address = address
        self._limit = limit
        self._client = self._new_client()
        self._closing: set[asyncio.Task[None]] = set()
        self._hashes: dict[str, str] = {}
        self._waiting: list[_Call] = []
        self._sending: asyncio.Task[None] | None = None

    def call(self, script: str, keys: Sequence[str], arguments: Sequence[str]) -> asyncio.Future[Any]:
        """Have a script run, the name of a file beside this module. What it gives back has RedisUnreachable where it
        was not run in time; a caller that is cancelled has to find out by itself what became of it."""
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Call(script, keys, arguments, reply))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())
        return reply

    async def close(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait([self._sending])
        self._give_up(self._waiting, "the gateway ends")
        await asyncio.gather(*self._closing, _close(self._client))

    def _new_client(self) -> redis.Redis:
        # The limit is that of a batch, with all that it takes; this one only bounds how long closing takes.
        return redis.Redis.from_url(
            self._address,
            protocol=2,
            decode_responses=True,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=None,
            socket_connect_timeout=_LOOKS * self._limit,
        )

    async def _send(self) -> None:
        batch: list[_Call] = []
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
                replies = await self._in_time(self._execute(batch))
                for call, reply in zip(batch, replies, strict=True):
                    if not call.reply.done():
                        call.reply.set_result(reply)
        except (RedisError, OSError, TimeoutError) as error:
            failed, self._waiting = batch + self._waiting, []
            self._give_up(failed, _in_words(error))
            self._leave_connection()
        except asyncio.CancelledError:
            self._give_up(batch, "the gateway ends")
            raise
        finally:
            self._sending = None

    def _give_up(self, calls: Sequence[_Call], reason: str) -> None:
        for call in calls:
            if not call.reply.done():
                call.reply.set_exception(RedisUnreachable(reason))
                # Whoever wanted it may be gone.
                call.reply.exception()

    def _leave_connection(self) -> None:
        """Go on by another connection: on this one a reply may still come, and closing it may take a while."""
        closing = asyncio.create_task(_close(self._client))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        self._client = self._new_client()

    async def _execute(self, batch: Sequence[_Call]) -> list[Any]:
        for script in {call.script for call in batch} - self._hashes.keys():
            self._hashes[script] = await self._load(script)
        replies = await self._run(batch)
        unknown = [number for number, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if unknown:
            # The server was started anew, and has run none of these.
            for script in self._hashes:
                await self._load(script)
            for number, reply in zip(unknown, await self._run([batch[one] for one in unknown]), strict=True):
                replies[number] = reply
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies

    async def _load(self, script: str) -> str:
        return str(await self._client.script_load(_source(script)))

    async def _run(self, batch: Sequence[_Call]) -> list[Any]:
        pipeline = self._client.pipeline(transaction=False)
        for call in batch:
            pipeline.evalsha(self._hashes[call.script], len(call.keys), *call.keys, *call.arguments)
        return list(await pipeline.execute(raise_on_error=False))

    async def _in_time(self, work: Coroutine[Any, Any, T]) -> T:
        """Raises TimeoutError. Time in which this process does not get to read the reply is not the Redis's."""
        task = asyncio.get_running_loop().create_task(work)
        try:
            for _ in range(_LOOKS):
                await asyncio.wait([task], timeout=self._limit / _LOOKS)
                if task.done():
                    return task.result()
            raise TimeoutError
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait([task])


async def _close(client: redis.Redis) -> None:
    # A Redis that hangs does not take part in it, and the connection is closed all the same.
    with suppress(RedisError, OSError):
        await client.aclose()


def _source(script: str) -> str:
    return Path(__file__).with_name(script).read_text()


def _in_words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it does not reply in time"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error) or type(error).__name__
