"""Takes transactions as they end, and has a thread write them to the store: nobody on the event loop waits for it.

What waits is bounded in bytes. Whatever is not kept although it should be is counted with its reason.
"""

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from app.recorder.flight import FlightRecorder, Remembered
from app.recorder.load import Load
from app.recorder.opening import open_store
from app.recorder.recording import Recording
from app.recorder.selection import Selectable, Selection
from app.recorder.stores import Store, StoreFailed
from app.recorder.stores.sql import with_pin
from app.settings import RecorderSettings
from telemetry import RecorderReading
from telemetry.names import RecordingLoss

_log = logging.getLogger("flowspan.recorder")
_BATCH = 256
_BATCH_BYTES = 8 * 1024**2
"""Transactions, and about how many bytes of them, that are written at once."""
_PAUSE = 0.1
"""Seconds between two batches, in which others gather for the next; as long as a whole one waits there is no pause."""
_QUIET_PART = 4
"""The share of the backlog, as one over this, up to which recordings wait for a moment in which the gateway is not
busy: whatever is done for them meanwhile would be taken from requests."""
_LOOKS = 100
"""Pauses for which they wait for such a moment at most: ten seconds."""
_IDLE = 1.0
"""Seconds without a transaction's end after which the store does what it has put off."""
_TRIM = 60.0
"""Seconds after which old recordings are looked for, where nothing is written."""
_FIGURES = 10.0
"""Seconds between two looks at how large the store is."""
_COMPLAINT = 60.0
"""Seconds between two lines that say that recordings are lost."""
_CLOSE = 5.0
"""Seconds that the end waits for what is not written yet."""


class Taken(Selectable, Remembered, Protocol):
    """What was taken of a transaction that has ended. It is made into a recording by the thread that writes."""

    @property
    def pinned(self) -> str | None:
        """Why it and those before it are to stay, where `Recorder.pins` said that they are."""

    def recording(self) -> Recording: ...


class _Job(NamedTuple):
    """A transaction to be written, or recordings to be pinned."""

    taken: Taken | None
    pinned: str | None = None
    ids: Sequence[str] = ()


class Recorder:
    """Made by `open_recorder`. `store` may be read from any thread."""

    def __init__(
        self, store: Store, settings: RecorderSettings, *, pause: float = _PAUSE, load: Load | None = None
    ) -> None:
        self.store: Store = store
        self.losses: Counter[RecordingLoss] = Counter()
        self.written = 0
        """Recordings so far; it grows with each batch."""
        self._selection = Selection(settings)
        self._flights = FlightRecorder[Taken](settings.flight, settings.backlog // 4)
        self._limit = settings.backlog
        self._pause = pause
        self._load = load or Load()
        self._is_behind = True
        """Whether the store may have put something off."""
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._waiting: deque[_Job] = deque()
        self._waiting_bytes = 0
        self._being_written = 0
        self._closing = False
        self._store_bytes = 0
        self._figures_due = float("-inf")
        self._stop = threading.Event()
        self._complained = float("-inf")
        self._thread = threading.Thread(target=self._run, name="flowspan-recorder", daemon=True)
        self._thread.start()

    def select(self, settings: RecorderSettings) -> None:
        """Choose by these settings what is kept of transactions that end from now on."""
        self._selection = Selection(settings)

    @property
    def waiting_bytes(self) -> int:
        """Bytes that wait for the store."""
        return self._waiting_bytes

    def pins(self, cause: str) -> bool:
        """Whether a transaction that ends now, in a way that is worth it, is to be pinned with those before it."""
        return self._flights.permits(cause, time.monotonic())

    def offer(self, taken: Taken) -> None:
        """Have a transaction written that has ended, if it is one of those to be kept. Never waits."""
        pinned = taken.pinned
        is_kept = pinned is not None or self._selection.wants(taken)
        if pinned is not None:
            self._pin_flight(taken, pinned)
        if is_kept:
            self._enqueue(_Job(taken, pinned), taken.size)
        self._flights.passed(taken, is_kept=is_kept)

    def _pin_flight(self, taken: Taken, pinned: str) -> None:
        why = f"before {taken.transaction_id}: {pinned}"
        flight = self._flights.flight(taken)
        for before in flight.unwritten:
            self._enqueue(_Job(before, why), before.size)
        if flight.written:
            self._enqueue(_Job(None, why, flight.written), 0)

    def _enqueue(self, job: _Job, size: int) -> None:
        is_full = False
        with self._lock:
            if self._closing:
                self.losses["shutdown"] += _transactions([job])
            elif self._waiting_bytes + size > self._limit:
                self.losses["backlog"] += 1
                is_full = True
            else:
                self._waiting.append(job)
                self._waiting_bytes += size
                # The thread sleeps only while nothing waits.
                if len(self._waiting) == 1:
                    self._changed.notify_all()
        if is_full:
            self._complain("Recordings are lost: %s", "more bytes would wait for the store than `backlog` allows")

    def wait_for_more(self, seen: int, timeout: float) -> int:
        """Wait, in a thread that is not the event loop's, until more than `seen` recordings were written, at most
        `timeout` seconds. How many were written is `seen` for the next call."""
        with self._changed:
            self._changed.wait_for(lambda: self.written > seen or self._closing, timeout)
            return self.written

    def close(self, timeout: float = _CLOSE) -> None:
        """Write what waits, for at most `timeout` seconds; what is left then is lost, and counted."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._stop.set()
        self._thread.join(timeout)
        with self._changed:
            if unwritten := _transactions(self._waiting) + self._being_written:
                self.losses["shutdown"] += unwritten
            self._waiting.clear()
            self._waiting_bytes = 0
        if self._thread.is_alive():
            _log.warning("the recorder's store did not take what was waiting within %g s", timeout)
        else:
            self.store.close()

    def _run(self) -> None:
        while batch := self._next_batch():
            self._write(batch)
            if len(self._waiting) < _BATCH and self._waiting_bytes < _BATCH_BYTES:
                self._stop.wait(self._pause)

    def _next_batch(self) -> list[_Job]:
        """What is to be written next; waits for it. Empty at the end."""
        while True:
            with self._changed:
                self._changed.wait_for(self._has_work, _IDLE if self._is_behind else _TRIM)
            if self._waiting:
                self._wait_for_quiet()
            with self._changed:
                batch = self._taken_from_waiting()
                self._being_written = _transactions(batch)
                if batch or self._closing:
                    return batch
            self._catch_up()
            self._trim()

    def _has_work(self) -> bool:
        return bool(self._waiting) or self._closing

    def _wait_for_quiet(self) -> None:
        """Wait as long as the gateway is busy and little waits for the store, within bounds."""
        looks = 0
        while (
            looks < _LOOKS
            and not self._closing
            and self._waiting_bytes < self._limit // _QUIET_PART
            and self._load.is_high()
        ):
            looks += 1
            self._stop.wait(self._pause)

    def _catch_up(self) -> None:
        """Have the store do what it has put off, as long as nothing else is to be done."""
        try:
            while self._is_behind and not self._has_work() and not self._load.is_high():
                self._is_behind = self.store.catch_up()
        except StoreFailed as error:
            self._is_behind = False
            self._complain("The recorder cannot take words into the index: %s", str(error))

    def _taken_from_waiting(self) -> list[_Job]:
        batch: list[_Job] = []
        size = 0
        while self._waiting and len(batch) < _BATCH and size < _BATCH_BYTES:
            job = self._waiting.popleft()
            batch.append(job)
            size += 0 if job.taken is None else job.taken.size
        return batch

    def _write(self, batch: Sequence[_Job]) -> None:
        recordings = [recording for job in batch if (recording := self._recording(job)) is not None]
        written = self._stored(recordings)
        self._is_behind = True
        for job in batch:
            if job.pinned is not None and job.ids:
                self._pin(job.ids, job.pinned)
        with self._changed:
            self.written += written
            self._being_written = 0
            self._waiting_bytes -= sum([job.taken.size for job in batch if job.taken is not None])
            self._changed.notify_all()
        self._trim()

    def _stored(self, recordings: Sequence[Recording]) -> int:
        """Write them together, and one by one where one of them cannot be written. How many the store has taken."""
        if not recordings:
            return 0
        try:
            self.store.write(recordings)
            return len(recordings)
        except StoreFailed as error:
            self._lost("store", len(recordings), str(error))
        except Exception as error:
            if len(recordings) > 1:
                return sum([self._stored([each]) for each in recordings])
            self._lost("defect", 1, f"{type(error).__name__}: {error}")
        return 0

    def _pin(self, ids: Sequence[str], reason: str) -> None:
        try:
            self.store.pin(ids, reason)
        except StoreFailed as error:
            self._complain("The recorder cannot pin what led to a failure: %s", str(error))

    def _recording(self, job: _Job) -> Recording | None:
        if job.taken is None:
            return None
        try:
            recording = job.taken.recording()
        except Exception as error:
            self._lost("defect", 1, f"{type(error).__name__}: {error}")
            return None
        return with_pin(recording, job.pinned or recording.entry.pinned)

    def reading(self) -> RecorderReading:
        """What was done so far, and what is held now, for the metrics."""
        with self._changed:
            lost = dict(self.losses)
        return RecorderReading(self.written, lost, self._waiting_bytes, self._limit, self._store_bytes)

    def _trim(self) -> None:
        try:
            self.store.trim()
            if time.monotonic() >= self._figures_due:
                self._figures_due = time.monotonic() + _FIGURES
                self._store_bytes = self.store.figures().bytes
        except StoreFailed as error:
            self._complain("The recorder cannot let go of old recordings: %s", str(error))

    def _lost(self, reason: RecordingLoss, count: int, why: str) -> None:
        with self._changed:
            self.losses[reason] += count
        self._complain("Recordings are lost: %s", why)

    def _complain(self, message: str, why: str) -> None:
        """One line a minute, however many recordings are concerned."""
        now = time.monotonic()
        if now - self._complained >= _COMPLAINT:
            self._complained = now
            _log.warning(message, why)


def _transactions(jobs: Iterable[_Job]) -> int:
    """How many of these are transactions to be written."""
    return sum([job.taken is not None for job in jobs])


def open_recorder(settings: RecorderSettings, store: Store | None = None) -> Recorder | None:
    """The recorder of these settings, None where nothing is recorded; with a given `store` in place of the one that
    they name. Raises StoreFailed if its store cannot open."""
    return None if settings.store == "off" else Recorder(store or open_store(settings), settings)
