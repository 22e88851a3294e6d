"""What happened lately: the newest ends of transactions, and whatever else a live view shows of them.

Both rings are bounded. Something is added when a stream ends, or when it meets a thing worth showing: never per chunk.
"""

from collections import deque

from msgspec import Struct

from telemetry.names import Outcome

KEPT_MOMENTS, KEPT_ENDS = 100, 50


class _Moment(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", omit_defaults=True):
    at: float
    """Unix seconds."""
    transaction_id: str
    """The transaction that it happened to, or that brought it about."""


class Ended(_Moment, frozen=True, gc=False, kw_only=True, tag="ended"):
    """A transaction ended. Times are in seconds; `detail` tells of a failure of the gateway
    itself, or which model was asked for that there is not, or by which limit it was turned away."""

    model: str
    outcome: Outcome
    status: int
    duration_s: float
    api: str = ""
    error_type: str = ""
    detail: str = ""
    ttft_s: float | None = None
    key: str = ""
    deployment: str | None = None
    attempts: int = 0
    input_tokens: int = 0
    """Tokens of the prompt, those in a cache included."""
    output_tokens: int = 0
    cost_usd: float | None = None


class BreakerChanged(_Moment, frozen=True, gc=False, kw_only=True, tag="breaker"):
    breaker: str
    from_state: str
    to_state: str
    reason: str


class CallerKeptOut(_Moment, frozen=True, gc=False, kw_only=True, tag="caller_kept_out"):
    """The breaker before one caller alone opened."""

    breaker: str
    reason: str


class PolicyDecided(_Moment, frozen=True, gc=False, kw_only=True, tag="policy"):
    """A policy changed or refused something of a transaction, for the first time in this hook."""

    policy: str
    hook: str
    decision: str


class AttemptRetried(_Moment, frozen=True, gc=False, kw_only=True, tag="retry"):
    """An attempt failed, and another one was made after it."""

    deployment: str
    error_type: str
    retried_at: str
    """The deployment that was asked next."""


class BudgetPassed(_Moment, frozen=True, gc=False, kw_only=True, tag="budget"):
    """A `share` of a budget was passed. No transaction of this process did it where there is no id."""

    scope: str
    holder: str
    limit: str
    share: float
    used_usd: float
    budget_usd: float


class QueueFilled(_Moment, frozen=True, gc=False, kw_only=True, tag="queue_full"):
    """A queue of a stream was full, so its writer had to wait."""

    queue: str


Moment = Ended | BreakerChanged | CallerKeptOut | PolicyDecided | AttemptRetried | QueueFilled | BudgetPassed


class Moments:
    """The newest moments, and the newest ends; those that did not go well are among both."""

    def __init__(self) -> None:
        self._moments: deque[Moment] = deque(maxlen=KEPT_MOMENTS)
        self._ends: deque[Ended] = deque(maxlen=KEPT_ENDS)

    def add(self, moment: Moment) -> None:
        self._moments.append(moment)

    def ended(self, end: Ended) -> None:
        self._ends.append(end)
        if end.outcome != "ok":
            self._moments.append(end)

    def newest(self) -> tuple[Moment, ...]:
        """In the order in which they happened."""
        return tuple(self._moments)

    def newest_ends(self) -> tuple[Ended, ...]:
        """In the order in which they happened."""
        return tuple(self._ends)
