"""Recordings in a file of SQLite's, or in memory.

The file is in WAL mode: it is read, by other processes too, while it is written. One gateway writes it; it holds a lock
on `FILE.lock`, which ends with its process. A database in memory has one connection, which its threads share.
"""

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from app.recorder.recording import Entry, Recording
from app.recorder.stores import ConversationEntry, Cursor, Filter, StoreFailed, StoreFigures
from app.recorder.stores.encoding import Encoder, decode
from app.recorder.stores.segments import Bounds, Segments, used_bytes
from app.recorder.stores.sql import (
    COLUMNS,
    INDEXES,
    NEWEST_FIRST,
    SCHEMA,
    Clause,
    behind,
    condition,
    conversation_entry,
    entry_of,
    first_threads,
    latest_threads,
    thread_sums,
    values_of,
    where,
    with_pin,
)
from app.recorder.stores.words import TABLE, LateWords, matching

SCHEMA_VERSION = 2
_APPLICATION = 0x464C5350
"""Marks the file as one of this program's: `FLSP`."""
_BUSY = 5.0
"""Seconds that a reader or the writer waits for a lock of SQLite's."""
_TABLES = (
    f"""CREATE TABLE entries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,{SCHEMA},
    entry BLOB NOT NULL,
    segment INTEGER NOT NULL,
    size INTEGER NOT NULL)""",
    "CREATE TABLE recordings (id INTEGER PRIMARY KEY, base INTEGER, data BLOB NOT NULL)",
    "CREATE TABLE bases (id INTEGER PRIMARY KEY, segment INTEGER NOT NULL, data BLOB NOT NULL)",
    TABLE,
    "INSERT INTO indexed VALUES (0)",
    "CREATE TABLE segments (id INTEGER PRIMARY KEY AUTOINCREMENT, began REAL NOT NULL)",
    "CREATE INDEX entries_segment ON entries (segment, size)",
    "CREATE INDEX bases_segment ON bases (segment)",
)
_INSERT = f"""INSERT INTO entries ({", ".join(COLUMNS)}, segment, size)
    VALUES ({", ".join("?" * (len(COLUMNS) + 2))}) ON CONFLICT DO NOTHING"""


class SQLiteStore:
    """Raises StoreFailed for a file that cannot be opened. With `writes=False` nothing is changed, and nobody is in
    the way of a gateway that writes to the file. No file: in memory."""

    def __init__(
        self, file: Path | None, bounds: Bounds, *, writes: bool = True, now: Callable[[], float] = time.time
    ) -> None:
        self._file = file
        self._writes = writes
        self._now = now
        self._lock = threading.RLock()
        """Held for each use of the writing connection."""
        self._free: list[sqlite3.Connection] = []
        self._closed = False
        with _in_words(file), ExitStack() as opened:
            if file is None:
                self._writer = _connect(":memory:")
            elif writes:
                opened.callback(os.close, _lock_file(file))
                self._writer = _connect(_created(file))
            else:
                self._writer = _connect(_read_only(file), uri=True)
            opened.callback(self._writer.close)
            self._open(bounds, writes=writes)
            self._opened = opened.pop_all()

    def _open(self, bounds: Bounds, *, writes: bool) -> None:
        connection = self._writer
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        self._encoder = Encoder()
        self._segments = Segments(connection, bounds)
        self._words = LateWords(connection, in_memory=self._file is None)
        if writes and not tables:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            with self._transaction():
                for statement in (*_TABLES, *INDEXES):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {_APPLICATION}")
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
                self._segments.begin(self._now())
        elif connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION:
            raise StoreFailed("it is a database of another program")
        elif version != SCHEMA_VERSION:
            raise StoreFailed(f"its schema has version {version}; this gateway knows version {SCHEMA_VERSION}")
        elif writes:
            with self._transaction():
                self._segments.resume(self._now())
                last = connection.execute("SELECT coalesce(max(id), 0) FROM bases").fetchone()[0]
            self._encoder = Encoder(last + 1)
        if writes:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA journal_size_limit = 8388608")

    def write(self, recordings: Sequence[Recording]) -> None:
        with _in_words(self._file), self._lock:
            try:
                with self._transaction():
                    self._continue()
                    for recording in recordings:
                        self._insert(recording)
                    self._words.limit()
            except BaseException:
                # A base that was not stored must not be built upon.
                self._encoder.forget()
                self._words.forget()
                raise

    def _insert(self, recording: Recording) -> None:
        segments, execute = self._segments, self._writer.execute
        encoded = self._encoder.encode(recording)
        values = values_of(recording.entry)
        size = len(encoded.data) + len(encoded.new_base or b"") + len(recording.request.data) // 8 + 1024
        added = execute(_INSERT, (*values, segments.current, size))
        if encoded.new_base is not None:
            base = (encoded.base, segments.current, encoded.new_base)
            execute("INSERT INTO bases (id, segment, data) VALUES (?, ?, ?)", base)
        if not added.rowcount:
            return
        row = added.lastrowid
        execute("INSERT INTO recordings (id, base, data) VALUES (?, ?, ?)", (row, encoded.base, encoded.data))
        self._words.add(int(row or 0), recording)

    def catch_up(self) -> bool:
        return self._fill() is not None

    def _fill(self) -> int | None:
        with _in_words(self._file), self._lock, self._transaction():
            return self._words.fill()

    def _has_caught_up(self) -> bool:
        """Have the words of all that is stored by now in the index; False where nothing can be written."""
        if not self._writes:
            return False
        try:
            with _in_words(self._file), self._lock:
                filled, latest = self._words.range()
            if filled < latest:
                while filled < latest and (at := self._fill()) is not None:
                    filled = at
                self.trim()
        except StoreFailed:
            return False
        return True

    def _continue(self) -> None:
        """Begin a new segment, if that is due."""
        if self._segments.is_full(self._now()):
            self._begin()

    def _begin(self) -> None:
        self._segments.begin(self._now())
        self._encoder.forget()

    def pin(self, transaction_ids: Sequence[str], reason: str) -> None:
        marks = ", ".join("?" * len(transaction_ids))
        update = f"UPDATE entries SET pinned = ? WHERE pinned IS NULL AND transaction_id IN ({marks})"
        with _in_words(self._file), self._lock, self._transaction():
            self._writer.execute(update, (reason, *transaction_ids))

    def trim(self) -> None:
        with _in_words(self._file), self._lock:
            now, segments = self._now(), self._segments
            with self._transaction():
                self._continue()
                segments.let_go_by_age(now)
                for segment in segments.outlived(now):
                    self._drop(segment)
            for segment in segments.numbers():
                if not segments.is_over():
                    break
                with self._transaction():
                    self._drop(segment)
            if self._file is not None:
                segments.shrink()

    def _drop(self, segment: int) -> None:
        if segment == self._segments.current:
            self._begin()
        pinned = [self._read(self._writer, "id", row) for row in self._segments.pinned_in(segment)]
        self._segments.drop(segment)
        for recording in pinned:
            if recording is not None:
                self._insert(recording)

    def recording(self, transaction_id: str) -> Recording | None:
        with _in_words(self._file), self._reading() as connection:
            return self._read(connection, "transaction_id", transaction_id)

    def _read(self, connection: sqlite3.Connection, column: str, value: str | int) -> Recording | None:
        query = f"""SELECT recordings.data, bases.data, entries.pinned FROM entries JOIN recordings USING (id)
            LEFT JOIN bases ON bases.id = recordings.base WHERE entries.{column} = ?"""
        row = connection.execute(query, (value,)).fetchone()
        return None if row is None else with_pin(decode(row[0], row[1]), row[2])

    def entries(self, wanted: Filter, after: Cursor | None = None, limit: int = 100) -> list[Entry]:
        with _in_words(self._file), self._searching(wanted.text) as (connection, words):
            clause = where(condition(wanted), words, behind(after))
            query = f"SELECT entry, pinned FROM entries{clause.sql}{NEWEST_FIRST} LIMIT ?"
            return [entry_of(*row) for row in connection.execute(query, (*clause.parameters, limit))]

    def conversations(self, wanted: Filter, after: Cursor | None = None, limit: int = 100) -> list[ConversationEntry]:
        with _in_words(self._file), self._searching(wanted.text) as (connection, words):
            clause = where(condition(wanted), words)
            if after is None:
                newest = f"SELECT thread, started_at FROM entries{clause.sql}{NEWEST_FIRST}"
                with closing(connection.execute(newest, clause.parameters)) as rows:
                    threads = first_threads(rows, limit)
            else:
                threads = [row[0] for row in connection.execute(*latest_threads(clause, after, limit))]
            sums = thread_sums(threads, Clause(clause.sql.removeprefix(" WHERE "), clause.parameters), _ARRAY)
            found = {row[0]: row for row in connection.execute(sums.sql, sums.parameters)}
            return [conversation_entry(found[each], _title(connection, found[each])) for each in threads]

    def figures(self) -> StoreFigures:
        with _in_words(self._file), self._reading() as connection:
            count, oldest = connection.execute("SELECT count(*), min(started_at) FROM entries").fetchone()
            return StoreFigures(recordings=count, bytes=used_bytes(connection), oldest=oldest)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for connection in self._free:
                connection.close()
            self._free.clear()
            self._opened.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._writer.execute("COMMIT")
        except BaseException:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise

    @contextmanager
    def _searching(self, text: str) -> Iterator[tuple[sqlite3.Connection, Clause]]:
        """A connection as `_reading` has it, and which rows have the words."""
        with_late = bool(text.strip()) and not self._has_caught_up()
        with self._reading() as connection:
            yield connection, matching(connection, text, with_late=with_late)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for this thread alone, as long as it reads."""
        if self._file is None:
            with self._lock:
                yield self._writer
            return
        with self._lock:
            connection = self._free.pop() if self._free else None
        if connection is None:
            connection = _connect(_read_only(self._file), uri=True)
        try:
            yield connection
        finally:
            with self._lock:
                if self._closed:
                    connection.close()
                else:
                    self._free.append(connection)


_ARRAY = "json_group_array"


def _title(connection: sqlite3.Connection, row: Sequence[Any]) -> str:
    query = "SELECT title FROM entries WHERE thread = ? AND started_at = ? LIMIT 1"
    found = connection.execute(query, (row[0], row[1])).fetchone()
    return str(found[0]) if found else ""


def _connect(database: str, *, uri: bool = False) -> sqlite3.Connection:
    return sqlite3.connect(database, uri=uri, timeout=_BUSY, isolation_level=None, check_same_thread=False)


def _read_only(file: Path) -> str:
    return f"{file.absolute().as_uri()}?mode=ro"


def _created(file: Path) -> str:
    """The file, which only its owner can read. What SQLite puts beside it has the same mode."""
    os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    return str(file)


def _lock_file(file: Path) -> int:
    """The descriptor that holds the lock; it ends with the process, however that ends."""
    held = os.open(f"{file}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(held)
        raise StoreFailed("another gateway writes to it; give each one its own file, or use postgresql://") from None
    return held


@contextmanager
def _in_words(file: Path | None) -> Iterator[None]:
    """Turns the errors of SQLite and of the system into StoreFailed."""
    try:
        yield
    except (sqlite3.Error, OSError, StoreFailed) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        raise StoreFailed(f"{file or 'the store in memory'}: {reason}") from None
