"""What is used, in a file of SQLite's.

One process writes it; it holds a lock on `FILE.lock`, which ends with it. A file that is empty is a new one, so that an
operator who wants nothing to begin without the file can make it with `touch`. What cannot be read is set aside under
another name, never overwritten.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from app.quotas.periods import Jump
from app.quotas.times import ClockState
from app.quotas.values import StateLost

_APPLICATION = 0x464C5351
"""Marks the file as this program's: `FLSQ`."""
_VERSION = 1
_KEPT_FOR = 62 * 86_400
"""Seconds that are longer than any budget's time, after which a row that did not change says nothing."""
_BUSY = 0.5
"""Seconds to wait for a lock of SQLite's; what could not be written is tried again a second later."""
_SCHEMA = (
    "CREATE TABLE rows (name TEXT PRIMARY KEY, changed REAL NOT NULL, numbers BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE clock (id INTEGER PRIMARY KEY, state BLOB NOT NULL)",
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {_VERSION}",
)
_PUT_ROW = "INSERT INTO rows VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET changed = ?2, numbers = ?3"
_PUT_CLOCK = "INSERT INTO clock VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET state = ?1"


class StateDamaged(Exception):
    """The file is not there, or cannot be read; the text says what is the matter."""


class StateNotKept(Exception):
    """The file could not be written; the text says why."""


class SavedClock(Struct, frozen=True):
    """The times when all was written, by which the next process goes on."""

    boot: str
    """Tells apart the times that the machine was started."""
    even: float
    wall: float
    steady: float
    calendar: float
    state: ClockState

    def resumed(self, boot: str, even: float, wall: float) -> tuple[ClockState, float]:
        """How the calendar goes on, and by how much the steady time is ahead of the even clock. As long as the machine
        has not been started anew its even clock tells how much time has passed; else the wall clock has to be believed,
        but not that time went back."""
        if boot and boot == self.boot and even >= self.even:
            return self.state, self.steady + even - self.even - even
        jump, elapsed = self.state.jump, max(wall - self.wall, 0.0)
        if wall < self.calendar:
            jump = Jump(jump.number + 1, self.calendar, wall)
        return ClockState(wall - even, jump=jump), self.steady + elapsed - even


class SavedState(Struct, frozen=True):
    """What was read: the numbers of each row, as they are in memory."""

    clock: SavedClock | None
    rows: Mapping[str, bytes]


class SqliteState:
    """The file. Its methods may be called from any thread, from one at a time."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._lock: int | None = None

    def open(self) -> SavedState:
        """Lock the file and read it. Raises StateDamaged, after which `begin` makes a new one; StateLost where it is
        not this gateway's to write."""
        self._lock = self._locked()
        if not self._file.exists():
            raise StateDamaged("it is not there")
        try:
            self._connect()
            return self._read()
        except (sqlite3.Error, OSError, msgspec.MsgspecError) as error:
            self._disconnect()
            raise StateDamaged(str(error)) from None

    def begin(self, aside: str) -> None:
        """Make a new file. One that is there gets `aside` at the end of its name. Raises StateLost."""
        try:
            for end in ("", "-wal", "-shm"):
                with suppress(FileNotFoundError):
                    os.rename(f"{self._file}{end}", f"{self._file}{aside}{end}")
            self._connect()
        except (sqlite3.Error, OSError) as error:
            raise StateLost(f"{self._file.absolute()} cannot be made: {_in_words(error)}") from None

    def write(self, clock: SavedClock, rows: Mapping[str, bytes]) -> None:
        """Write rows that have changed, with the time, or nothing of them. Raises StateNotKept."""
        changed = clock.calendar
        try:
            with self._transaction() as connection:
                connection.executemany(_PUT_ROW, [(name, changed, numbers) for name, numbers in rows.items()])
                connection.execute(_PUT_CLOCK, (msgspec.msgpack.encode(clock),))
        except (sqlite3.Error, OSError) as error:
            raise StateNotKept(_in_words(error)) from None

    def is_gone(self) -> bool:
        """Whether the file is no longer the one that is written."""
        try:
            found = os.stat(self._file)
        except OSError:
            return True
        return (found.st_dev, found.st_ino) != self._identity

    def make_anew(self) -> None:
        """Write to a new file from now on, or to the one that has taken its name. Raises StateNotKept."""
        self._disconnect()
        try:
            self._connect()
        except (sqlite3.Error, OSError, StateLost) as error:
            raise StateNotKept(_in_words(error)) from None

    def close(self) -> None:
        self._disconnect()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _locked(self) -> int:
        try:
            held = os.open(f"{self._file}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateLost(f"{self._file.absolute()} cannot be written: {_in_words(error)}") from None
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(held)
            message = "another gateway writes to it; give each one its own file, or use redis://"
            raise StateLost(f"{self._file.absolute()}: {message}") from None
        return held

    def _connect(self) -> None:
        held = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        # It says who spends what; what SQLite puts beside it has the same mode.
        os.fchmod(held, 0o600)
        found = os.fstat(held)
        os.close(held)
        self._identity = (found.st_dev, found.st_ino)
        self._connection = connection = sqlite3.connect(
            self._file, timeout=_BUSY, isolation_level=None, check_same_thread=False
        )
        is_new = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if not is_new:
            self._check_version(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        if is_new:
            with self._transaction():
                for statement in _SCHEMA:
                    connection.execute(statement)

    def _check_version(self, connection: sqlite3.Connection) -> None:
        if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION:
            raise StateLost(f"{self._file.absolute()} is a database of another program")
        if (version := connection.execute("PRAGMA user_version").fetchone()[0]) != _VERSION:
            raise StateLost(f"{self._file.absolute()} is of version {version}; this gateway knows version {_VERSION}")

    def _read(self) -> SavedState:
        connection = self._opened
        found = connection.execute("SELECT state FROM clock").fetchone()
        clock = None if found is None else msgspec.msgpack.decode(found[0], type=SavedClock)
        with self._transaction():
            # By the rows' own times: a clock that is wrong at the start must not remove them.
            newest = connection.execute("SELECT max(changed) FROM rows").fetchone()[0] or 0
            connection.execute("DELETE FROM rows WHERE changed < ?", (newest - _KEPT_FOR,))
        return SavedState(clock, dict(connection.execute("SELECT name, numbers FROM rows")))

    @property
    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise sqlite3.OperationalError("it is closed")
        return self._connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._opened
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None


def _in_words(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
