"""Recordings in PostgreSQL, where several gateways may keep theirs together. Needs the extra `postgresql`.

All is in the schema `flowspan` of the database. A connection that breaks is made anew by the next call, after a wait
that grows while the database is gone: until then calls fail at once.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any, LiteralString

import psycopg

from app.recorder.recording import Entry, Recording
from app.recorder.store_urls import described_store, secrets_of_store
from app.recorder.stores import ConversationEntry, Cursor, Filter, StoreFailed, StoreFigures
from app.recorder.stores.encoding import compressed_recording, decode
from app.recorder.stores.segments import PINNED_PART, Bounds
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
from app.recorder.texts import distinct_words, searchable, terms_of

SCHEMA_VERSION = 1
_LOCK = 0x464C5350
"""The number of the advisory lock under which the schema is made; under the next one old rows go."""
_CONNECT = 5
"""Seconds to make a connection."""
_STATEMENT = 30_000
"""Milliseconds of one statement."""
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 30.0
"""Seconds between two tries to reach a database that is gone."""
_TRIM = 10.0
"""Seconds between two looks for rows that have to go."""
_KEPT_BY_TRIM = 0.95
"""Share of `max_size` that is left when rows had to go for their size."""
_WORD, _WORDS = 64, 900_000
"""Characters of a word, and bytes of all words of a recording, in an index that takes 1 MB of them at most."""

_TABLES = (
    f"""CREATE TABLE entries (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,{SCHEMA},
    entry BYTEA NOT NULL,
    size BIGINT NOT NULL)""",
    """CREATE TABLE recordings (
    id BIGINT PRIMARY KEY REFERENCES entries ON DELETE CASCADE, data BYTEA NOT NULL, words TSVECTOR NOT NULL)""",
    "CREATE INDEX recordings_words ON recordings USING gin (words)",
    "CREATE TABLE schema_version (version INTEGER NOT NULL)",
    f"INSERT INTO schema_version VALUES ({SCHEMA_VERSION})",
)
_INSERT = f"""INSERT INTO entries ({", ".join(COLUMNS)}, size)
    VALUES ({", ".join("?" * (len(COLUMNS) + 1))}) ON CONFLICT DO NOTHING RETURNING id"""
_INSERT_DATA = "INSERT INTO recordings (id, data, words) VALUES (?, ?, array_to_tsvector(?))"
_TOO_MUCH = """DELETE FROM entries WHERE id IN (SELECT id FROM (
    SELECT id, size, sum(size) OVER (ORDER BY stays, started_at, id) AS freed FROM (
        SELECT id, size, started_at, pinned IS NOT NULL AND sum(size) FILTER (WHERE pinned IS NOT NULL)
            OVER (ORDER BY started_at DESC, id DESC) <= ? AS stays FROM entries) AS pins) AS ranked
    WHERE freed - size < ?)"""
"""Deletes the oldest rows, as many bytes as are named second; the newest pins, in the bytes named first, at last."""

_Connection = psycopg.Connection[tuple[Any, ...]]


class PostgreSQLStore:
    """Raises StoreFailed for a database that cannot be reached, or has a schema of another version."""

    def __init__(
        self,
        url: str,
        bounds: Bounds,
        *,
        writes: bool = True,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._bounds = bounds
        self._now = now
        self._monotonic = monotonic
        self._lock = Lock()
        self._free: list[_Connection] = []
        self._closed = False
        self._wait = 0.0
        self._next_try = float("-inf")
        self._trim_due = float("-inf")
        try:
            with self._connection() as connection:
                if writes:
                    self._prepare(connection)
                self._check_version(connection)
        except StoreFailed:
            self.close()
            raise

    def _prepare(self, connection: _Connection) -> None:
        """Make the schema, unless it is there; of several gateways that start together, one does it."""
        with connection.transaction():
            _run(connection, "SELECT pg_advisory_xact_lock(?)", _LOCK)
            if _run(connection, "SELECT to_regclass('flowspan.schema_version')").fetchall()[0][0] is None:
                _run(connection, "CREATE SCHEMA IF NOT EXISTS flowspan")
                for statement in (*_TABLES, *INDEXES):
                    _run(connection, statement)

    def _check_version(self, connection: _Connection) -> None:
        row = _run(connection, "SELECT version FROM flowspan.schema_version").fetchone()
        version = row[0] if row else None
        if version != SCHEMA_VERSION:
            raise StoreFailed(
                f"{described_store(self._url)}: its schema has version {version}; this gateway knows version "
                f"{SCHEMA_VERSION}"
            )

    def write(self, recordings: Sequence[Recording]) -> None:
        with self._connection() as connection, connection.transaction():
            for recording in recordings:
                data, words = compressed_recording(recording), distinct_words(searchable(recording), _WORD, _WORDS)
                size = len(data) + 16 * len(words) + 1024
                row = _run(connection, _INSERT, *values_of(recording.entry), size).fetchone()
                if row is not None:
                    _run(connection, _INSERT_DATA, row[0], data, words)

    def pin(self, transaction_ids: Sequence[str], reason: str) -> None:
        update = "UPDATE entries SET pinned = ? WHERE pinned IS NULL AND transaction_id = ANY(?)"
        with self._connection() as connection:
            _run(connection, update, reason, list(transaction_ids))

    def recording(self, transaction_id: str) -> Recording | None:
        query = "SELECT data, pinned FROM entries JOIN recordings USING (id) WHERE transaction_id = ?"
        with self._connection() as connection:
            row = _run(connection, query, transaction_id).fetchone()
        return None if row is None else with_pin(decode(row[0]), row[1])

    def entries(self, wanted: Filter, after: Cursor | None = None, limit: int = 100) -> list[Entry]:
        clause = where(condition(wanted), _words(wanted.text), behind(after))
        query = f"SELECT entry, pinned FROM entries{clause.sql}{NEWEST_FIRST} LIMIT ?"
        with self._connection() as connection:
            return [entry_of(row[0], row[1]) for row in _run(connection, query, *clause.parameters, limit)]

    def conversations(self, wanted: Filter, after: Cursor | None = None, limit: int = 100) -> list[ConversationEntry]:
        clause = where(condition(wanted), _words(wanted.text))
        with self._connection() as connection, connection.transaction():
            if after is None:
                threads = _first_threads(connection, clause, limit)
            else:
                query = latest_threads(clause, after, limit)
                threads = [row[0] for row in _run(connection, query.sql, *query.parameters)]
            if not threads:
                return []
            sums = thread_sums(threads, Clause(clause.sql.removeprefix(" WHERE "), clause.parameters), "json_agg")
            found = {row[0]: row for row in _run(connection, sums.sql, *sums.parameters)}
            return [conversation_entry(found[each], _title(connection, found[each])) for each in threads]

    def figures(self) -> StoreFigures:
        query = "SELECT count(*), coalesce(sum(size), 0), min(started_at) FROM entries"
        with self._connection() as connection:
            ((count, size, oldest),) = _run(connection, query).fetchall()
        return StoreFigures(recordings=count, bytes=int(size), oldest=oldest)

    def catch_up(self) -> bool:
        return False

    def trim(self) -> None:
        """Delete what is too old or too much; of several gateways one does it at a time."""
        if self._monotonic() < self._trim_due:
            return
        self._trim_due = self._monotonic() + _TRIM
        with self._connection() as connection, connection.transaction():
            if not _run(connection, "SELECT pg_try_advisory_xact_lock(?)", _LOCK + 1).fetchall()[0][0]:
                return
            if self._bounds.max_age is not None:
                old = "DELETE FROM entries WHERE started_at < ? AND pinned IS NULL"
                _run(connection, old, self._now() - self._bounds.max_age)
            size = int(_run(connection, "SELECT coalesce(sum(size), 0) FROM entries").fetchall()[0][0])
            if size > self._bounds.max_size:
                surplus = size - int(self._bounds.max_size * _KEPT_BY_TRIM)
                _run(connection, _TOO_MUCH, self._bounds.max_size // PINNED_PART, surplus)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            free, self._free = self._free, []
        for connection in free:
            connection.close()

    @contextmanager
    def _connection(self) -> Iterator[_Connection]:
        """A connection for this thread alone. One that broke is not used again."""
        connection = None
        try:
            connection = self._taken() or self._connected()
            yield connection
        except psycopg.Error as error:
            raise StoreFailed(f"{described_store(self._url)}: {self._in_words(error)}") from None
        finally:
            if connection is not None:
                self._give_back(connection)

    def _taken(self) -> _Connection | None:
        with self._lock:
            return self._free.pop() if self._free else None

    def _give_back(self, connection: _Connection) -> None:
        with self._lock:
            if not self._closed and not connection.closed and not connection.broken:
                self._free.append(connection)
                return
        connection.close()

    def _connected(self) -> _Connection:
        now = self._monotonic()
        if now < self._next_try:
            seconds = round(self._next_try - now)
            raise StoreFailed(f"{described_store(self._url)}: it is gone, and tried again in {max(1, seconds)} s")
        try:
            connection = psycopg.connect(
                self._url,
                autocommit=True,
                connect_timeout=_CONNECT,
                application_name="flowspan",
                options=f"-c statement_timeout={_STATEMENT} -c search_path=flowspan",
            )
        except psycopg.Error:
            self._wait = min(_LONGEST_WAIT, max(_FIRST_WAIT, 2 * self._wait))
            self._next_try = self._monotonic() + self._wait
            raise
        self._wait, self._next_try = 0.0, float("-inf")
        return connection

    def _in_words(self, error: psycopg.Error) -> str:
        text = str(error).partition("\n")[0] or type(error).__name__
        for secret in secrets_of_store(self._url):
            text = text.replace(secret, "***")
        return text


def _run(connection: _Connection, sql: str, *parameters: object) -> psycopg.Cursor[tuple[Any, ...]]:
    return connection.execute(_marked(sql), parameters)


def _first_threads(connection: _Connection, clause: Clause, limit: int) -> list[str]:
    newest = f"SELECT thread, started_at FROM entries{clause.sql}{NEWEST_FIRST}"
    with connection.cursor("newest") as rows:
        rows.itersize = 1000
        rows.execute(_marked(newest), clause.parameters)
        return first_threads(rows, limit)


def _marked(sql: str) -> LiteralString:
    """The statement with the marks that psycopg knows. All statements are written in this package; values are
    parameters."""
    return sql.replace("?", "%s")


def _words(text: str) -> Clause:
    """The rows in which all words of `text` stand."""
    terms = terms_of(text)
    if not terms:
        return Clause("FALSE" if text.strip() else "", [])
    query = " & ".join(f"{term.word[:_WORD]}{':*' if term.begins else ''}" for term in terms)
    return Clause("id IN (SELECT id FROM recordings WHERE words @@ to_tsquery('simple', ?))", [query])


def _title(connection: _Connection, row: Sequence[Any]) -> str:
    query = "SELECT title FROM entries WHERE thread = ? AND started_at = ? LIMIT 1"
    found: tuple[str] | None = _run(connection, query, row[0], row[1]).fetchone()
    return found[0] if found else ""
