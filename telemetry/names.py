"""Every name that telemetry emits: outcomes, spans, attributes, events, metrics. Nothing else spells one out.

Metrics are data: `METRICS` is the whole table, and `metrics.py` makes the instruments from it. Names that begin with
`gen_ai` or are OpenTelemetry's own follow its semantic conventions; all others begin with `flowspan`.
"""

from dataclasses import dataclass
from typing import Literal, get_args

Outcome = Literal[
    "ok",
    "client_error",
    "policy_blocked",
    "upstream_error",
    "timeout",
    "overflow",
    "breaker_open",
    "client_disconnect",
    "drained",
    "internal_error",
]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

NOT_A_FAULT: frozenset[Outcome] = frozenset({"ok", "client_error", "policy_blocked"})
"""Outcomes that leave the transaction's span status unset: the gateway did what it should."""

Where = Literal["upstream", "policy", "queue", "format", "client"]
"""The parts of the time ledger: who a stream was waiting for."""
WHERE: tuple[Where, ...] = get_args(Where)

GATEWAY_SHARE: tuple[Where, ...] = ("policy", "queue", "format")
"""The parts that the gateway itself answers for: its overhead."""

APIS = ("openai_chat", "anthropic_messages", "openai_responses", "openai_completions", "openai_embeddings")
OPERATIONS = ("chat", "text_completion", "embeddings", "stored_response")
QUEUES = ("policy_out", "sse")
OTHER = "other"
"""What a label says when the value is not one that was configured."""

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
    "on_stream_complete",
]
HOOKS: tuple[Hook, ...] = get_args(Hook)
"""Of a policy, in the order in which a transaction meets them; a test compares them with `app.policies.base.Policy`."""

Stage = Literal["policy_executor", "client_formatter"]
Kind = Literal["content", "tool_call", "thinking"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Signal = Literal["traces", "logs", "console", "content", "events", "internal"]
SIGNALS: tuple[Signal, ...] = get_args(Signal)
"""What telemetry can lose: spans, exported log records, lines on stderr, captured content, boundary events, and calls
that failed by a defect of its own."""
EXPORTED: tuple[Signal, ...] = ("traces", "logs", "console")
"""The signals that pass through a bounded queue to a thread of their own."""
DropReason = Literal["queue_full", "export_failed", "shutdown", "limit", "defect"]
DROP_REASONS: tuple[DropReason, ...] = get_args(DropReason)
ExportResult = Literal["ok", "failed"]
EXPORT_RESULTS: tuple[ExportResult, ...] = get_args(ExportResult)

BREAKER_STATES = ("closed", "open", "half_open")
BREAKER_TRANSITIONS = (
    ("closed", "open"),
    ("open", "half_open"),
    ("half_open", "closed"),
    ("half_open", "open"),
)
TRIP_REASONS = ("failures_in_window", "consecutive_failures", "failure_rate", "probe_failed")
REJECTION_REASONS = ("open", "probing")
DISCONNECT_PHASES = ("before_first_byte", "streaming")
OVERHEAD_PHASES = ("first_chunk", "total")
AttemptReason = Literal["first", "retry", "fallback"]
ATTEMPT_REASONS: tuple[AttemptReason, ...] = get_args(AttemptReason)
"""Why a provider was asked: for the first time, once more for the same model, or in place of another model."""
HIGH_WATER_MARKS = (50, 80, 100)
"""Percent of a queue's capacity."""

TRANSACTION_PREFIX = "txn_"
SCOPE = "flowspan"
ACCESS_LOGGER = "flowspan.access"
EVENT_LOGGER = "flowspan.event"


class Span:
    """Names of spans; the transaction's own is `{method} {route}`."""

    CHAT = "chat"
    POLICY = "flowspan.policy"
    STAGE = "flowspan.stage"
    QUEUE = "flowspan.queue"


class Attribute:
    HTTP_METHOD = "http.request.method"
    HTTP_ROUTE = "http.route"
    HTTP_STATUS = "http.response.status_code"
    URL_PATH = "url.path"
    URL_SCHEME = "url.scheme"
    SERVER_ADDRESS = "server.address"
    SERVER_PORT = "server.port"
    CLIENT_ADDRESS = "client.address"
    USER_AGENT = "user_agent.original"
    PROTOCOL_VERSION = "network.protocol.version"
    ERROR_TYPE = "error.type"
    EXCEPTION_TYPE = "exception.type"
    EXCEPTION_MESSAGE = "exception.message"
    EXCEPTION_STACKTRACE = "exception.stacktrace"

    OPERATION = "gen_ai.operation.name"
    PROVIDER = "gen_ai.provider.name"
    REQUEST_MODEL = "gen_ai.request.model"
    REQUEST_STREAM = "gen_ai.request.stream"
    RESPONSE_ID = "gen_ai.response.id"
    UPSTREAM_REQUEST_ID = "flowspan.upstream.request_id"
    RESPONSE_MODEL = "gen_ai.response.model"
    FINISH_REASONS = "gen_ai.response.finish_reasons"
    INVALID_CALLS = "flowspan.invalid_tool_calls"
    TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
    INPUT_TOKENS = "gen_ai.usage.input_tokens"
    OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
    CACHE_READ_TOKENS = "gen_ai.usage.cache_read.input_tokens"
    CACHE_CREATION_TOKENS = "gen_ai.usage.cache_creation.input_tokens"
    REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"
    SYSTEM_INSTRUCTIONS = "gen_ai.system_instructions"
    INPUT_MESSAGES = "gen_ai.input.messages"
    OUTPUT_MESSAGES = "gen_ai.output.messages"
    TOOL_DEFINITIONS = "gen_ai.tool.definitions"

    TRANSACTION_ID = "flowspan.transaction_id"
    API = "flowspan.api"
    POLICY = "flowspan.policy"
    HOOK = "flowspan.hook"
    DECISION = "flowspan.decision"
    STAGE = "flowspan.stage"
    DEPLOYMENT = "flowspan.deployment"
    OUTCOME = "flowspan.outcome"
    DETAIL = "flowspan.detail"
    TTFT = "flowspan.ttft_s"
    OVERHEAD = "flowspan.overhead_s"
    CHUNKS_IN = "flowspan.chunks_in"
    CHUNKS_OUT = "flowspan.chunks_out"
    COST = "flowspan.cost_usd"
    CLIENT_DISCONNECTED = "flowspan.client_disconnected"
    CONTENT_TRUNCATED = "flowspan.content_truncated"
    BREAKER = "flowspan.breaker"
    FROM_STATE = "flowspan.from_state"
    TO_STATE = "flowspan.to_state"
    REASON = "flowspan.reason"
    LINK = "flowspan.link"
    QUEUE_NAME = "flowspan.queue.name"
    QUEUE_CAPACITY = "flowspan.queue.capacity"
    QUEUE_ITEMS_IN = "flowspan.queue.items_in"
    QUEUE_ITEMS_OUT = "flowspan.queue.items_out"
    QUEUE_DEPTH_MAX = "flowspan.queue.depth_max"
    QUEUE_BYTES_MAX = "flowspan.queue.bytes_max"
    QUEUE_OVERFLOWS = "flowspan.queue.overflows"
    QUEUE_PUT_BLOCKED = "flowspan.queue.put_blocked_s"
    QUEUE_GET_WAIT = "flowspan.queue.get_wait_s"
    QUEUE_RESIDENCE_P50 = "flowspan.queue.residence_p50_s"
    QUEUE_RESIDENCE_P99 = "flowspan.queue.residence_p99_s"
    QUEUE_DISCARDED = "flowspan.queue.discarded"
    QUEUE_PERCENT = "flowspan.queue.percent"
    QUEUE_DEPTH = "flowspan.queue.depth"
    QUEUE_BYTES = "flowspan.queue.bytes"


TIME: dict[Where, str] = {where: f"flowspan.time.{where}_s" for where in WHERE}
"""The attributes of the time ledger."""


class Event:
    """Boundary events: the moments of a transaction that are worth a timestamp, never one per chunk."""

    REQUEST_RECEIVED = "request.received"
    REQUEST_SENT = "request.sent"
    UPSTREAM_FIRST_CHUNK = "upstream.first_chunk"
    POLICY_DECISION = "policy.decision"
    QUEUE_HIGH_WATER = "queue.high_water"
    BREAKER_STATE_CHANGE = "breaker.state_change"
    CLIENT_FIRST_BYTE = "client.first_byte"
    CLIENT_DISCONNECTED = "client.disconnected"
    RESPONSE_COMPLETED = "response.completed"
    EXCEPTION = "exception"
    CONTENT = "gen_ai.client.inference.operation.details"


ONCE = frozenset({Event.REQUEST_RECEIVED, Event.CLIENT_FIRST_BYTE, Event.CLIENT_DISCONNECTED, Event.RESPONSE_COMPLETED})
"""Told once per transaction, by whoever sees them first."""


@dataclass(frozen=True)
class MetricSpec:
    """`mode` is how a gauge adds up over several worker processes."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()
    mode: Literal["livesum", "livemax"] = "livesum"


_B1 = tuple(round(0.01 * 2**n, 2) for n in range(14))
_B1_LONG = (*_B1, 160.0, 320.0, 600.0)
_B1_FINE = tuple(round(0.001 * 2**n, 3) for n in range(17))
_B2 = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_TTFT = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0)
_PER_TOKEN = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
_FILL = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
_TOKENS = tuple(float(4**n) for n in range(14))

_GEN_AI = ("operation", "provider", "model")


def _counter(name: str, labels: tuple[str, ...], text: str) -> MetricSpec:
    return MetricSpec(name, "counter", labels, text)


def _gauge(
    name: str, labels: tuple[str, ...], text: str, mode: Literal["livesum", "livemax"] = "livesum"
) -> MetricSpec:
    return MetricSpec(name, "gauge", labels, text, mode=mode)


def _histogram(name: str, labels: tuple[str, ...], buckets: tuple[float, ...], text: str) -> MetricSpec:
    return MetricSpec(name, "histogram", labels, text, buckets)


REQUESTS = _counter("flowspan_requests_total", ("api", "model", "stream", "outcome"), "Transactions that ended.")
SERVER_DURATION = _histogram(
    "gen_ai_server_request_duration_seconds",
    (*_GEN_AI, "error_type"),
    _B1_LONG,
    "From a request's head to the last byte sent to the client.",
)
SERVER_TTFT = _histogram(
    "gen_ai_server_time_to_first_token_seconds",
    _GEN_AI,
    _TTFT,
    "From a request's head to the first piece of the answer sent to the client; streams only.",
)
SERVER_PER_TOKEN = _histogram(
    "gen_ai_server_time_per_output_token_seconds",
    _GEN_AI,
    _PER_TOKEN,
    "Mean time per output token after the first, one observation per stream.",
)
CLIENT_DURATION = _histogram(
    "gen_ai_client_operation_duration_seconds", (*_GEN_AI, "error_type"), _B1_LONG, "One attempt at a provider."
)
CLIENT_TTFC = _histogram(
    "gen_ai_client_operation_time_to_first_chunk_seconds",
    _GEN_AI,
    _B1,
    "From the start of an attempt to the provider's first chunk.",
)
CLIENT_PER_CHUNK = _histogram(
    "gen_ai_client_operation_time_per_output_chunk_seconds",
    _GEN_AI,
    _B1_FINE,
    "The gap between two chunks of a provider.",
)
TOKEN_USAGE = _histogram("gen_ai_client_token_usage", (*_GEN_AI, "token_type"), _TOKENS, "Tokens of one attempt.")
OVERHEAD = _histogram(
    "flowspan_overhead_seconds",
    ("api", "phase"),
    _B2,
    "Time that the gateway itself took: policies, queues, translation; until the first piece sent, and in all.",
)
STREAM_SECONDS = _counter(
    "flowspan_stream_seconds_total", ("where",), "The time ledger: whom open transactions were waiting for."
)
IN_FLIGHT = _gauge("flowspan_streams_in_flight", ("api",), "Transactions that are open now.")
DISCONNECTS = _counter(
    "flowspan_client_disconnects_total", ("api", "phase"), "Clients that left before their answer ended."
)
COST = _counter("flowspan_cost_usd_total", ("provider", "model"), "US dollars, for models whose price is configured.")
ATTEMPTS = _counter(
    "flowspan_upstream_attempts_total", ("deployment", "reason"), "Attempts at a deployment, and why it was asked."
)
UPSTREAM_CHUNKS = _counter("flowspan_upstream_chunks_total", (), "Chunks that came from providers.")
CLIENT_BYTES = _counter("flowspan_client_bytes_total", (), "Bytes of answers that clients have taken.")

QUEUE_DEPTH = _gauge("flowspan_queue_depth_items", ("queue",), "Items waiting, over all open streams.")
QUEUE_BYTES = _gauge("flowspan_queue_bytes", ("queue",), "Bytes waiting, over all open streams.")
QUEUE_DEPTH_PEAK = _gauge(
    "flowspan_queue_depth_peak_items", ("queue",), "The fullest queue of any stream in the last 60 s.", "livemax"
)
QUEUE_CAPACITY = _gauge("flowspan_queue_capacity_items", ("queue",), "Items that one stream's queue holds.", "livemax")
QUEUE_ENQUEUED = _counter("flowspan_queue_enqueued_items_total", ("queue",), "Items put into a queue.")
QUEUE_DEQUEUED = _counter("flowspan_queue_dequeued_items_total", ("queue",), "Items taken out of a queue.")
QUEUE_DISCARDED = _counter("flowspan_queue_discarded_items_total", ("queue",), "Items that no reader wanted any more.")
QUEUE_OVERFLOWS = _counter("flowspan_queue_overflows_total", ("queue",), "Streams that ended for want of room.")
QUEUE_PUT_BLOCKED = _counter(
    "flowspan_queue_put_blocked_seconds_total", ("queue",), "Time that writers waited for room."
)
QUEUE_RESIDENCE = _histogram("flowspan_queue_residence_seconds", ("queue",), _B2, "How long an item waited.")
QUEUE_HIGH_WATER = _histogram(
    "flowspan_queue_high_water_ratio", ("queue",), _FILL, "Peak depth over capacity, one observation per stream."
)

BREAKER_STATE = _gauge("flowspan_breaker_state", ("breaker", "state"), "1 for the state a breaker is in, else 0.")
BREAKER_TRANSITIONS_TOTAL = _counter(
    "flowspan_breaker_transitions_total", ("breaker", "from_state", "to_state"), "Changes of a breaker's state."
)
BREAKER_TRIPS = _counter("flowspan_breaker_trips_total", ("breaker", "reason"), "Changes to open.")
BREAKER_REJECTIONS = _counter(
    "flowspan_breaker_rejections_total", ("breaker", "reason"), "Requests or attempts that a breaker turned away."
)

POLICY_HOOK_SECONDS = _histogram("flowspan_policy_hook_seconds", ("policy", "hook"), _B2, "One call of a hook.")
POLICY_DECISIONS = _counter("flowspan_policy_decisions_total", ("policy", "hook", "decision"), "What policies decided.")
POLICY_EVALUATED = _counter("flowspan_policy_evaluated_total", ("policy", "kind"), "What a policy looked at.")
POLICY_SKIPPED = _counter(
    "flowspan_policy_skipped_total", ("policy", "kind"), "What a policy should have looked at and did not."
)
POLICY_HOLD = _histogram(
    "flowspan_policy_hold_seconds", ("policy", "kind"), _B2, "How long a policy kept back what it later released."
)
POLICY_TIMEOUTS = _counter("flowspan_policy_timeouts_total", ("policy", "hook"), "Hooks that took too long.")
POLICY_FAILURES = _counter(
    "flowspan_policy_failures_total", ("policy", "hook"), "Hooks that raised, or returned what is no answer."
)
POLICY_LOADED = _gauge(
    "flowspan_policy_loaded_timestamp_seconds", ("policy",), "When a policy was last loaded, in Unix time.", "livemax"
)

TELEMETRY_QUEUE = _gauge("flowspan_telemetry_queue_items", ("signal",), "Telemetry that waits to be exported.")
TELEMETRY_CAPACITY = _gauge("flowspan_telemetry_queue_capacity_items", ("signal",), "Telemetry that may wait.")
TELEMETRY_DROPPED = _counter(
    "flowspan_telemetry_items_dropped_total", ("signal", "reason"), "Spans, log records, lines and events lost."
)
TELEMETRY_EXPORTS = _counter(
    "flowspan_telemetry_exports_total", ("signal", "result"), "Batches handed to the collector or to stderr."
)
LOOP_LAG = _histogram("flowspan_event_loop_lag_seconds", (), _B2, "How late the event loop ran a timer.")

METRICS: tuple[MetricSpec, ...] = tuple(value for value in tuple(globals().values()) if isinstance(value, MetricSpec))

PROCESS: tuple[MetricSpec, ...] = (
    _gauge("process_start_time_seconds", (), "When the process started, in Unix time.", "livemax"),
    _counter("process_cpu_seconds_total", (), "CPU time of the process."),
    _gauge("process_resident_memory_bytes", (), "Memory of the process."),
    _gauge("process_virtual_memory_bytes", (), "Address space of the process."),
    _gauge("process_open_fds", (), "Open file descriptors: about two per open stream."),
    _gauge("process_max_fds", (), "File descriptors that the process may have."),
)
"""What prometheus-client itself tells of the process, on Linux."""
