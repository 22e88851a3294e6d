"""The cells of a process in files that another process reads, so that nothing it counted is lost when it is killed.

There are two files. One holds the cells themselves, as doubles, and is mapped in segments, which are added as they are
needed; its room is taken from the system first, so that no write can fail. The other one is a directory: lines of JSON
that are only ever appended, the first of which says whose they are. Each further one declares a metric, before the
first of its series; says where a series has its cells; or where a histogram has slots for its exemplars. A reader takes
whole lines only, so that it never sees a half-written one. A cell is eight bytes at a multiple of eight, which a
processor reads and writes at once.
"""

import errno
import logging
import mmap
import os
import struct
from collections.abc import ItemsView, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from time import time

import msgspec
from msgspec import Struct

from telemetry.metrics.cells import (
    Cells,
    LabelValues,
    LatestExemplar,
    MappedNumbers,
    MemoryCells,
    bucket_count,
    size_of,
)
from telemetry.names.metrics import MetricSpec

_log = logging.getLogger("telemetry.metrics")
_CELL = 8
_SEGMENT = 256 * 1024
"""Bytes of the file that are mapped at a time, a multiple of every page's size."""
_CELLS_IN_SEGMENT = _SEGMENT // _CELL
_SLOT = struct.Struct("=dd32sd")
"""An exemplar: its time, its value, its trace id, and its time again, which is another one where it is half-written."""
_SLOT_SIZE = _SLOT.size
_CELLS_IN_SLOT = _SLOT_SIZE // _CELL
_write_slot = _SLOT.pack_into
_TRACE_ID = "trace_id"


@dataclass(frozen=True)
class CellFiles:
    """The two files of one process: `folder/metrics-NAME.cells` and `folder/metrics-NAME.jsonl`."""

    folder: Path
    name: str

    @property
    def cells(self) -> Path:
        return self.folder / f"metrics-{self.name}.cells"

    @property
    def directory(self) -> Path:
        return self.folder / f"metrics-{self.name}.jsonl"

    def remove(self) -> None:
        """Remove what there is of them."""
        self.directory.unlink(missing_ok=True)
        self.cells.unlink(missing_ok=True)

    @classmethod
    def all_in(cls, folder: Path) -> Iterator["CellFiles"]:
        """The files of all processes in a folder."""
        for path in folder.glob("metrics-*.jsonl"):
            yield cls(folder, path.stem.removeprefix("metrics-"))


class Process(Struct, frozen=True, tag=True):
    """Whose files they are."""

    pid: int


class Declared(Struct, frozen=True, tag=True):
    """A metric that has series here."""

    spec: MetricSpec


class Series(Struct, frozen=True, tag=True):
    """A series: its first cell, and when it was made, in Unix time."""

    metric: str
    labels: LabelValues
    first: int
    created: float


class ExemplarSlots(Struct, frozen=True, tag=True):
    """The slots for the exemplars of the series that begins at `series`: the first cell of the first bucket's."""

    series: int
    first: int


Entry = Process | Declared | Series | ExemplarSlots
_decoder = msgspec.json.Decoder(Entry)
_encoder = msgspec.json.Encoder()


class FileCells:
    """Makes cells in new files, for the life of the process. Where there is no room for more, which is logged, those
    that are made are seen by this process alone. Raises OSError where the files cannot be made."""

    def __init__(self, files: CellFiles) -> None:
        self._files = files
        self._lock = Lock()
        self._declared: set[str] = set()
        self._slots: dict[int, memoryview] = {}
        """By the first cell of the series."""
        self._segments: list[MappedNumbers] = []
        self._used = 0
        """Cells that were given out."""
        self._is_full = False
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        # A reader looks for the directory, and then there are cells.
        self._file = os.open(files.cells, flags, 0o600)
        self._grow()
        self._directory = os.open(files.directory, flags | os.O_APPEND, 0o600)
        self._append(Process(os.getpid()))

    def cells(self, spec: MetricSpec, labels: LabelValues) -> Cells:
        size, created = size_of(spec), time()
        with self._lock:
            try:
                if spec.name not in self._declared:
                    self._append(Declared(spec))
                    self._declared.add(spec.name)
                first = self._take(size)
                self._append(Series(spec.name, labels, first, created))
            except OSError as error:
                self._note_full(error)
                return MemoryCells().cells(spec, labels)
        return Cells(self._at(first, size), _SlottedExemplars(self, first, bucket_count(spec)), created)

    def slots(self, series: int, buckets: int) -> memoryview:
        """Room for the exemplars of the series that begins at this cell."""
        count = buckets * _CELLS_IN_SLOT
        with self._lock:
            if series not in self._slots:
                self._slots[series] = self._new_slots(series, count)
            return self._slots[series]

    def _new_slots(self, series: int, count: int) -> memoryview:
        try:
            first = self._take(count)
            self._append(ExemplarSlots(series, first))
        except OSError as error:
            self._note_full(error)
            return memoryview(bytearray(count * _CELL))
        return self._at(first, count).cast("B")

    def _take(self, count: int) -> int:
        """The first of some cells in a row, which lie in one segment. Raises OSError."""
        first = self._used
        if first % _CELLS_IN_SEGMENT + count > _CELLS_IN_SEGMENT:
            first += _CELLS_IN_SEGMENT - first % _CELLS_IN_SEGMENT
        if first + count > len(self._segments) * _CELLS_IN_SEGMENT:
            self._grow()
        self._used = first + count
        return first

    def _grow(self) -> None:
        """Add a segment. Raises OSError where there is no room."""
        segment = len(self._segments)
        # A page that the system has no room for when it is written to would kill the process.
        os.posix_fallocate(self._file, segment * _SEGMENT, _SEGMENT)
        self._segments.append(_mapped(self._file, segment, mmap.ACCESS_WRITE))

    def _at(self, first: int, count: int) -> MappedNumbers:
        segment, begin = divmod(first, _CELLS_IN_SEGMENT)
        return self._segments[segment][begin : begin + count]

    def _append(self, entry: Entry) -> None:
        """Raises OSError where the line is not there whole, and then nothing of it is."""
        line = _encoder.encode(entry) + b"\n"
        size = os.fstat(self._directory).st_size
        try:
            if os.write(self._directory, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            os.ftruncate(self._directory, size)
            raise

    def _note_full(self, error: OSError) -> None:
        if not self._is_full:
            self._is_full = True
            text = "there is no room for further series in %s: what they count is in no sum over all processes: %s"
            _log.error(text, self._files.folder, error)


class _SlottedExemplars:
    """The exemplars of one histogram in slots, which are made for the first of them. Of an exemplar's labels the trace
    id is kept."""

    __slots__ = ("_buckets", "_series", "_slots", "_store")

    def __init__(self, store: FileCells, series: int, buckets: int) -> None:
        self._store = store
        self._series = series
        self._buckets = buckets
        self._slots: memoryview | None = None

    def __setitem__(self, bucket: int, latest: LatestExemplar) -> None:
        slots = self._slots
        if slots is None:
            slots = self._slots = self._store.slots(self._series, self._buckets)
        labels, value, at = latest
        # One call, and so one step for the other threads.
        _write_slot(slots, bucket * _SLOT_SIZE, at, value, labels.get(_TRACE_ID, "").encode(), at)

    def items(self) -> ItemsView[int, LatestExemplar]:
        found: dict[int, LatestExemplar] = {} if self._slots is None else read_exemplars(self._slots)
        return found.items()


def read_exemplars(slots: memoryview) -> dict[int, LatestExemplar]:
    """The exemplars of one histogram, by the positions of their buckets."""
    found: dict[int, LatestExemplar] = {}
    for bucket, (at, value, trace_id, again) in enumerate(_SLOT.iter_unpack(bytes(slots))):
        if at and at == again:
            found[bucket] = {_TRACE_ID: trace_id.rstrip(b"\0").decode("ascii", "replace")}, value, at
    return found


class CellReader:
    """Reads the files of another process, which may go on counting or have ended. It keeps none of them open."""

    def __init__(self, files: CellFiles) -> None:
        self._files = files
        self._read = 0
        """Bytes of the directory that were read: whole lines."""
        self._segments: dict[int, MappedNumbers] = {}

    def new_entries(self) -> Iterator[Entry]:
        """What was appended to the directory since the last call. A line that cannot be read, as one of another release
        may be, is left out, which is logged. Raises FileNotFoundError."""
        with self._files.directory.open("rb") as directory:
            directory.seek(self._read)
            whole, newline, _ = directory.read().rpartition(b"\n")
        self._read += len(whole) + len(newline)
        for line in whole.splitlines():
            try:
                yield _decoder.decode(line)
            except msgspec.MsgspecError as error:
                _log.error("metrics of a worker of another release cannot be read: %s", error)

    def numbers(self, first: int, size: int) -> MappedNumbers:
        """The cells of a series. Raises OSError where the file is gone."""
        segment, begin = divmod(first, _CELLS_IN_SEGMENT)
        if segment not in self._segments:
            with self._files.cells.open("rb") as cells:
                self._segments[segment] = _mapped(cells.fileno(), segment, mmap.ACCESS_READ)
        return self._segments[segment][begin : begin + size]

    def slots(self, first: int, buckets: int) -> memoryview:
        """The slots of a histogram's exemplars."""
        return self.numbers(first, buckets * _CELLS_IN_SLOT).cast("B")


def _mapped(file: int, segment: int, access: int) -> MappedNumbers:
    return memoryview(mmap.mmap(file, _SEGMENT, access=access, offset=segment * _SEGMENT)).cast("d")
