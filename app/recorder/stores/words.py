"""The index of words of a SQLite store, which is filled after the recordings are stored: in a quiet moment, or when
somebody searches. To take texts apart costs as much as to store them, and most are never searched.

A store in memory may be behind with all that it has, so what it lets go in the meantime was never taken apart. A file
is behind with a few thousand recordings at most, which are held until then.
"""

import sqlite3
from collections import OrderedDict
from collections.abc import Iterator

from app.recorder.recording import Recording
from app.recorder.stores import StoreFailed
from app.recorder.stores.encoding import decode
from app.recorder.stores.sql import Clause
from app.recorder.texts import searchable, terms_of

TABLE = "CREATE TABLE indexed (id INTEGER NOT NULL)"
"""One row: the number of the latest recording whose words are in the index, as those of all before it are."""
_HELD = 16 * 1024**2
"""Bytes of recordings that a file's index is behind with, at most, and that are held for it."""
_STEP, _STEP_CHARACTERS = 512, 1024**2
"""Recordings, and characters of them, whose words are taken in at once: fewer make an index of more parts, in which a
search takes longer, and for so long others wait for the store."""
_RECORDING = 8 * 1024
"""Bytes that a recording takes beside its bodies."""
_FTS = "USING fts5(text, content='', columnsize=0, detail=none)"


def create_words(connection: sqlite3.Connection, segment: int) -> None:
    connection.execute(f"CREATE VIRTUAL TABLE words_{segment} {_FTS}")


class LateWords:
    """Fills the index of a store. Every method is called inside a transaction, with the writing connection."""

    def __init__(self, connection: sqlite3.Connection, *, in_memory: bool) -> None:
        self._connection = connection
        self._in_memory = in_memory
        self._held: OrderedDict[int, Recording] = OrderedDict()
        self._bytes = 0

    def add(self, row: int, recording: Recording) -> None:
        """A recording was stored, whose words are to be in the index before too many others are waiting."""
        if not self._in_memory:
            self._held[row] = recording
            self._bytes += _size(recording)

    def forget(self) -> None:
        """Hold no recording any longer: what was stored last is not what is there."""
        self._held.clear()
        self._bytes = 0

    def range(self) -> tuple[int, int]:
        """The number of the latest recording whose words are in the index, and that of the latest one."""
        query = "SELECT (SELECT id FROM indexed), coalesce(max(id), 0) FROM entries"
        filled, latest = self._connection.execute(query).fetchone()
        return filled, latest

    def limit(self) -> None:
        """Fill the index as far as has to be, for a file not to be too far behind."""
        while self._bytes > _HELD and self.fill():
            pass

    def fill(self) -> int | None:
        """Take in the words of the next recordings. The number of the last one; None if none waits."""
        connection = self._connection
        late = "SELECT id, segment FROM entries WHERE id > (SELECT id FROM indexed) ORDER BY id LIMIT ?"
        last, characters = None, 0
        for row, segment in connection.execute(late, (_STEP,)).fetchall():
            text = self._text(row)
            connection.execute(f"INSERT INTO words_{segment} (rowid, text) VALUES (?, ?)", (row, text))
            last, characters = int(row), characters + len(text)
            if characters > _STEP_CHARACTERS:
                break
        if last is None:
            self.forget()
        else:
            connection.execute("UPDATE indexed SET id = ?", (last,))
        return last

    def _text(self, row: int) -> str:
        recording = self._held.pop(row, None)
        if recording is None:
            return next((text for _, text in _stored_texts(self._connection, "id = ?", row)), "")
        self._bytes -= _size(recording)
        return searchable(recording)


def matching(connection: sqlite3.Connection, text: str, *, with_late: bool) -> Clause:
    """The rows in which all words of `text` stand. `with_late` is for who cannot fill the index: what it is behind
    with is taken apart for this connection alone."""
    terms = terms_of(text)
    if not terms:
        return Clause("FALSE" if text.strip() else "", [])
    wanted = " ".join(f'"{term.word}"{"*" if term.begins else ""}' for term in terms)
    tables = [f"words_{row[0]}" for row in connection.execute("SELECT id FROM segments")]
    if with_late:
        tables.append(_late_table(connection))
    found = " UNION ALL ".join(f"SELECT rowid FROM {each} WHERE {each} MATCH ?" for each in tables)
    # With the plus the rows are read in the order that is wanted, of which few are needed, and not by their numbers.
    return Clause(f"+id IN ({found})", [wanted] * len(tables))


def _late_table(connection: sqlite3.Connection) -> str:
    connection.execute("DROP TABLE IF EXISTS temp.late_words")
    connection.execute(f"CREATE VIRTUAL TABLE temp.late_words {_FTS}")
    texts = _stored_texts(connection, "id > (SELECT id FROM indexed)")
    connection.executemany("INSERT INTO temp.late_words (rowid, text) VALUES (?, ?)", texts)
    return "late_words"


def _stored_texts(connection: sqlite3.Connection, condition: str, *parameters: int) -> Iterator[tuple[int, str]]:
    """The number and the text of each recording; one that is broken has none."""
    query = f"""SELECT recordings.id, recordings.data, bases.data FROM recordings
        LEFT JOIN bases ON bases.id = recordings.base WHERE recordings.{condition}"""
    for row, data, base in connection.execute(query, parameters):
        try:
            yield row, searchable(decode(data, base))
        except StoreFailed:
            continue


def _size(recording: Recording) -> int:
    bodies = len(recording.request.data) + recording.answer_size
    return _RECORDING + bodies + sum([len(one.request.data) + one.answer_size for one in recording.attempts])
