"""Recordings of all workers in one store: each sends its own to the supervisor, whose thread alone writes.

A worker's recorder waits until a batch is written, as it waits for a store of its own. So what is lost is counted where
it always is, and a store that is slow fills the workers' backlogs, not the supervisor's memory.
"""

import logging
import queue
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import msgspec
from msgspec import Struct

from app.recorder.recording import Entry, Recording
from app.recorder.stores import ConversationEntry, Cursor, Filter, Store, StoreFailed, StoreFigures
from app.workers.channel import receive_blocking, send_blocking

_log = logging.getLogger("flowspan.recorder")
_IDLE = 1.0
"""Seconds without a recording after which the store does what it has put off."""
_TRIM = 60.0
"""Seconds after which old recordings are looked for, where nothing is written."""
_CLOSE = 5.0
"""Seconds that the end waits for the store."""


class Write(Struct, frozen=True, tag=True):
    """Recordings are to be written."""

    recordings: list[Recording]


class Pin(Struct, frozen=True, tag=True):
    """Recordings are to stay."""

    ids: list[str]
    reason: str


class GetFigures(Struct, frozen=True, tag=True):
    """How much there is in the store is asked for."""


class Done(Struct, frozen=True, tag=True):
    """It was done."""

    figures: StoreFigures | None = None


class Failed(Struct, frozen=True, tag=True):
    """It was not; the text is for an operator."""

    reason: str


_Wish = Write | Pin | GetFigures
_encode = msgspec.msgpack.Encoder().encode
_decode_wish = msgspec.msgpack.Decoder(_Wish).decode
_decode_reply = msgspec.msgpack.Decoder(Done | Failed).decode


class ForwardedRecordings:
    """The store of a worker's recorder: one thread calls it, and waits for the supervisor. It cannot be read here."""

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(True)
        self._connected = connected

    def write(self, recordings: Sequence[Recording]) -> None:
        self._ask(Write(list(recordings)))

    def pin(self, transaction_ids: Sequence[str], reason: str) -> None:
        self._ask(Pin(list(transaction_ids), reason))

    def figures(self) -> StoreFigures:
        figures = self._ask(GetFigures()).figures
        if figures is None:
            raise StoreFailed("the supervisor does not know how much there is")
        return figures

    def recording(self, transaction_id: str) -> Recording | None:
        raise StoreFailed(_ELSEWHERE)

    def entries(self, wanted: Filter, after: Cursor | None = None, limit: int = 100) -> list[Entry]:
        raise StoreFailed(_ELSEWHERE)

    def conversations(self, wanted: Filter, after: Cursor | None = None, limit: int = 100) -> list[ConversationEntry]:
        raise StoreFailed(_ELSEWHERE)

    def catch_up(self) -> bool:
        """Put nothing off: the supervisor sees to that."""
        return False

    def trim(self) -> None:
        """Leave it to the supervisor."""

    def close(self) -> None:
        self._connected.close()

    def _ask(self, wish: _Wish) -> Done:
        try:
            send_blocking(self._connected, _encode(wish))
            data = receive_blocking(self._connected)
        except OSError as error:
            raise StoreFailed(f"the supervisor takes no recordings: {error.strerror}") from None
        if data is None:
            raise StoreFailed("the supervisor is gone")
        reply: Done | Failed = _decode_reply(data)
        if isinstance(reply, Failed):
            raise StoreFailed(reply.reason)
        return reply


_ELSEWHERE = "recordings are read in the supervisor"


class _Job(NamedTuple):
    wish: _Wish
    asked_by: socket.socket


class RecordingIntake:
    """Writes the recordings of all workers to `store`, with a thread of its own; others may read it meanwhile."""

    def __init__(self, store: Store) -> None:
        self.store: Store = store
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._is_behind = True
        self._thread = threading.Thread(target=self._run, name="flowspan-recorder", daemon=True)
        self._thread.start()

    def take_from(self, connected: socket.socket) -> None:
        """Write what a worker sends by a socket from now on, until its end is closed."""
        threading.Thread(target=self._listen, args=(connected,), name="flowspan-recordings", daemon=True).start()

    def close(self) -> None:
        """Write what has come, and close the store. Called when all workers have ended."""
        self._jobs.put(None)
        self._thread.join(_CLOSE)
        if self._thread.is_alive():
            _log.warning("the recorder's store did not take what was waiting within %g s", _CLOSE)
        else:
            self.store.close()

    def _listen(self, connected: socket.socket) -> None:
        with connected, suppress(OSError):
            while (data := receive_blocking(connected)) is not None:
                self._jobs.put(_Job(_decode_wish(data), connected))
                # It says nothing more before it has its reply.

    def _run(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=_IDLE if self._is_behind else _TRIM)
            except queue.Empty:
                self._keep_house()
                continue
            if job is None:
                return
            with suppress(OSError):  # The worker is gone.
                send_blocking(job.asked_by, _encode(self._done(job.wish)))
            if isinstance(job.wish, Write):
                self._is_behind = True
                self._trim()

    def _done(self, wish: _Wish) -> Done | Failed:
        try:
            match wish:
                case Write(recordings):
                    self.store.write(recordings)
                case Pin(ids, reason):
                    self.store.pin(ids, reason)
                case GetFigures():
                    return Done(self.store.figures())
        except StoreFailed as error:
            return Failed(str(error))
        except Exception as error:
            return Failed(f"{type(error).__name__}: {error}")
        return Done()

    def _keep_house(self) -> None:
        """Have the store do what it has put off, as long as nothing comes, and let go of what is too old."""
        try:
            while self._is_behind and self._jobs.empty():
                self._is_behind = self.store.catch_up()
        except StoreFailed as error:
            self._is_behind = False
            _log.warning("The recorder cannot take words into the index: %s", error)
        self._trim()

    def _trim(self) -> None:
        try:
            self.store.trim()
        except StoreFailed as error:
            _log.warning("The recorder cannot let go of old recordings: %s", error)
