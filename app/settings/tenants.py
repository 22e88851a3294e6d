"""Who may call, and how much: keys, the teams they belong to, their limits and budgets."""

from datetime import datetime
from hashlib import sha256
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from app.settings.units import ByteSize, Count, Share

Dollars = Annotated[float, Meta(gt=0)]
Priority = Annotated[int, Meta(ge=-100, le=100)]


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """What a key or a team may ask for. What is not set is not limited."""

    requests_per_minute: Count | None = None
    """Requests within any minute."""
    tokens_per_minute: Count | None = None
    """Tokens of prompts and answers within any minute, tokens read from a provider's cache included."""
    streams: Count | None = None
    """Requests to models, streamed or not, that are open at a time."""
    request_tokens: Count | None = None
    """Tokens that one request may come to: its prompt, by an estimate, and the longest answer that it allows."""
    request_bytes: ByteSize | None = None
    """Bytes of one request's body."""


class Budget(Struct, frozen=True, forbid_unknown_fields=True):
    """What may be spent within a time."""

    usd: Dollars
    """US dollars."""
    per: Literal["hour", "day", "month"] = "month"
    """The time within which they may be spent; a sliding month is 30 days."""
    window: Literal["calendar", "sliding"] = "calendar"
    """`calendar` begins anew with each hour, day or month in UTC; `sliding` looks back from now."""
    mode: Literal["hard", "warn"] = "hard"
    """Whether requests beyond it are refused, or only told of."""
    warn_at: tuple[Share, ...] = (0.8,)
    """Shares of it at whose passing the log, the metrics and an alert say so."""


class Team(Struct, frozen=True, forbid_unknown_fields=True):
    """What all keys of a team share."""

    limits: Limits = field(default_factory=Limits)
    """What all of them may ask for together."""
    budgets: tuple[Budget, ...] = ()
    """What all of them may spend together."""
    models: tuple[str, ...] = ()
    """The models that its keys may ask for, `*` for any text; none for all."""


class Entitlement(Struct, frozen=True):
    """What one caller may do."""

    models: tuple[str, ...] = ()
    """The models that it may ask for, `*` for any text; none for all."""
    limits: Limits = field(default_factory=Limits)
    budgets: tuple[Budget, ...] = ()
    policies: tuple[str, ...] = ()
    """Names of policies that are applied to its requests beside those that apply to everybody's."""
    priority: Priority = 0
    """Who goes first where requests wait for a deployment: the greater."""


def digest_of(key: str) -> bytes:
    """The SHA-256 of a key, by which it is known. What is no UTF-8 in a header has surrogates in its place."""
    return sha256(key.encode("utf-8", "surrogateescape")).digest()


class Key(Struct, frozen=True):
    """A key that callers may present. Several of one name are one caller's, who changes from the one to the other."""

    digest: bytes
    """By `digest_of`."""
    name: str | None = None
    """A key without a name stands for a caller of its own."""
    secret: str | None = None
    """The key in clear, where it is known: weak ones are refused, and what is told is scrubbed of it."""
    team: str | None = None
    labels: dict[str, str] = {}
    """What else the operator knows of the caller, for spans and log lines."""
    expires: datetime | None = None
    """From when on it is refused, with a zone."""
    entitlement: Entitlement = field(default_factory=Entitlement)
    """What its holder may do; all keys of one name have the same."""

    def __repr__(self) -> str:
        """Whose it is, for whoever comes upon it in a traceback or a debugger; never the key."""
        return f"Key({self.caller!r})"

    @property
    def caller(self) -> str:
        """The id of who holds it, which does not reveal it: the same in every process, and for all keys of a name."""
        return self.digest[:8].hex() if self.name is None else f"key:{self.name}"

    @classmethod
    def in_clear(cls, secret: str, name: str | None = None) -> "Key":
        return cls(digest_of(secret), name, secret)


class QuotaSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where it is kept how much of limits and budgets is used."""

    store: str = "memory"
    """`memory`, which a restart forgets; `sqlite:///FILE` (a path from the working directory; with four slashes, an
    absolute one); or `redis://...`, which several gateways may share."""
    on_loss: Literal["start_at_zero", "refuse"] = "start_at_zero"
    """What is done at the start where the store cannot be read, and later while it cannot be reached: budgets begin at
    nothing, with a warning and a metric; or the gateway does not start, and refuses what it cannot count."""
    answer_tokens: Count = 4_096
    """Tokens that are reserved for an answer where neither the request nor the deployment says how long it may be. A
    longer one is charged when it ends; so the sum of what such answers have beyond this may exceed a limit."""
    unpriced: Literal["refuse", "allow"] = "refuse"
    """Whether a caller with a budget may ask for a model whose price is not known."""
