"""What passes between the gateway and the engine of limits: needs, denials, figures."""

from typing import Literal

from msgspec import Struct

from telemetry.names import QuotaLimit, QuotaScope

Window = Literal["calendar", "sliding"]
"""A calendar's hour, day or month in UTC, which begins anew at its end; or the time up to now."""


class StateLost(Exception):
    """What was used cannot be read, so that nothing may begin. The text says why, for the operator."""


class StateUnreachable(Exception):
    """How much is used cannot be asked at the moment, and `quotas.on_loss` says that nothing passes uncounted."""


class Need(Struct, frozen=True):
    """What a request may come to, before a provider is asked."""

    tokens: int
    """The prompt by an estimate, and the longest answer."""
    usd: float
    """The price of these tokens at the dearest deployment that may be asked."""


class Denial(Struct, frozen=True):
    """A limit that is in the way of a request."""

    scope: QuotaScope
    name: str
    """The key's or the team's, as telemetry has it."""
    limit: QuotaLimit
    most: float
    """What the limit allows, in its unit: requests, tokens, streams or US dollars."""
    used: float
    """How much of it is used or reserved; of `request_tokens`, what the request needs."""
    retry_after: float | None
    """Seconds until it would be let in if nobody else asked; a second where others first have to end. None where
    waiting does not help, as the request alone is beyond the limit."""
    resets_at: float | None
    """When all of the limit is there again, if nobody asks until then, in Unix time; None for limits without a time."""


class LimitUsage(Struct, frozen=True):
    """How much of a limit is used."""

    scope: QuotaScope
    name: str
    limit: QuotaLimit
    window: Window | None
    """It is None for limits without a time."""
    is_hard: bool
    """Whether requests beyond it are refused."""
    most: float
    used: float
    """By requests that have ended; of requests per minute and of streams, by all."""
    reserved: float
    """By requests that are open."""
    left: float
    resets_at: float | None
    """When all of it is there again, if nobody asks until then, in Unix time; None for limits without a time."""


class Remaining(Struct, frozen=True, gc=False):
    """What is left of a limit of requests or tokens in a minute, for the caller to know with every answer."""

    limit: QuotaLimit
    most: float
    left: float
    """What is neither used nor reserved."""
    resets_in: float
    """Seconds until all of it is there again, if nobody asks until then."""
    resets_at: float
    """When that is, in Unix time."""


class Crossed(Struct, frozen=True):
    """A share of a budget that has been passed, which is reported once in the budget's time."""

    scope: QuotaScope
    name: str
    limit: QuotaLimit
    window: Window
    share: float
    """1.0 where all of it is spent."""
    most: float
    """The budget in US dollars."""
    used: float
    """What is spent of it, in US dollars."""
    is_hard: bool


class StateFigures(Struct, frozen=True):
    """How well it is kept what is used."""

    age: float | None = None
    """Seconds since all of it was last known to be in the store; None where a process does not keep it."""
    losses: int = 0
    """How often it was not found, and began at zero, since this process started."""
    is_local: bool = False
    """Whether this process counts by itself, since the store that it shares with others cannot be reached."""
    began_at_zero: bool = False
    """Whether there was such a loss, whichever process tells of it."""
