"""The flight recorder: which transactions led to a failure, so that they stay to be looked at.

The latest transactions are remembered, those too that the filters would not keep. When one ends in a way that is worth
it, it is pinned together with some of those before it: the ones of its conversation and its deployment first. One cause
pins once a minute, so an outage leaves its beginning and does not fill the store.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from telemetry.names import Outcome

_SPREAD = 4
"""Times as many transactions are remembered as are pinned, so that there are some of a deployment among them."""
_INTERVAL = 60.0
"""Seconds between two flights of one cause."""
_MOST_CAUSES = 256

_WORTH: Mapping[Outcome, str] = {
    "policy_blocked": "a policy blocked it",
    "overflow": "a queue overflowed",
    "internal_error": "a defect of the gateway",
}


def cause_of(outcome: Outcome, tripped: Sequence[str], deployment: str | None, *, stream_broke: bool) -> str | None:
    """Why a transaction is worth a flight, in words; None for one that is not. `tripped` are the breakers that opened
    on its account, `stream_broke` is whether its stream, of `deployment`, ended in a failure after it had begun."""
    if tripped:
        return f"breaker {tripped[0]} opened"
    if outcome in _WORTH:
        return _WORTH[outcome]
    if not stream_broke:
        return None
    # Each deployment's failures are a cause of their own: those of one must not hide those of another.
    return f"a stream of {deployment} failed" if deployment else "a stream failed"


class Remembered(Protocol):
    @property
    def transaction_id(self) -> str: ...
    @property
    def size(self) -> int:
        """Bytes that it holds."""

    @property
    def conversation(self) -> str | None: ...
    @property
    def deployment(self) -> str | None: ...


T = TypeVar("T", bound=Remembered)


class _Passed(NamedTuple, Generic[T]):
    transaction_id: str
    conversation: str | None
    deployment: str | None
    held: T | None
    """The transaction itself, if nobody else keeps it."""
    size: int


class Flight(NamedTuple, Generic[T]):
    """What is pinned with a transaction."""

    written: Sequence[str]
    """The ids of those that the store has, or will have in a moment."""
    unwritten: Sequence[T]
    """Transactions that nobody has kept, to be written now."""


class FlightRecorder(Generic[T]):
    """Remembers the transactions that passed, within bounds of number and bytes."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._passed: deque[_Passed[T]] = deque()
        self._bytes = 0
        self._latest: dict[str, float] = {}

    def permits(self, cause: str, now: float) -> bool:
        """Whether a flight of this cause is due; it counts as made then. `now` is in seconds."""
        if now - self._latest.get(cause, float("-inf")) < _INTERVAL:
            return False
        if len(self._latest) >= _MOST_CAUSES:
            self._latest.clear()
        self._latest[cause] = now
        return True

    def passed(self, transaction: T, *, is_kept: bool) -> None:
        """Remember a transaction. One that is kept is remembered by its id alone."""
        size = 0 if is_kept else transaction.size
        about = (transaction.transaction_id, transaction.conversation, transaction.deployment)
        self._passed.append(_Passed(*about, None if is_kept else transaction, size))
        self._bytes += size
        while len(self._passed) > self._most * _SPREAD or self._bytes > self._most_bytes:
            self._bytes -= self._passed.popleft().size

    def flight(self, transaction: T) -> Flight[T]:
        """The transactions before this one that are pinned with it. They are not remembered any longer."""
        related = [each for each in reversed(self._passed) if _are_related(each, transaction)]
        others = [each for each in reversed(self._passed) if not _are_related(each, transaction)]
        chosen = [*related, *others][: self._most]
        ids = {each.transaction_id for each in chosen}
        self._passed = deque(each for each in self._passed if each.transaction_id not in ids)
        self._bytes = sum([each.size for each in self._passed])
        written = [each.transaction_id for each in chosen if each.held is None]
        return Flight(written, [each.held for each in chosen if each.held is not None])


def _are_related(passed: _Passed[T], transaction: Remembered) -> bool:
    same_conversation = transaction.conversation is not None and passed.conversation == transaction.conversation
    return same_conversation or (transaction.deployment is not None and passed.deployment == transaction.deployment)
