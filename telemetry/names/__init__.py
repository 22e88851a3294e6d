"""Every name that telemetry emits, and what it means. Nothing else spells one out.

Here are the values that labels and attributes may have; `names.metrics` declares the metrics, `names.spans` the spans
and attributes, `names.events` the events. Names that begin with `gen_ai` or are OpenTelemetry's own follow its semantic
conventions; all others begin with `flowspan`.
"""

from enum import StrEnum
from typing import Literal, get_args

Outcome = Literal[
    "ok",
    "client_error",
    "policy_blocked",
    "upstream_error",
    "timeout",
    "overflow",
    "overloaded",
    "rate_limited",
    "breaker_open",
    "client_disconnect",
    "drained",
    "internal_error",
]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

NOT_A_FAULT: frozenset[Outcome] = frozenset({"ok", "client_error", "policy_blocked", "rate_limited"})
"""Outcomes that leave the transaction's span status unset: the gateway did what it should."""

OutcomeLevel = Literal["info", "warning", "error"]
OUTCOME_LEVELS: dict[Outcome, OutcomeLevel] = {
    "ok": "info",
    "client_error": "info",
    "policy_blocked": "info",
    "rate_limited": "info",
    "client_disconnect": "info",
    "upstream_error": "warning",
    "timeout": "warning",
    "overflow": "warning",
    "overloaded": "warning",
    "breaker_open": "warning",
    "drained": "warning",
    "internal_error": "error",
}
"""The level of a transaction's log line: `info` for what callers and policies decided, `warning` for what somebody did
not get who should have, `error` for defects of the gateway."""
StreamResult = Literal["complete", "failed", "cut", "left", "unanswered"]
STREAM_RESULTS: tuple[StreamResult, ...] = get_args(StreamResult)
"""What a client got of its stream: all of it, with the last event; a beginning, and an event that tells of the failure;
a beginning, and then the connection's end; a beginning, and then it left by itself; nothing before it left."""

Where = Literal["upstream", "admission", "policy", "queue", "format", "client"]
"""The parts of the time ledger: who a stream was waiting for."""
WHERE: tuple[Where, ...] = get_args(Where)

GATEWAY_SHARE: tuple[Where, ...] = ("policy", "queue", "format")
"""The parts that the gateway itself answers for: its overhead."""

APIS = ("openai_chat", "anthropic_messages", "openai_responses", "openai_completions", "openai_embeddings")
OPERATIONS = ("chat", "text_completion", "embeddings", "stored_response", "fetch_response")
UNKNOWN_MODALITY = "unknown"
"""Tokens are not told apart by text, image and audio."""
QUEUES = ("policy_out", "sse")
OTHER = "other"
"""The value of a label for everything that was not configured."""

Hook = Literal[
    "on_request",
    "on_response",
    "on_chunk",
    "on_content_delta",
    "on_content_complete",
    "on_thinking_delta",
    "on_thinking_complete",
    "on_tool_call_delta",
    "on_tool_call_complete",
    "on_finish_reason",
    "on_other_text",
    "on_stream_complete",
]
HOOKS: tuple[Hook, ...] = get_args(Hook)
"""The hooks of a policy in the order of a transaction; a test compares them with `app.policies.base.Policy`."""

CaptureMode = Literal["none", "span", "event", "both"]
"""Where captured content is recorded: on spans, as events, or both."""
Stage = Literal["policy_executor", "client_formatter"]
ContentKind = Literal["content", "tool_call", "thinking", "image", "audio", "file", "encrypted", "tokens"]
KINDS: tuple[ContentKind, ...] = get_args(ContentKind)
"""What a policy can look at."""
Signal = Literal["traces", "logs", "metrics", "console", "content", "events", "internal"]
SIGNALS: tuple[Signal, ...] = get_args(Signal)
"""What telemetry can lose: spans, exported log records and points of metrics, lines on stderr, captured content,
boundary events, and calls that failed by a defect of its own."""
EXPORTED: tuple[Signal, ...] = ("traces", "logs", "metrics", "console")
"""The signals that a thread of their own sends. All but metrics wait for it in a bounded queue."""
DropReason = Literal["queue_full", "export_failed", "shutdown", "limit", "defect"]
DROP_REASONS: tuple[DropReason, ...] = get_args(DropReason)
RecordingLoss = Literal["backlog", "store", "defect", "shutdown"]
RECORDING_LOSSES: tuple[RecordingLoss, ...] = get_args(RecordingLoss)
"""Why a recording is lost: too much waited for the store, the store could not take it, it could not be made, or the
process ended first."""
ExportResult = Literal["ok", "failed"]
EXPORT_RESULTS: tuple[ExportResult, ...] = get_args(ExportResult)


class BreakerState(StrEnum):
    CLOSED = "closed"
    """Traffic flows."""
    OPEN = "open"
    """Everybody is turned away."""
    HALF_OPEN = "half_open"
    """A few probes are let through, to find out."""


BREAKER_STATES = tuple(state.value for state in BreakerState)
BREAKER_TRANSITIONS: tuple[tuple[BreakerState, BreakerState], ...] = (
    (BreakerState.CLOSED, BreakerState.OPEN),
    (BreakerState.OPEN, BreakerState.HALF_OPEN),
    (BreakerState.HALF_OPEN, BreakerState.CLOSED),
    (BreakerState.HALF_OPEN, BreakerState.OPEN),
    (BreakerState.OPEN, BreakerState.CLOSED),
)
TripReason = Literal[
    "failures_in_window", "consecutive_failures", "failure_rate", "slow_calls", "abandoned", "probe_failed", "forced"
]
TRIP_REASONS: tuple[TripReason, ...] = get_args(TripReason)
"""Why a breaker opens; `forced`: an operator opened it."""
TransitionReason = TripReason | Literal["cooldown_over", "probe_succeeded", "released", "reset"]
RejectionReason = Literal["open", "probing", "caller"]
REJECTION_REASONS: tuple[RejectionReason, ...] = get_args(RejectionReason)
"""Why a breaker turns a request away; `caller`: by the breaker that stands before one caller alone."""
ReloadResult = Literal["applied", "unchanged", "refused", "failed"]
RELOAD_RESULTS: tuple[ReloadResult, ...] = get_args(ReloadResult)
"""What became of an attempt to read the configuration anew; `failed`: by a defect of the gateway's."""
ConnectionRefusal = Literal["total", "address", "descriptors", "aborted", "handshake"]
"""Why a client's connection was turned away: too many in all, too many from its address, no descriptor left for it; or
it broke off before it was accepted; or no TLS came about with it in time, or with the certificate that it showed."""
CONNECTION_REFUSALS: tuple[ConnectionRefusal, ...] = get_args(ConnectionRefusal)
LocalFailureKind = Literal["connections", "descriptors", "memory", "names", "network", "loop_lag"]
LOCAL_FAILURE_KINDS: tuple[LocalFailureKind, ...] = get_args(LocalFailureKind)
"""What the gateway's own machine can lack when a provider is to be asked."""
DISCONNECT_PHASES = ("before_first_byte", "streaming")
OVERHEAD_PHASES = ("first_chunk", "total")
AttemptReason = Literal["first", "retry", "fallback", "hedge", "probe"]
ATTEMPT_REASONS: tuple[AttemptReason, ...] = get_args(AttemptReason)
"""Why a provider was asked: for the first time, once more for the same model, in place of another model, beside an
attempt that takes long, or to find out how it is."""
TOKEN_TYPES = ("input", "cache_read", "cache_write", "output", "reasoning")
"""The disjoint parts of an attempt's tokens: the prompt apart from caches, what was read from one and written into one;
the answer apart from its reasoning, and that."""
AuthFailureReason = Literal["missing", "unknown", "expired", "revoked", "not_local"]
AUTH_FAILURE_REASONS: tuple[AuthFailureReason, ...] = get_args(AuthFailureReason)
"""Why somebody was not let in: no key, one that nobody has, one that has expired or that an operator has revoked; or no
keys are set, and the request is not one of this machine's."""
AdminResult = Literal["done", "refused", "failed", "denied"]
ADMIN_RESULTS: tuple[AdminResult, ...] = get_args(AdminResult)
"""What became of an operator's act; `refused`: it cannot be performed as things are, `failed`: the gateway did not
perform it in time, `denied`: whoever asked for it may not."""
NO_KEY, UNNAMED_KEY, MASTER_KEY = "none", "default", "master_key"
"""Names of keys in telemetry that no operator gave: of requests without a key, which are refused where there are keys;
of all keys without a name; of `general_settings.master_key`."""
RESERVED_KEY_NAMES = frozenset({NO_KEY, UNNAMED_KEY, MASTER_KEY, OTHER})
FailoverPhase = Literal["before_first_chunk", "before_first_token"]
FAILOVER_PHASES: tuple[FailoverPhase, ...] = get_args(FailoverPhase)
"""How far an attempt had come that another one made up for: nothing of a response was there, or a beginning that held
nothing of the answer."""
AttemptOutcome = Literal[
    "ok", "error", "timeout", "rate_limited", "unauthorized", "refused", "local", "cancelled", "outpaced"
]
ATTEMPT_OUTCOMES: tuple[AttemptOutcome, ...] = get_args(AttemptOutcome)
"""How an attempt at a deployment ended. `unauthorized`: the operator's key or account was refused; `refused`: what the
caller sent was; `local`: the gateway's own machine was in the way; `cancelled`: nobody wanted the rest of the answer;
`outpaced`: another attempt for the same request was faster.
"""
StatusClass = Literal["2xx", "3xx", "4xx", "429", "5xx", "other", "none"]
STATUS_CLASSES: tuple[StatusClass, ...] = get_args(StatusClass)
"""What a provider answered, by its HTTP status; `4xx` is without 429, `none` an attempt that ended without a response.
"""
LimitKind = Literal["requests", "tokens", "input_tokens", "output_tokens"]
LIMIT_KINDS: tuple[LimitKind, ...] = get_args(LimitKind)
"""What a provider counts against a rate limit of its own."""
QuotaLimit = Literal[
    "requests_per_minute",
    "tokens_per_minute",
    "streams",
    "request_tokens",
    "request_bytes",
    "budget_hour",
    "budget_day",
    "budget_month",
]
QUOTA_LIMITS: tuple[QuotaLimit, ...] = get_args(QuotaLimit)
"""What a key or a team may ask for and spend."""
QuotaScope = Literal["key", "team"]
QUOTA_SCOPES: tuple[QuotaScope, ...] = get_args(QuotaScope)
"""Whose limit it is: the limit of one caller, or of all of its team."""
WorkerRestartReason = Literal["killed", "crashed", "exited", "rolling_restart"]
WORKER_RESTART_REASONS: tuple[WorkerRestartReason, ...] = get_args(WorkerRestartReason)
"""Why a worker process had to be replaced: by SIGKILL, which is what a machine without memory sends, by another signal,
by itself, or as the operator had it."""
AdmissionRefusal = Literal["queue_full", "no_time", "timeout"]
ADMISSION_REFUSALS: tuple[AdmissionRefusal, ...] = get_args(AdmissionRefusal)
"""Why a request was not let to a deployment: too many waited, it could not have been served in time, or it was not."""
AdmissionResult = Literal["admitted", "refused", "left"]
ADMISSION_RESULTS: tuple[AdmissionResult, ...] = get_args(AdmissionResult)
"""How a wait for a deployment ended; `left`: nobody wanted the answer any more."""
PoolState = Literal["active", "idle", "waiting"]
POOL_STATES: tuple[PoolState, ...] = get_args(PoolState)
"""Connections to a provider that are in use, those that are kept for the next request, and requests that wait for one.
"""
CacheMissCause = Literal["tools", "system", "parameters", "message", "deployment", "expired", "provider"]
CACHE_MISS_CAUSES: tuple[CacheMissCause, ...] = get_args(CacheMissCause)
"""Why a prompt was not read from a cache that was warm: the block that changed first, another deployment, the time that
passed; or the provider, where nothing changed."""
CacheMissBy = Literal["client", "policy", "translation", "deployment", "time", "provider"]
"""Who is to blame for it."""
HIGH_WATER_MARKS = (50, 80, 100)
"""Fill levels of a queue, in percent of its capacity, that are worth an event."""

REQUEST_PREFIX = "req_"
"""Begins the ids of requests that are no transactions."""
OTHER_STATUSES = ("200", "400", "401", "403", "404", "405", "500", "503")
"""Statuses of the responses to such requests."""
TRANSACTION_PREFIX = "txn_"
SCOPE = "flowspan"
ACCESS_LOGGER = "flowspan.access"
OTHER_ACCESS_LOGGER = "flowspan.access.other"
"""For requests that are no transactions."""
EVENT_LOGGER = "flowspan.event"
