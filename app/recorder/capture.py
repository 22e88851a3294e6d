"""Takes the transactions of a gateway: those under way can be looked at, those that have ended go to the recorder.

Everything here is called on the event loop but `under_way` and what a recording is made by, which other threads may
call.
"""

from collections.abc import Iterable
from typing import Protocol

from msgspec import Struct

from app.recorder.flight import cause_of
from app.recorder.masking import Concealing
from app.recorder.recording import Body, Piece, Recording
from app.recorder.taking import Taking
from app.settings import RecorderSettings
from telemetry import Tape, TapedTransaction, TapeRoom
from telemetry.names import NO_KEY, Outcome
from telemetry.names.events import Event
from telemetry.names.spans import Attribute
from telemetry.recording.timeline import Timeline
from telemetry.transaction.ending import Summary

_TRANSACTION = 12 * 1024
"""Bytes that a transaction that has ended takes beside its bodies: its spans, times and figures."""


class TransactionUnderWay(Struct, frozen=True, kw_only=True):
    """A transaction that has not ended, as it stood at one moment."""

    transaction_id: str
    trace_id: str
    started_at: float
    """Unix seconds."""
    seconds: float
    """Since it began."""
    api: str
    model: str
    stream: bool
    key: str | None
    conversation: str | None
    agent: str | None
    request: Body
    answer: tuple[Piece, ...]
    """The bytes that were written to the client so far."""


class EndedTransaction:
    """What was taken of a transaction that has ended. Its recording is made by whoever asks for it."""

    def __init__(self, taped: TapedTransaction, summary: Summary, taking: Taking, size: int) -> None:
        about = summary.about
        self.transaction_id = taped.transaction_id
        self.size = size
        """Bytes that it holds."""
        self.outcome: Outcome = summary.outcome
        self.model = about.model
        name = about.key.identity.name
        self.key = None if name == NO_KEY else name
        self.conversation = None if about.identity is None else about.identity.conversation_id or None
        self.deployment = summary.totals.deployment
        self.pinned = taped.pinned
        """Why it, and those before it, are to stay."""
        self._taped = taped
        self._summary = summary
        self._taking = taking

    def recording(self) -> Recording:
        return self._taking.recording(self._taped, self._summary)


class EndedTransactions(Protocol):
    """Who keeps transactions that have ended."""

    def pins(self, cause: str) -> bool:
        """Whether a transaction that ends for this cause is to be pinned, with some before it."""

    def offer(self, taken: EndedTransaction) -> None:
        """Take a transaction, without waiting."""


class Capture:
    """Takes all transactions of a process for `recorder`."""

    def __init__(
        self,
        recorder: EndedTransactions,
        settings: RecorderSettings,
        *,
        secrets: Iterable[str],
        concealing: Concealing,
        gateway: str,
    ) -> None:
        """`gateway` tells which gateway recorded; `concealing` are policies whose work is not to be undone here."""
        self._recorder = recorder
        self._gateway = gateway
        self._room = TapeRoom(settings.under_way)
        self._open: dict[str, tuple[TapedTransaction, Taking]] = {}
        self.use(settings, self.taking(settings, secrets=secrets, concealing=concealing))

    def taking(self, settings: RecorderSettings, *, secrets: Iterable[str], concealing: Concealing) -> Taking:
        """How transactions are made into recordings by other settings. With thousands of secrets it takes a second to
        be made, in any thread."""
        return Taking(secrets, concealing if settings.concealed == "masked" else Concealing(), self._gateway)

    def use(self, settings: RecorderSettings, taking: Taking) -> None:
        """Go by these from now on; transactions that have begun are masked as it was when they did."""
        self._limit = settings.recording_limit
        self._room.resize(settings.under_way)
        self._taking = taking

    def tape(self, timeline: Timeline) -> Tape:
        return Tape(timeline, self._limit, self._room)

    def pins(self, taped: TapedTransaction, summary: Summary) -> str | None:
        """Why the transaction, which ends so, is to be pinned with some before it."""
        broke = summary.stream_result in ("failed", "cut")
        cause = cause_of(summary.outcome, _tripped(taped.tape), summary.totals.deployment, stream_broke=broke)
        return cause if cause is not None and self._recorder.pins(cause) else None

    def opened(self, taped: TapedTransaction) -> None:
        self._open[taped.transaction_id] = taped, self._taking

    def ended(self, taped: TapedTransaction) -> None:
        _, taking = self._open.pop(taped.transaction_id, (taped, self._taking))
        budget, summary = taped.tape.budget, taped.summary
        size = budget.used + _TRANSACTION
        budget.release()
        if summary is not None:
            self._recorder.offer(EndedTransaction(taped, summary, taking, size))

    def under_way(self, of: str | None = None) -> list[TransactionUnderWay]:
        """The transactions that have not ended, the oldest first; those of one conversation alone, or the one
        transaction that is a conversation by itself, where `of` names it. Any thread may ask."""
        opened = tuple(self._open.values())
        return [_snapshot(each, taking) for each, taking in opened if of is None or of == _conversation(each)]


def _tripped(tape: Tape) -> list[str]:
    """The breakers that opened on account of a transaction."""
    return [
        str(about[Attribute.BREAKER])
        for _, name, about in tape.moments
        if name == Event.BREAKER_STATE_CHANGE and about[Attribute.TO_STATE] == "open"
    ]


def _conversation(taped: TapedTransaction) -> str:
    identity = taped.about.identity
    found = None if identity is None else identity.log_fields.get("conversation")
    return found if isinstance(found, str) else taped.transaction_id


def _snapshot(taped: TapedTransaction, taking: Taking) -> TransactionUnderWay:
    tape, about = taped.tape, taped.about
    ids = {} if about.identity is None else about.identity.log_fields
    conversation, agent = ids.get("conversation"), ids.get("agent")
    key = about.key.identity.name
    request, answer = taking.under_way(taped)
    return TransactionUnderWay(
        transaction_id=taped.transaction_id,
        trace_id=taped.trace_id,
        started_at=tape.started_ns / 1e9,
        seconds=tape.now() - tape.opened_at,
        api=about.api,
        model=about.model,
        stream=about.stream,
        key=None if key == NO_KEY else key,
        conversation=conversation if isinstance(conversation, str) else None,
        agent=agent if isinstance(agent, str) else None,
        request=request,
        answer=answer,
    )
