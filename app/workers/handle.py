"""One worker as the supervisor sees it: a process, the channel to it, and where it stands."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from time import monotonic
from typing import Literal

import msgspec

from app.admin.acts import Refused
from app.configuration import inherited as inherited_variables
from app.workers.channel import Broken, Channel
from app.workers.messages import (
    Begin,
    Leave,
    NotDone,
    Ready,
    Replied,
    Retire,
    ToSupervisor,
    ToWorker,
    Wish,
    decode_for_supervisor,
    encode,
)

_PROGRAM = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from app.workers.worker import main; main()"
"""A worker has the search path of the supervisor, so that policies are found where they are there. It is a program of
its own, not a fork, so that it runs what is installed when it starts."""
State = Literal["starting", "ready", "retiring", "leaving"]


class WorkerEnded(Refused):
    """A worker cannot do what it was asked for, as it has ended."""


class Worker:
    """A worker process. What it is to serve it is told when it has said who it is."""

    def __init__(self, begin: Begin, inherited: Sequence[int]) -> None:
        """Starts it. `inherited` are descriptors that it is to have under the same numbers. Raises OSError."""
        self.index = begin.worker.index
        self.state: State = "starting"
        self.ready: asyncio.Future[Ready | None] = asyncio.get_running_loop().create_future()
        """Its message that it serves; None where it ends before."""
        self._begin = begin
        self._has_begun = False
        self._ready_at: float | None = None
        self._wishes: dict[int, asyncio.Future[msgspec.Raw]] = {}
        self._last_wish = 0
        self._socket, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-P", "-c", _PROGRAM, json.dumps(sys.path), str(theirs.fileno())]
            # In a session of its own: Ctrl-C on the terminal is for the supervisor, which tells its workers.
            self._process = subprocess.Popen(
                [*command, f"flowspan worker {self.index}"],
                stdin=subprocess.DEVNULL,
                env=inherited_variables(),
                pass_fds=(theirs.fileno(), *inherited),
                start_new_session=True,
            )
        self._channel: Channel | None = None

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def served(self) -> float:
        """Seconds since it said that it serves; 0 if it has not."""
        return 0.0 if self._ready_at is None else monotonic() - self._ready_at

    @property
    def is_serving(self) -> bool:
        """Whether it takes requests, and will go on to."""
        return self.state == "ready"

    @property
    def is_wanted(self) -> bool:
        """Whether it serves or is about to, and was not asked to end."""
        return self.state in ("starting", "ready")

    async def messages(self) -> AsyncIterator[tuple[ToSupervisor, bytes]]:
        """What it says, each with its bytes, until its end of the channel is closed. Its first message is answered with
        what it is to serve by `begin`."""
        channel = self._channel = await Channel.of(self._socket)
        async for data in channel.messages():
            yield decode_for_supervisor(data), data
        channel.close()

    def begin(self, known: Sequence[bytes]) -> None:
        """Tell it what to serve, and what the others have let each other know."""
        self.send(encode(self._begin))
        self._has_begun = True
        for message in known:
            self.send(message)

    def share(self, news: bytes) -> None:
        """Give it news of another worker, if it can do something with them yet."""
        if self._has_begun:
            self.send(news)

    def is_ready(self, ready: Ready) -> None:
        """It has said that it serves."""
        if self.state == "starting":
            self.state = "ready"
            self._ready_at = monotonic()
        if not self.ready.done():
            self.ready.set_result(ready)

    def send(self, message: bytes) -> None:
        """Give it a message; one that has gone, or is stuck, gets none."""
        if self._channel is not None:
            try:
                self._channel.send(message)
            except Broken:
                return

    def retire(self) -> None:
        """Have it end when its connections have: another one takes new ones."""
        self._let_go("retiring", Retire())

    def leave(self, sig: int) -> None:
        """Have it leave as a gateway of one process does at a signal."""
        self._let_go("leaving", Leave(sig))

    def kill(self, sig: int = signal.SIGKILL) -> None:
        """End it without asking; by SIGABRT it says where it was."""
        self._process.send_signal(sig)

    async def ask(self, wish: Callable[[int], Wish]) -> msgspec.Raw:
        """What it answers to a wish, which is made with its number. Raises Refused, also where it ends before."""
        self._last_wish += 1
        number = self._last_wish
        done: asyncio.Future[msgspec.Raw] = asyncio.get_running_loop().create_future()
        self._wishes[number] = done
        try:
            self.send(encode(wish(number)))
            return await done
        finally:
            del self._wishes[number]

    def replied(self, message: Replied | NotDone) -> None:
        """It has answered a wish."""
        done = self._wishes.get(message.number)
        if done is None or done.done():
            return
        match message:
            case Replied():
                done.set_result(message.outcome)
            case NotDone():
                done.set_exception(Refused(message.reason))

    async def ended(self) -> int:
        """Wait until the process has ended. Its exit status, or the negative number of the signal that ended it."""
        loop = asyncio.get_running_loop()
        gone = asyncio.Event()
        descriptor = os.pidfd_open(self.pid)
        try:
            loop.add_reader(descriptor, gone.set)
            await gone.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
        return self._forget(self._process.wait())

    def _forget(self, status: int) -> int:
        if not self.ready.done():
            self.ready.set_result(None)
        for done in self._wishes.values():
            if not done.done():
                done.set_exception(WorkerEnded(f"worker {self.index} has ended"))
        return status

    def _let_go(self, state: State, message: ToWorker) -> None:
        if not self._has_begun:
            # It has not been told what to serve yet.
            self._process.terminate()
        self.state = state
        self.send(encode(message))


def reason_of(status: int) -> str:
    """How a process ended, for people: `SIGKILL`, `exit status 2`."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
