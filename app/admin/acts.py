"""What can be done to a running gateway, as values that go between threads and processes.

An act is a tagged struct, and its outcome plain data as JSON has it. A process performs acts on its own event loop;
where several serve together, the one that looks after them performs an act by having each of them perform it, and
merges what they give back (`app.admin.merging`).

The names of acts that change nothing begin with `get_` or `list_`.
"""

import re
from typing import Annotated, Any, ClassVar, Protocol, get_args

import msgspec
from msgspec import Meta, Struct

from telemetry.logs.records import Level

Outcome = dict[str, Any]
Duration = Annotated[float, Meta(gt=0, le=30 * 86_400)]
"""Seconds; a month at most."""
_TIME_LIMIT = 2.0
MOST_REQUESTS = 1_000
"""Requests in flight that one outcome lists."""


def _tag(name: str) -> str:
    """The name of an act, `list_keys` of ListKeys."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


class Act(Struct, frozen=True, tag_field="act", tag=_tag, forbid_unknown_fields=True):
    """The base of all acts."""

    time_limit: ClassVar[float] = _TIME_LIMIT
    """Seconds that it may take, once it has begun."""

    @property
    def name(self) -> str:
        return _tag(type(self).__name__)

    @property
    def changes(self) -> bool:
        """Whether it does more than to look."""
        return not self.name.startswith(("get_", "list_"))

    @property
    def arguments(self) -> dict[str, Any]:
        """Its fields that are set, as the audit log has them."""
        values = msgspec.to_builtins(self)
        return {key: value for key, value in values.items() if key != "act" and value is not None}


class GetStatus(Act, frozen=True):
    """What serves. `{"version", "processes": [{"pid", "started_at", "uptime_seconds", "generation", "in_flight",
    "leaving", "models", "deployments", "keys", "log_level"}]}`; times are Unix seconds, `generation` that of the
    configuration."""


class ListKeys(Act, frozen=True):
    """The keys of callers, never what they present. `{"keys": [{"id", "name", "team", "labels", "expires", "expired",
    "revoked", "models", "policies", "priority", "limits", "budgets", "requests", "tokens", "cost_usd"}]}`; `id` is the
    beginning of the key's hash, the last three count all keys of the name since the start."""


class RevokeKey(Act, frozen=True):
    """Refuse a key from now on, until it is restored or the gateway is started anew; a reload changes nothing of it.
    `{"keys": [{"id", "name", "revoked"}]}`, those it concerns."""

    key: str
    """Its id, or the name of all that are to be revoked."""


class RestoreKey(Act, frozen=True):
    """Let a revoked key in again. The outcome is that of `revoke_key`."""

    key: str
    """Its id, or the name of all that are to be restored."""


class GetUsage(Act, frozen=True):
    """What the callers with a key have used of their limits. `{"key", "requests", "tokens", "cost_usd", "limits"}`;
    `limits` are as `GET /v1/usage` tells a caller of its own, the other figures count since the start."""

    key: str
    """The name of the key, or the id of one without a name."""


class ListBreakers(Act, frozen=True):
    """All breakers. `{"breakers": [{"breaker", "state", "reason", "seconds_left", "forced", "callers_kept_out"}]}`;
    `seconds_left` is null where it is not open, or nobody knows."""


class ResetBreaker(Act, frozen=True):
    """Close a breaker and forget what was counted, of single callers too. The outcome is the breaker as it is then."""

    breaker: str


class OpenBreaker(Act, frozen=True):
    """Keep a breaker open, whatever comes. The outcome is the breaker as it is then."""

    breaker: str
    seconds: Duration | None = None
    """For how long; None for until it is released or reset."""


class ReleaseBreaker(Act, frozen=True):
    """Have a breaker that was forced open let probes through. The outcome is the breaker as it is then."""

    breaker: str


class ListDeployments(Act, frozen=True):
    """All deployments. `{"deployments": [{"deployment", "model", "provider_model", "provider", "order", "weight",
    "configured_weight", "drained", "breaker", "in_flight"}]}`; `breaker` is the state of its breaker, `in_flight`
    counts requests."""


class DrainDeployment(Act, frozen=True):
    """Send nobody to a deployment any more; what it answers goes on. The outcome is the deployment as it is then."""

    deployment: str


class RestoreDeployment(Act, frozen=True):
    """End a drain. The outcome is the deployment as it is then."""

    deployment: str


class SetWeight(Act, frozen=True):
    """Have a deployment chosen by another weight. The outcome is the deployment as it is then."""

    deployment: str
    weight: Annotated[float, Meta(ge=0, le=1e9)] | None = None
    """How often it is chosen among others; None for the weight in the configuration."""


class GetLogLevel(Act, frozen=True):
    """The level of the process's log. `{"level", "seconds_left", "then"}`; the last two are null unless it falls back
    to another level by itself."""


class SetLogLevel(Act, frozen=True):
    """Have the log begin at another level. The outcome is that of `get_log_level`."""

    level: Level
    seconds: Duration | None = None
    """After so long the log has the level again that it has now; None for never."""


class Reload(Act, frozen=True):
    """Read the configuration anew. `{"generation", "changed": [...], "needs_restart": [...], "warnings": [...]}`."""

    time_limit: ClassVar[float] = 60.0


class GetChanges(Act, frozen=True):
    """What a reload would change now, or why it would be refused; nothing is changed. The outcome is that of `reload`,
    with the generation that is in use."""

    time_limit: ClassVar[float] = 60.0


class RestartWorkers(Act, frozen=True):
    """Replace the workers one by one, each by a new one that serves before the old one leaves; they serve the
    configuration as it is then. `{"replaced", "generation"}`."""

    time_limit: ClassVar[float] = 300.0


class ListRequests(Act, frozen=True):
    """The requests in flight, the oldest first. `{"requests": [{"transaction_id", "api", "key", "model", "deployment",
    "conversation", "seconds", "waiting_for", "bytes_sent", "bytes_queued", "stream", "pid"}], "total"}`."""

    key: str | None = None
    """Only those with a key of this name."""
    limit: Annotated[int, Meta(ge=1, le=MOST_REQUESTS)] = 100


class CancelRequest(Act, frozen=True):
    """End a request in flight; its client gets an error. `{"cancelled": 1}`."""

    transaction_id: str


class CancelRequests(Act, frozen=True):
    """End all requests in flight of a key. `{"cancelled"}`, how many there were."""

    key: str
    """The name of the key."""


class ListAudit(Act, frozen=True):
    """The latest acts. `{"entries": [...]}`, as `app.admin.audit.AuditEntry` has them, the newest last."""

    limit: Annotated[int, Meta(ge=1, le=1_000)] = 50


AnyAct = (
    GetStatus
    | ListKeys
    | RevokeKey
    | RestoreKey
    | GetUsage
    | ListBreakers
    | ResetBreaker
    | OpenBreaker
    | ReleaseBreaker
    | ListDeployments
    | DrainDeployment
    | RestoreDeployment
    | SetWeight
    | GetLogLevel
    | SetLogLevel
    | Reload
    | GetChanges
    | RestartWorkers
    | ListRequests
    | CancelRequest
    | CancelRequests
    | ListAudit
)
ACTS: tuple[type[Act], ...] = get_args(AnyAct)
NAMES = tuple(_tag(one.__name__) for one in ACTS)

decode_act = msgspec.msgpack.Decoder(AnyAct).decode
"""An act from MessagePack, as one process sends it to another. Raises msgspec.MsgspecError."""


class Refused(Exception):
    """The act cannot be performed; the text is for whoever asked."""


class NotPerformed(Exception):
    """The act was not performed in time, or it is not known whether it was; the text is for whoever asked."""


class Performer(Protocol):
    """Performs acts on the gateway: that of this process, or all that serve together."""

    async def perform(self, act: Act, actor: str) -> Outcome:
        """Do it, and say what became of it. `actor` is who asked, for the audit log. Raises Refused, or NotPerformed
        where there was no time for it."""
