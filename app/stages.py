"""Sources and stages: what comes is worked on in the turn in which it comes, and no task is woken for it.

Theory of operation. A stage that only works and never waits needs no task of its own for each piece. While its reader's
task has nothing to do, it lends the stage to the source, and whoever brings something (the event loop with the bytes of
a connection, or the stage before with a put) runs `take` in its own turn. That saves the switch from task to task and
the way down to where the task waits and up again, 10 to 30 us a chunk. `pass_to` is the whole of it, for a queue, for a
body that a connection receives, and for all that stands between them:

    working     the reader's task runs between two calls of `pass_to`: what comes waits in the source
    idle        the reader's task waits in `pass_to`, and its stage is lent: what comes goes through it at once
    behind      `take` gave False: the stage has been taken back and gets nothing more. In the reader's task `pass_to`
                returns True; it waits (`flush`) and passes on anew. What comes meanwhile waits in the source, which
                holds up its writer when it has enough
    broken      `take` raised: the stage has been taken back, and `pass_to` raises the error in the reader's task
    ended       `pass_to` returns False, or raises what the source failed with, after all that came before

So an error that is met in a writer's turn never reaches that writer: it has its own work, and others to serve. A source
that changes what another one passes on is a taker of that one and runs the stage that it was given in its own `take`.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from functools import wraps
from typing import Generic, ParamSpec, Protocol, TypeVar

T = TypeVar("T")
Given = TypeVar("Given", contravariant=True)
Passed = TypeVar("Passed", covariant=True)
P = ParamSpec("P")


class Taker(Protocol[Given]):
    """What a source hands its items to."""

    def take(self, items: Sequence[Given], /) -> bool:
        """Work on the items, without waiting, and keep no reference to the sequence. False if it is to get no more in
        this turn."""


class Stage(Taker[Given], Protocol[Given]):
    """A taker that gets everything up to the end."""

    async def flush(self) -> None:
        """Wait until what `take` left has gone on. Returns at once where nothing is left."""


class Source(Protocol[Passed]):
    """What comes, piece by piece, for one reader. A source that has ended, or failed, is closed."""

    async def pass_to(self, taker: Taker[Passed]) -> bool:
        """Hand on what is there, and what comes, until the taker's `take` gives False; then True. False once everything
        has come. Raises what the taker raised, and what the source failed with, after all that came before."""

    async def aclose(self) -> None:
        """Have nothing more come. Nobody waits in `pass_to` meanwhile."""


class Borrower(Generic[T]):
    """The end of a source to which the reader lends its stage while its task waits."""

    __slots__ = ("_fault", "_idle", "_reader")

    def __init__(self) -> None:
        self._idle: Taker[T] | None = None
        """The stage of a reader that waits; taken away when the stage fell behind or failed (`_fault`)."""
        self._fault: Exception | None = None
        self._reader: asyncio.Future[None] | None = None

    def _give_back(self, fault: Exception | None = None) -> None:
        """The stage fell behind in the writer's turn, or raised: what there is to do is for the reader's own task. Each
        writer runs `take` in place, as a method for that would be one more call for each chunk."""
        self._idle, self._fault = None, fault
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def _wait(self, taker: Taker[T] | None = None) -> bool:
        """Wait until there is something for the reader's own task to do, with its stage lent if it has one. Returns
        whether that fell behind, and raises what it raised."""
        assert self._reader is None, "a source has one reader"
        self._idle = taker
        self._reader = asyncio.get_running_loop().create_future()
        try:
            await self._reader
        except BaseException:
            self._idle = None
            raise
        finally:
            self._reader = None
        return self._take_back()

    def _take_back(self) -> bool:
        """End the lending of the stage. Returns whether it fell behind meanwhile, and raises what it raised."""
        fell_behind, self._idle = self._idle is None, None
        if self._fault is not None:
            raise self._fault
        return fell_behind


class Generated(Generic[T]):
    """What an async generator yields, as a source. The reader's task runs it: nobody else could."""

    __slots__ = ("_generator",)

    def __init__(self, generator: AsyncGenerator[Sequence[T], None]) -> None:
        self._generator = generator

    async def pass_to(self, taker: Taker[T]) -> bool:
        async for items in self._generator:
            if not taker.take(items):
                return True
        return False

    async def aclose(self) -> None:
        await self._generator.aclose()


def generated(make: Callable[P, AsyncGenerator[Sequence[T], None]]) -> Callable[P, Generated[T]]:
    """A function that returns as a source what the decorated one yields."""

    @wraps(make)
    def source(*args: P.args, **kwargs: P.kwargs) -> Generated[T]:
        return Generated(make(*args, **kwargs))

    return source


async def pass_on(read: Callable[[], Awaitable[bytes]], taker: Taker[bytes]) -> bool:
    """`pass_to` for what is read piece by piece, up to an empty one."""
    while piece := await read():
        if not taker.take((piece,)):
            return True
    return False


async def pieces_of(source: Source[T]) -> AsyncGenerator[Sequence[T], None]:
    """What a source passes on, for a reader that waits for each piece of it."""
    piece: _Piece[T] = _Piece()
    while await source.pass_to(piece):
        yield piece.items


class _Piece(Generic[T]):
    def __init__(self) -> None:
        self.items: Sequence[T] = ()

    def take(self, items: Sequence[T]) -> bool:
        self.items = list(items)
        return False
