"""What the stores in a database share: columns, and what a filter is in SQL. Parameters are marked with `?`."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from app.recorder.recording import Entry, Recording
from app.recorder.stores import ConversationEntry, Cursor, Filter

_entry_encoder = msgspec.msgpack.Encoder()
_entry_decoder = msgspec.msgpack.Decoder(Entry)

COLUMNS = (
    *("transaction_id", "thread", "started_at", "model", "key", "team", "outcome", "conversation", "agent"),
    *("intervened", "cost_usd", "input_tokens", "cache_read_tokens", "output_tokens", "pinned", "title", "entry"),
)
"""The columns of `entries`, beside what each database adds; `thread` is the conversation, or the transaction's id."""
SCHEMA = """
    transaction_id TEXT NOT NULL UNIQUE,
    thread TEXT NOT NULL,
    started_at DOUBLE PRECISION NOT NULL,
    model TEXT NOT NULL,
    key TEXT,
    team TEXT,
    outcome TEXT NOT NULL,
    conversation TEXT,
    agent TEXT,
    intervened INTEGER NOT NULL,
    cost_usd DOUBLE PRECISION,
    input_tokens BIGINT NOT NULL,
    cache_read_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    pinned TEXT,
    title TEXT NOT NULL"""
INDEXES = (
    "CREATE INDEX entries_at ON entries (started_at, transaction_id, thread)",
    "CREATE INDEX entries_thread ON entries (thread, started_at)",
    "CREATE INDEX entries_model ON entries (model, started_at, transaction_id, thread)",
    "CREATE INDEX entries_key ON entries (key, started_at, transaction_id, thread)",
    "CREATE INDEX entries_failed ON entries (started_at, transaction_id) WHERE outcome <> 'ok'",
    "CREATE INDEX entries_pinned ON entries (started_at, transaction_id) WHERE pinned IS NOT NULL",
    "CREATE INDEX entries_intervened ON entries (started_at, transaction_id) WHERE intervened = 1",
    "CREATE INDEX entries_team ON entries (team, started_at, transaction_id, thread) WHERE team IS NOT NULL",
    "CREATE INDEX entries_agent ON entries (agent, started_at, transaction_id) WHERE agent IS NOT NULL",
)


class Clause(NamedTuple):
    sql: str
    parameters: list[Any]


def values_of(entry: Entry) -> tuple[Any, ...]:
    """What stands in `COLUMNS`."""
    tokens = entry.tokens
    return (
        _text(entry.transaction_id),
        _text(entry.conversation or entry.transaction_id),
        entry.started_at,
        _text(entry.model),
        _text(entry.key),
        _text(entry.team),
        entry.outcome,
        _text(entry.conversation),
        _text(entry.agent),
        int(entry.intervened),
        entry.cost_usd,
        0 if tokens is None else tokens.input + tokens.cache_read + tokens.cache_write,
        0 if tokens is None else tokens.cache_read,
        0 if tokens is None else tokens.output + tokens.reasoning,
        _text(entry.pinned),
        _text(entry.title),
        _entry_encoder.encode(entry),
    )


def entry_of(encoded: bytes, pinned: str | None) -> Entry:
    """The entry of a row; it may have been pinned since it was written."""
    entry = _entry_decoder.decode(encoded)
    return entry if entry.pinned == pinned else replace(entry, pinned=pinned)


def with_pin(recording: Recording, pinned: str | None) -> Recording:
    """The recording of a row; it may have been pinned since it was written."""
    entry = recording.entry
    return recording if entry.pinned == pinned else replace(recording, entry=replace(entry, pinned=pinned))


def _text(value: str | None) -> str | None:
    """What every database takes as a text."""
    return None if value is None else value.encode("utf-8", "replace").decode().replace("\0", "")


def condition(wanted: Filter) -> Clause:
    """What a filter lets through, but for its words."""
    found, parameters = [], []
    equal = ("model", "key", "team", "agent")
    tests: list[tuple[str, Any]] = [(f"{name} = ?", getattr(wanted, name)) for name in equal]
    # By the column with an index, which also has the transaction that is a conversation by itself.
    tests += [("thread = ?", wanted.conversation)]
    tests += [("cost_usd >= ?", wanted.least_cost_usd), ("started_at >= ?", wanted.since)]
    tests += [("started_at <= ?", wanted.until)]
    tests += [("outcome = ?", None if wanted.outcome == "failures" else wanted.outcome)]
    for sql, value in tests:
        if value is not None:
            found.append(sql)
            parameters.append(_text(value) if isinstance(value, str) else value)
    if wanted.outcome is not None and wanted.outcome != "ok":
        # Also for one outcome alone: by this the index of failures is known to hold them.
        found.append("outcome <> 'ok'")
    if wanted.intervened:
        found.append("intervened = 1")
    if wanted.pinned:
        found.append("pinned IS NOT NULL")
    return Clause(" AND ".join(found), parameters)


def where(*clauses: Clause) -> Clause:
    """All of these conditions together, with the word WHERE; empty where there is none."""
    present = [clause for clause in clauses if clause.sql]
    sql = f" WHERE {' AND '.join(clause.sql for clause in present)}" if present else ""
    return Clause(sql, [value for clause in present for value in clause.parameters])


def behind(after: Cursor | None) -> Clause:
    """What comes behind the last entry of a page."""
    if after is None:
        return Clause("", [])
    return Clause("(started_at, transaction_id) < (?, ?)", [after.at, _text(after.id)])


NEWEST_FIRST = " ORDER BY started_at DESC, transaction_id DESC"


def thread_sums(threads: Sequence[str], clause: Clause, as_array: str) -> Clause:
    """A query of the sums over these conversations. `as_array` is the database's function for an array in JSON."""
    marks = ", ".join("?" * len(threads))
    inside = where(Clause(f"thread IN ({marks})", list(threads)), clause)
    sql = f"""
        SELECT thread, min(started_at), max(started_at), count(*),
            {as_array}(DISTINCT agent), {as_array}(DISTINCT model), max(key),
            sum(CASE WHEN outcome <> 'ok' THEN 1 ELSE 0 END), sum(intervened), sum(input_tokens),
            sum(cache_read_tokens), sum(output_tokens), sum(cost_usd)
        FROM entries{inside.sql} GROUP BY thread"""
    return Clause(sql, inside.parameters)


def conversation_entry(row: Sequence[Any], title: str) -> ConversationEntry:
    """What a row of `thread_sums` says."""
    agents, models = (msgspec.json.decode(each) if isinstance(each, str) else each for each in row[4:6])
    return ConversationEntry(
        conversation=row[0],
        began=row[1],
        last=row[2],
        turns=row[3],
        agents=tuple(each for each in agents if each is not None),
        models=tuple(models),
        key=row[6],
        failures=int(row[7]),
        interventions=int(row[8]),
        input_tokens=int(row[9]),
        cache_read_tokens=int(row[10]),
        output_tokens=int(row[11]),
        cost_usd=row[12],
        title=title,
    )


def latest_threads(clause: Clause, after: Cursor, limit: int) -> Clause:
    """A query of the conversations of a page behind the first, with the last moment of each."""
    sql = f"""SELECT thread, max(started_at) AS last FROM entries{clause.sql} GROUP BY thread
        HAVING (max(started_at), thread) < (?, ?) ORDER BY last DESC, thread DESC LIMIT ?"""
    return Clause(sql, [*clause.parameters, after.at, _text(after.id), limit])


def first_threads(rows: Iterable[Sequence[Any]], limit: int) -> list[str]:
    """The conversations of the first page, of rows (thread, started_at) of which the newest come first; no more rows
    are read than that takes."""
    found: dict[str, float] = {}
    last = 0.0
    for thread, at in rows:
        if len(found) >= limit and at < last:
            break
        if thread not in found:
            found[thread], last = at, at
    return sorted(found, key=lambda thread: (found[thread], thread), reverse=True)[:limit]
