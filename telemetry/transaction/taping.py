"""A transaction that is recorded: its tape, and what telemetry knows of it; and who takes such transactions."""

from dataclasses import dataclass
from typing import Protocol

from telemetry.recording.timeline import Timeline
from telemetry.redact import Scrubber
from telemetry.transaction.ending import Description, Summary
from telemetry.transaction.tape import Tape


@dataclass(slots=True, eq=False)
class TapedTransaction:
    """`about` grows as more is learnt; the rest comes with the end."""

    transaction_id: str
    trace_id: str
    tape: Tape
    about: Description
    scrub: Scrubber
    """Removes configured keys, and what looks like one."""
    summary: Summary | None = None
    pinned: str | None = None
    """Why its recording is to stay when others of its age go."""
    cache_fields: dict[str, object] | None = None
    """What the access line has of a missed prompt cache."""
    access: dict[str, object] | None = None
    """The access line, where one was written."""

    def access_fields(self) -> dict[str, object]:
        """The fields of the access line, whether or not one was written; nothing before the end."""
        if self.access is not None or self.summary is None:
            return self.access or {}
        return {**self.summary.access_fields({}), **(self.cache_fields or {})}


class TransactionTaker(Protocol):
    """Who keeps transactions. All is called on the event loop and must not wait."""

    def tape(self, timeline: Timeline) -> Tape | None:
        """The tape of a transaction that begins; None if it is not to be recorded."""

    def pins(self, taped: TapedTransaction, summary: Summary) -> str | None:
        """Why the recording of a transaction that ends, and some before it, are to stay; None where they are not."""

    def opened(self, taped: TapedTransaction) -> None: ...
    def ended(self, taped: TapedTransaction) -> None: ...
