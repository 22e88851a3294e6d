"""How a SQLite store keeps within its bounds: in segments, each with an index of words and bases that are its alone.

A segment takes about a sixteenth of what is kept. To let go of the oldest recordings is then to drop one table and a
range of rows: no word has to be taken out of an index one by one, and no base can be lost under a recording. What is
pinned in a segment that goes is carried over into the current one, the newest pins first, up to a quarter of the room;
the oldest pins beyond it go at last.
"""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from app.recorder.stores.words import create_words

PARTS = 16
PINNED_PART = 4
"""The share of the room that pins have, as one over this."""
_SHRINK = 8192
"""Pages that are given back at once, at most."""


class Bounds(NamedTuple):
    max_size: int
    """Bytes of the whole database."""
    max_age: float | None
    """Seconds; None for as long as there is room."""


class Segments:
    """The segments of one database. Every method is called inside a transaction, with the writing connection."""

    def __init__(self, connection: sqlite3.Connection, bounds: Bounds) -> None:
        self._connection = connection
        self._bounds = bounds
        self.current = 0
        self._began = 0.0
        self._base = 0
        """Bytes of the database that are not of the current segment."""

    def resume(self, now: float) -> None:
        """Go on with the latest segment, or begin with the first."""
        numbers = self.numbers()
        if not numbers:
            self.begin(now)
            return
        self.current = numbers[-1]
        began = self._connection.execute("SELECT began FROM segments WHERE id = ?", (self.current,)).fetchone()[0]
        sizes = "SELECT coalesce(sum(size), 0) FROM entries WHERE segment = ?"
        self._began, self._base = began, self.used() - self._connection.execute(sizes, (self.current,)).fetchone()[0]

    def begin(self, now: float) -> None:
        cursor = self._connection.execute("INSERT INTO segments (began) VALUES (?)", (now,))
        self.current, self._began = int(cursor.lastrowid or 0), now
        create_words(self._connection, self.current)
        self._base = self.used()

    def is_full(self, now: float) -> bool:
        """Whether what comes now belongs into another segment."""
        size, age = self.used() - self._base, self._bounds.max_age
        too_old = age is not None and now - self._began > age / PARTS
        return size > self._bounds.max_size // PARTS or (too_old and size > 0)

    def numbers(self) -> list[int]:
        return [row[0] for row in self._connection.execute("SELECT id FROM segments ORDER BY id")]

    def used(self) -> int:
        """Bytes of the database that are in use."""
        return used_bytes(self._connection)

    def is_over(self) -> bool:
        return self.used() > self._bounds.max_size

    def shrink(self) -> None:
        """Give the file system back what is free beyond what the next segment will take. Not inside a transaction."""
        free, size = (
            self._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_size")
        )
        surplus = free - min(self._bounds.max_size // PARTS, self.used()) // size
        if surplus > 0:
            # `execute` would stop after the first page.
            self._connection.executescript(f"PRAGMA incremental_vacuum({min(surplus, _SHRINK)})")

    def let_go_by_age(self, now: float) -> None:
        """Delete the recordings that are too old; those that are pinned stay."""
        if self._bounds.max_age is None:
            return
        old = "SELECT id FROM entries WHERE started_at < ? AND pinned IS NULL"
        limit = now - self._bounds.max_age
        self._connection.execute(f"DELETE FROM recordings WHERE id IN ({old})", (limit,))
        self._connection.execute("DELETE FROM entries WHERE started_at < ? AND pinned IS NULL", (limit,))

    def outlived(self, now: float) -> list[int]:
        """The segments, but for the current one, in which nothing is left that is not pinned and old."""
        if self._bounds.max_age is None:
            return []
        alive = "SELECT 1 FROM entries WHERE segment = segments.id AND (pinned IS NULL OR started_at >= ?)"
        query = f"SELECT id FROM segments WHERE id < ? AND NOT EXISTS ({alive}) ORDER BY id"
        return [row[0] for row in self._connection.execute(query, (self.current, now - self._bounds.max_age))]

    def pinned_in(self, segment: int) -> Sequence[int]:
        """The rows to be carried over before the segment is dropped: the newest pins for which there is room."""
        room = self._bounds.max_size // PINNED_PART
        pins = "SELECT id, segment, size FROM entries WHERE pinned IS NOT NULL ORDER BY started_at DESC"
        carried = []
        for row, inside, size in self._connection.execute(pins).fetchall():
            room -= size
            if room < 0:
                break
            if inside == segment:
                carried.append(row)
        return carried

    def drop(self, segment: int) -> None:
        before = self.used()
        self._connection.execute(f"DROP TABLE words_{segment}")
        self._connection.execute(
            "DELETE FROM recordings WHERE id IN (SELECT id FROM entries WHERE segment = ?)", (segment,)
        )
        for table in ("entries", "bases"):
            self._connection.execute(f"DELETE FROM {table} WHERE segment = ?", (segment,))
        self._connection.execute("DELETE FROM segments WHERE id = ?", (segment,))
        self._base -= before - self.used()


def used_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of a database that are in use."""
    pragmas = ("page_count", "freelist_count", "page_size")
    pages, free, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas)
    return int((pages - free) * size)
