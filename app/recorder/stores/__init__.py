"""Where recordings are kept: in memory, in a file of SQLite's, or in PostgreSQL.

A store is written by one thread and read by others at the same time. Its methods wait for disk and network, so nobody
calls them on the gateway's event loop.
"""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from app.recorder.recording import Entry, Recording
from telemetry.names import OUTCOMES, Outcome

FAILURES: frozenset[Outcome] = frozenset(OUTCOMES) - {"ok"}
"""What `failures` stands for in filters: every transaction whose client did not get a whole answer, whoever decided so.
A refused or blocked request is among them, since its content is what one wants to see then."""


class StoreFailed(Exception):
    """A store could not be opened, written or read; the text says why, for an operator. Never with a password."""


class Filter(Struct, frozen=True, kw_only=True):
    """Which recordings are wanted. What is None, or empty, leaves none out."""

    text: str = ""
    """Words, or beginnings of words, that all stand somewhere in the request or the answer, or in an id."""
    model: str | None = None
    key: str | None = None
    team: str | None = None
    outcome: str | None = None
    """An outcome, or `failures` for all of `FAILURES`."""
    conversation: str | None = None
    """As `ConversationEntry` has it: the id of a transaction stands for one that belongs to no conversation."""
    agent: str | None = None
    intervened: bool = False
    """Only those in which a policy changed or blocked something."""
    pinned: bool = False
    """Only those that are pinned."""
    least_cost_usd: float | None = None
    since: float | None = None
    """Unix seconds."""
    until: float | None = None


class Cursor(Struct, frozen=True, array_like=True):
    """Where a list goes on: behind the recording, or the conversation, that this one is."""

    at: float
    id: str


class ConversationEntry(Struct, frozen=True, kw_only=True):
    """What a list shows of a conversation: sums over its transactions that the filter lets through."""

    conversation: str
    """Its id; that of the transaction for one that belongs to no conversation."""
    began: float
    """Unix seconds of its first transaction."""
    last: float
    """Unix seconds of its last one."""
    turns: int
    agents: tuple[str, ...] = ()
    """The ids of the agents that speak in it."""
    models: tuple[str, ...] = ()
    key: str | None = None
    failures: int = 0
    interventions: int = 0
    input_tokens: int = 0
    cache_read_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    title: str = ""
    """The title of its first transaction."""


class StoreFigures(Struct, frozen=True, kw_only=True):
    recordings: int
    bytes: int
    oldest: float | None = None
    """Unix seconds."""


class Store(Protocol):
    """Every method may raise StoreFailed."""

    def write(self, recordings: Sequence[Recording]) -> None: ...
    def pin(self, transaction_ids: Sequence[str], reason: str) -> None:
        """Have recordings stay when others of their age go. An id that is unknown is left out."""

    def recording(self, transaction_id: str) -> Recording | None: ...
    def entries(self, wanted: Filter, after: Cursor | None = None, limit: int = 100) -> list[Entry]:
        """The newest first; `after` is the last one of the page before."""

    def conversations(self, wanted: Filter, after: Cursor | None = None, limit: int = 100) -> list[ConversationEntry]:
        """The one in which something was said last comes first."""

    def figures(self) -> StoreFigures: ...
    def catch_up(self) -> bool:
        """Do some milliseconds' worth of what was put off when recordings were written; False if nothing was. Called
        where nothing else is to be done. Searches wait for all of it, if it is not done by then."""

    def trim(self) -> None:
        """Let go what is too old, or too much. Called about once a minute, and whenever something was written."""

    def close(self) -> None: ...
