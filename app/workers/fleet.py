"""The workers: as many as are wanted are kept running, told and asked together, and replaced one by one.

A process has an index of its own for as long as it lives; those that leave keep theirs, so there are twice as many as
there are workers. A worker that died is replaced at once, or after a while where they die again and again. One that
never came to serve ends the start, as what is wrong then will be wrong for the next one, too. One whose event loop
stands still for long is ended: its streams are lost anyway, and no probe would find it behind those that are well.
"""

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

import msgspec

from app.admin.acts import Act, Outcome, Refused
from app.workers.acts import ActsOfAll, refusal
from app.workers.handle import Worker, WorkerEnded, reason_of
from app.workers.messages import (
    PROTOCOL,
    ConsoleAt,
    Hello,
    NotDone,
    Ping,
    Ready,
    Replied,
    ToSupervisor,
    Wish,
    encode,
)
from app.workers.relay import Relay
from app.workers.restarts import Restarts
from telemetry.metrics.workers import WorkerMetrics

_log = logging.getLogger("flowspan")
_REFUSED = 2
"""The exit status of a worker that cannot serve what it was told to."""
_TRIES = 3
"""Workers that may die at the start before any has served."""
_HANG_LIMIT = 60.0
"""Seconds for which the event loop of a worker may stand still."""
_LOOKS = 6
"""How often it is looked at in that time."""
_START_LIMIT = 120.0
"""Seconds in which a worker has to come to serve."""
_ABORT_LIMIT = 2.0
"""Seconds in which a worker that hangs can say where, before it is killed."""
_LAST_WORDS = 5.0
"""Seconds for which what a process said before its end is read."""
SLOTS_PER_WORKER = 2
"""Indices there are for each worker, so that some are left while old ones end."""
_NOBODY = "no worker serves at the moment"


class StartFailed(Exception):
    """No worker, or none in the place of another, came to serve."""


class SharedByWorkers(Protocol):
    """Something in which each worker holds a part under its index."""

    def release_worker(self, index: int) -> None:
        """Give back what a worker held that has ended."""


class Fleet:
    """Performs acts on all workers. `launch` starts a worker with an index; `merged` makes one outcome of those of
    all. What a worker held of `shared` is given back when it has ended, before another gets its index."""

    def __init__(
        self,
        count: int,
        launch: Callable[[int], Worker],
        *,
        shared: Sequence[SharedByWorkers],
        metrics: WorkerMetrics,
        merged: Callable[[Act, Sequence[Outcome]], Outcome],
        hang_limit: float = _HANG_LIMIT,
    ) -> None:
        """`hang_limit` is for how many seconds the event loop of a worker may stand still."""
        self.count = count
        self._launch = launch
        self._shared = shared
        self._metrics = metrics
        self._hang_limit = hang_limit
        self._relay = Relay()
        self._announced = b""
        self._restarts = Restarts()
        self._workers: dict[int, Worker] = {}
        self._acts = ActsOfAll(self._workers, merged)
        self._tasks: set[asyncio.Task[None]] = set()
        self._first: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
        """What the first worker says that serves."""
        self._failures_at_start = 0
        self._changed = asyncio.Condition()
        self._rolling = asyncio.Lock()
        self._successor: Worker | None = None
        """A worker that is to take the place of one that still serves."""
        self._left = asyncio.Event()
        """Set when the workers are told to leave."""
        self._signal = signal.SIGTERM.value

    @property
    def serving(self) -> list[Worker]:
        """The workers that take requests."""
        return [worker for worker in self._workers.values() if worker.is_serving]

    @property
    def living(self) -> list[Worker]:
        """The workers that were told what to serve and have not ended, those that leave included."""
        return [worker for worker in self._workers.values() if worker.state != "starting"]

    async def start(self) -> Ready:
        """Start all workers and wait until the first serves, while the others follow. Returns what that says. Raises
        StartFailed where none can."""
        for _ in range(self.count):
            self._start()
        return await self._first

    async def perform(self, act: Act, actor: str) -> Outcome:
        """Have each worker that serves perform an act. Raises Refused, with what each of those said that did not, and
        NotPerformed where one has not done it in time."""
        # Those that leave have requests, too, but need not live to answer.
        workers = self.serving or self.living
        if not workers:
            raise Refused(_NOBODY)
        return await self._acts.perform(act, actor, workers)

    def restate(self) -> None:
        """Have all workers perform what is in force, once they serve another configuration: a name that was gone may be
        back."""
        for worker in self.serving:
            worker.share(self._acts.in_force())

    async def ask_one(self, wish: Callable[[int], Wish]) -> tuple[Worker, msgspec.Raw]:
        """One of the workers that serve, and what it answers to a wish. Raises Refused."""
        if not self.serving:
            raise Refused(_NOBODY)
        worker = self.serving[0]
        return worker, await worker.ask(wish)

    async def ask_all(self, wish: Callable[[int], Wish], but: Worker | None = None) -> list[msgspec.Raw]:
        """What all workers but one answer to a wish, those that start as soon as they serve. One that ends before is
        left out. Raises Refused, with what those said that do not fulfil it."""
        asked = [worker for worker in self._workers.values() if worker.is_wanted and worker is not but]
        answers = await asyncio.gather(*[_once_ready(worker, wish) for worker in asked], return_exceptions=True)
        faults: dict[str, list[int]] = {}
        found: list[msgspec.Raw] = []
        for worker, answer in zip(asked, answers, strict=True):
            match answer:
                case None | WorkerEnded():
                    # The one that takes its place begins with what all serve by then.
                    continue
                case Refused():
                    faults.setdefault(str(answer), []).append(worker.index)
                case BaseException():
                    raise answer
                case _:
                    found.append(answer)
        if faults:
            raise Refused(refusal(faults, len(asked) + (but is not None)))
        return found

    async def roll(self) -> int:
        """Replace the workers one by one, each by a new one that serves before the old one leaves. Returns how many
        were. Raises StartFailed where a new one does not come to serve: the rest stay as they are."""
        async with self._rolling:
            replaced = 0
            for old in self.serving:
                await self._replace(old)
                replaced += 1
            return replaced

    def announce(self, message: ConsoleAt) -> None:
        """Let all workers know, and those that start later."""
        self._announced = encode(message)
        for worker in self._workers.values():
            worker.share(self._announced)

    def leave(self, sig: int) -> None:
        """Have all workers leave as a gateway of one process does at a signal; none is replaced from now on."""
        self._signal = sig
        self._left.set()
        self._give_up_start()
        for worker in self._workers.values():
            worker.leave(sig)

    def retire(self) -> None:
        """Have all workers end when their connections have, as others serve in their place; none is replaced."""
        self._signal = signal.SIGTERM
        self._left.set()
        self._give_up_start()
        for worker in self._workers.values():
            worker.retire()

    async def ended(self, limit: float) -> None:
        """Wait until all workers have ended, once they were told to leave; those that have not in `limit` seconds are
        killed."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._until_gone(), limit)
        for worker in self._workers.values():
            _log.error("worker %d (pid %d) has not ended within %g s, and is killed", worker.index, worker.pid, limit)
            worker.kill()
        await self._until_gone()

    async def _until_gone(self) -> None:
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))

    async def _replace(self, old: Worker) -> None:
        while len(self._workers) >= self.count * SLOTS_PER_WORKER:
            await self._wait_for_change()
        new = self._successor = self._start()
        if await new.ready is None:
            raise StartFailed
        self._successor = None
        # The old one may have died meanwhile, and been replaced.
        if len([worker for worker in self._workers.values() if worker.is_wanted]) > self.count:
            (old if old.is_serving else new).retire()
        self._metrics.replaced()
        self._count_serving()

    def _start(self) -> Worker:
        index = next(index for index in range(self.count * SLOTS_PER_WORKER) if index not in self._workers)
        worker = self._workers[index] = self._launch(index)
        task = asyncio.get_running_loop().create_task(self._look_after(worker))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return worker

    async def _look_after(self, worker: Worker) -> None:
        """Take in what a worker says until it ends, and what its end means."""
        listening = asyncio.create_task(self._listen(worker))
        watching = asyncio.create_task(self._watch(worker))
        status = await worker.ended()
        watching.cancel()
        # What it said before it ended is still there to be read.
        with suppress(TimeoutError):
            await asyncio.wait_for(listening, _LAST_WORDS)
        for one in self._shared:
            one.release_worker(worker.index)
        del self._workers[worker.index]
        self._count_serving()
        async with self._changed:
            self._changed.notify_all()
        if self._left.is_set() or not worker.is_wanted:
            return
        reason = reason_of(status)
        self._metrics.died(status)
        _log.error("worker %d (pid %d) has died: %s", worker.index, worker.pid, reason)
        if self._first.done():
            await self._succeed(worker)
        else:
            self._try_again(status)

    async def _watch(self, worker: Worker) -> None:
        """End a worker that does not come to serve, or does nothing any more."""
        try:
            await asyncio.wait_for(asyncio.shield(worker.ready), _START_LIMIT)
            while True:
                await asyncio.sleep(self._hang_limit / _LOOKS)
                await asyncio.wait_for(worker.ask(Ping), self._hang_limit)
        except Refused:
            return
        except TimeoutError:
            _log.error("worker %d (pid %d) hangs, and is ended", worker.index, worker.pid)
        worker.kill(signal.SIGABRT)
        await asyncio.sleep(_ABORT_LIMIT)
        worker.kill()

    async def _listen(self, worker: Worker) -> None:
        try:
            async for message, data in worker.messages():
                self._take(worker, message, data)
        except msgspec.MsgspecError as error:
            _log.error("worker %d says what nobody understands, and is killed: %s", worker.index, error)
            worker.kill()

    def _take(self, worker: Worker, message: ToSupervisor, data: bytes) -> None:
        match message:
            case Hello(protocol, release):
                if protocol != PROTOCOL:
                    _log.error("the installed release %s needs a restart of the whole gateway", release)
                    worker.kill()
                    return
                announced = [self._announced] if self._announced else []
                worker.begin((self._acts.in_force(), *self._relay.messages(), *announced))
                if self._left.is_set():
                    worker.leave(self._signal)
            case Ready():
                worker.is_ready(message)
                self._count_serving()
                _log.info("worker %d (pid %d) serves", worker.index, worker.pid)
                if not self._first.done():
                    self._first.set_result(message)
            case Replied() | NotDone():
                worker.replied(message)
            case _:
                self._relay.note(message)
                for other in self._workers.values():
                    if other is not worker:
                        other.share(data)

    def _try_again(self, status: int) -> None:
        """Start a worker after one that died before any has served, unless that is no use."""
        self._failures_at_start += 1
        if status == _REFUSED or self._failures_at_start >= _TRIES:
            self._give_up_start()
        else:
            self._start()

    def _give_up_start(self) -> None:
        if not self._first.done():
            self._first.set_exception(StartFailed())

    async def _succeed(self, worker: Worker) -> None:
        """Start a worker in the place of one that died."""
        if worker is self._successor:
            # The one whose place it was to take still serves.
            return
        if delay := self._restarts.delay(worker.served):
            _log.warning("workers die again and again: the next one starts in %g s", delay)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._left.wait(), delay)
        if not self._left.is_set():
            self._start()

    def _count_serving(self) -> None:
        self._metrics.serving.set(len(self.serving))

    async def _wait_for_change(self) -> None:
        async with self._changed:
            await self._changed.wait()


async def _once_ready(worker: Worker, wish: Callable[[int], Wish]) -> msgspec.Raw | None:
    """What a worker answers when it serves; None where it ends before. Raises Refused."""
    await worker.ready
    return await worker.ask(wish) if worker.is_serving else None
