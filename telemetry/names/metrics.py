"""Every metric, declared as data: `METRICS` is the whole table, from which instruments and dashboards are made."""

from dataclasses import dataclass, replace
from typing import Literal

from telemetry.names.semconv import Semconv

GaugeMode = Literal["livesum", "livemax", "livemin", "livemostrecent"]
"""How a gauge adds up over the worker processes that live: prometheus-client's words."""


@dataclass(frozen=True)
class MetricSpec:
    """The declaration of a metric. `mode` is how a gauge adds up over several worker processes."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()
    mode: GaugeMode = "livesum"
    semconv: Semconv = "both"
    """By which conventions it has this name, where it depends on them."""


_B1 = tuple(round(0.01 * 2**n, 2) for n in range(14))
_B1_LONG = (*_B1, 160.0, 320.0, 600.0)
_B1_FINE = tuple(round(0.001 * 2**n, 3) for n in range(17))
_B2 = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_TTFT = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0)
_PER_TOKEN = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
_SILENCE = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_FILL = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
_TOKENS = tuple(float(4**n) for n in range(14))

GEN_AI_OPERATION = "gen_ai_operation_name"
GEN_AI_PROVIDER = "gen_ai_provider_name"
GEN_AI_MODEL = "gen_ai_request_model"
GEN_AI_TOKEN_TYPE = "gen_ai_token_type"
GEN_AI_MODALITY = "gen_ai_token_modality"
ATTEMPT_DEPLOYMENT = "flowspan_deployment"
"""Labels of the conventions' metrics are the conventions' attributes as Prometheus writes them; ours has our prefix."""

_GEN_AI = (GEN_AI_OPERATION, GEN_AI_PROVIDER, GEN_AI_MODEL)
_ATTEMPT = (*_GEN_AI, ATTEMPT_DEPLOYMENT)


def _counter(name: str, labels: tuple[str, ...], text: str) -> MetricSpec:
    return MetricSpec(name, "counter", labels, text)


def _gauge(name: str, labels: tuple[str, ...], text: str, mode: GaugeMode = "livesum") -> MetricSpec:
    return MetricSpec(name, "gauge", labels, text, mode=mode)


def _of(semconv: Semconv, spec: MetricSpec) -> MetricSpec:
    return replace(spec, semconv=semconv)


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
    "gen_ai_client_operation_duration_seconds",
    (*_ATTEMPT, "error_type"),
    _B1_LONG,
    "One attempt at a provider; with the names of 0.1, one that is neither inference nor embeddings.",
)
CLIENT_TTFC = _of(
    "1.41",
    _histogram(
        "gen_ai_client_operation_time_to_first_chunk_seconds",
        _ATTEMPT,
        _B1,
        "From the start of an attempt to the provider's first chunk.",
    ),
)
CLIENT_PER_CHUNK = _of(
    "1.41",
    _histogram(
        "gen_ai_client_operation_time_per_output_chunk_seconds",
        _ATTEMPT,
        _B1_FINE,
        "The gap between two chunks of a provider.",
    ),
)
TOKEN_USAGE = _of(
    "1.41",
    _histogram("gen_ai_client_token_usage", (*_ATTEMPT, GEN_AI_TOKEN_TYPE), _TOKENS, "Tokens of one attempt."),
)
INFERENCE_DURATION = _of(
    "0.1",
    _histogram(
        "gen_ai_client_inference_duration_seconds",
        (*_ATTEMPT, "error_type"),
        _B1_LONG,
        "One attempt at a provider to have a model generate something.",
    ),
)
INFERENCE_TTFC = _of("0.1", replace(CLIENT_TTFC, name="gen_ai_client_inference_time_to_first_chunk_seconds"))
INFERENCE_PER_CHUNK = _of(
    "0.1", replace(CLIENT_PER_CHUNK, name="gen_ai_client_inference_time_per_output_chunk_seconds")
)
INFERENCE_INPUT_TOKENS = _of(
    "0.1",
    _histogram("gen_ai_client_inference_operation_input_tokens", _ATTEMPT, _TOKENS, "Tokens of an attempt's prompt."),
)
INFERENCE_OUTPUT_TOKENS = _of(
    "0.1",
    _histogram("gen_ai_client_inference_operation_output_tokens", _ATTEMPT, _TOKENS, "Tokens of an attempt's answer."),
)
EMBEDDINGS_DURATION = _of(
    "0.1",
    _histogram(
        "gen_ai_client_embeddings_duration_seconds",
        (*_ATTEMPT, "error_type"),
        _B1_LONG,
        "One attempt at a provider to have vectors made.",
    ),
)
EMBEDDINGS_INPUT_TOKENS = _of(
    "0.1",
    _histogram(
        "gen_ai_client_embeddings_operation_input_tokens",
        _ATTEMPT,
        _TOKENS,
        "Tokens of texts of which vectors are made.",
    ),
)


def _usage(part: str, labels: tuple[str, ...], text: str) -> MetricSpec:
    return _of("0.1", _counter(f"gen_ai_client_inference_usage_{part}_total", (*labels, GEN_AI_MODALITY), text))


USAGE_INPUT = _usage("input_tokens", _ATTEMPT, "Tokens of prompts, those from and into caches included.")
USAGE_OUTPUT = _usage("output_tokens", _ATTEMPT, "Tokens of answers, those of reasoning included.")
USAGE_CACHE_READ = _usage("cache_read_input_tokens", _ATTEMPT[1:], "Of the prompts, tokens read from a cache.")
USAGE_CACHE_WRITE = _usage("cache_write_input_tokens", _ATTEMPT[1:], "Of the prompts, tokens written into a cache.")
USAGE_REASONING = _usage("reasoning_output_tokens", _ATTEMPT[1:], "Of the answers, tokens of reasoning.")
TOKENS = _counter(
    "flowspan_tokens_total",
    ("provider", "model", "deployment", "token_type"),
    "Tokens of all attempts, in parts that add up: none is counted twice.",
)
TOKENS_WITHOUT_USAGE = _counter(
    "flowspan_tokens_without_usage_total",
    ("provider", "model", "token_type"),
    "Tokens that no provider counted: an estimate, for streams that broke off and answers without usage.",
)
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
STREAMS_DELIVERED = _counter(
    "flowspan_streams_delivered_total",
    ("model", "result"),
    "Streams by what their clients got of them; one that was refused before it began is in none.",
)
LONGEST_SILENCE = _histogram(
    "flowspan_stream_longest_silence_seconds",
    ("model",),
    _SILENCE,
    "The longest time between two pieces of the answer sent to the client, one observation per stream; comments that "
    "keep it alive are no pieces.",
)
COST = _counter("flowspan_cost_usd_total", ("provider", "model"), "US dollars, for models whose price is known.")
UNPRICED_ATTEMPTS = _counter(
    "flowspan_unpriced_attempts_total",
    ("provider", "model"),
    "Attempts with tokens at a model whose price is not known: what they cost is in no sum.",
)
CACHE_MISSES = _counter(
    "flowspan_cache_misses_total",
    ("provider", "model", "cause"),
    "Prompts that a provider had in its cache and did not read from there.",
)
CACHE_LOST_TOKENS = _counter(
    "flowspan_cache_lost_tokens_total",
    ("provider", "model", "cause"),
    "Tokens of prompts that were paid for in full though they had been in a cache.",
)
ATTEMPTS = _counter(
    "flowspan_upstream_attempts_total", ("deployment", "reason"), "Attempts at a deployment, and why it was asked."
)
_KEY = ("key", "team")
KEY_REQUESTS = _counter(
    "flowspan_key_requests_total",
    (*_KEY, "outcome"),
    "Transactions that ended, by the name of the caller's key; `none` without one.",
)
KEY_STREAMS = _counter(
    "flowspan_key_streams_total",
    (*_KEY, "result"),
    "Streams by what their clients got of them, by the name of the caller's key.",
)
KEY_TOKENS = _counter(
    "flowspan_key_tokens_total",
    (*_KEY, "token_type"),
    "Tokens of all attempts for a key, each of one type: the sum over the types is what it used.",
)
KEY_COST = _counter(
    "flowspan_key_cost_usd_total",
    _KEY,
    "US dollars of all attempts for a key, for models whose price is configured.",
)
KEY_EXPIRY = _gauge(
    "flowspan_key_expiry_timestamp_seconds",
    _KEY,
    "From when on a caller has no valid key any more, in Unix time; none for those who always have one.",
    "livemax",
)
_HELD = ("scope", "holder", "limit", "mode")
QUOTA_RATIO = _gauge(
    "flowspan_quota_used_ratio",
    _HELD,
    "What is used and reserved of a limit or a budget of a key or a team, over what it allows.",
    "livemostrecent",
)
BUDGET_USED = _gauge(
    "flowspan_budget_used_usd",
    _HELD,
    "US dollars that a key or a team has spent in the time of its budget.",
    "livemostrecent",
)
BUDGET_RESERVED = _gauge(
    "flowspan_budget_reserved_usd",
    _HELD,
    "US dollars of a budget that open requests may cost at most.",
    "livemostrecent",
)
BUDGET_LIMIT = _gauge("flowspan_budget_limit_usd", _HELD, "US dollars of a budget.", "livemostrecent")
BUDGET_WARNING = _gauge(
    "flowspan_budget_warning_usd", _HELD, "US dollars from which on a budget is warned of first.", "livemostrecent"
)
QUOTA_REJECTIONS = _counter(
    "flowspan_quota_rejections_total",
    (*_KEY, "scope", "holder", "limit"),
    "Requests of a key that were turned away by a limit, its own or its team's, whose name is `holder`.",
)
QUOTA_STATE_AGE = _gauge(
    "flowspan_quota_state_age_seconds",
    (),
    "How long ago all that is used of limits was last known to be where a restart finds it; none where it is kept in "
    "memory alone.",
    "livemax",
)
QUOTA_STATE_LOSSES = _counter(
    "flowspan_quota_state_losses_total",
    (),
    "How often what was used of limits was not found where it is kept, and began at zero.",
)
QUOTA_STATE_LOCAL = _gauge(
    "flowspan_quota_state_local",
    (),
    "1 while limits are counted in this process alone, because the store that others share cannot be reached; else 0.",
    "livemax",
)
AUTH_FAILURES = _counter("flowspan_auth_failures_total", ("reason",), "Requests of callers who were not let in.")
ADMIN_ACTS = _counter(
    "flowspan_admin_acts_total", ("act", "result"), "Acts of operators by the admin API, and what became of them."
)
FAILOVERS = _counter(
    "flowspan_upstream_failovers_total",
    ("deployment", "phase"),
    "Attempts at a deployment that failed unseen by the client, as another one followed; and how far they had come.",
)
ATTEMPT_OUTCOMES = _counter(
    "flowspan_upstream_outcomes_total", ("deployment", "outcome"), "Attempts at a deployment that ended, and how."
)
UPSTREAM_RESPONSES = _counter(
    "flowspan_upstream_responses_total",
    ("deployment", "status_class"),
    "Responses of a deployment's provider by the class of their HTTP status; none for an attempt without a response.",
)
ATTEMPTS_IN_FLIGHT = _gauge(
    "flowspan_upstream_in_flight", ("deployment",), "Attempts at a deployment that are open now."
)
UPSTREAM_CERTIFICATE_EXPIRY = _gauge(
    "flowspan_upstream_certificate_expiry_timestamp_seconds",
    ("deployment",),
    "When the client certificate expires that a deployment's provider is shown, in Unix time; none where it is shown "
    "none.",
    "livemostrecent",
)
UPSTREAM_LIMIT = _gauge(
    "flowspan_upstream_limit",
    ("deployment", "limit"),
    "The provider's own rate limit, as the headers of its last response told it.",
    "livemostrecent",
)
UPSTREAM_LIMIT_REMAINING = _gauge(
    "flowspan_upstream_limit_remaining",
    ("deployment", "limit"),
    "What is left of the provider's rate limit, as the headers of its last response told it.",
    "livemostrecent",
)
UPSTREAM_CONNECTIONS = _gauge(
    "flowspan_upstream_connections",
    ("origin", "state"),
    "Connections to providers by the origin they lead to: in use, kept for later, and requests that wait for one.",
)
UPSTREAM_CONNECT = _histogram(
    "flowspan_upstream_connect_seconds",
    ("origin",),
    _B2,
    "From the look-up of a provider's name to an open connection, TLS included.",
)
UPSTREAM_RESENT = _counter(
    "flowspan_upstream_resent_requests_total",
    ("origin",),
    "Requests that went out once more, as the provider had closed the kept connection that they went out by.",
)
OTHER_REQUESTS = _counter(
    "flowspan_other_requests_total",
    ("route", "status"),
    "Requests on routes that are no model routes: probes, the list of models, unknown paths.",
)
CONNECTIONS = _gauge("flowspan_client_connections", (), "Connections of clients that are open now.")
CONNECTIONS_REFUSED = _counter(
    "flowspan_client_connections_refused_total", ("reason",), "Connections of clients that were turned away."
)
CERTIFICATE_EXPIRY = _gauge(
    "flowspan_tls_certificate_expiry_timestamp_seconds",
    ("subject",),
    "When the certificate of the gateway's port expires, in Unix time; none where the port speaks plain HTTP.",
    "livemin",
)
RETRIES_DENIED = _counter(
    "flowspan_retries_denied_total", ("model",), "Retries that were not made, for a model's retry budget was used up."
)
LOCAL_FAILURES = _counter(
    "flowspan_local_failures_total",
    ("kind",),
    "Attempts that failed for want of something on the gateway's own machine.",
)
UPSTREAM_CHUNKS = _counter("flowspan_upstream_chunks_total", (), "Chunks that came from providers.")
BODY_BYTES = _gauge(
    "flowspan_body_bytes", (), "Bytes of requests and whole answers that are held, decoded forms included."
)
BODY_LIMIT = _gauge("flowspan_body_limit_bytes", (), "Bytes of requests and whole answers that may be held.")
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

ADMISSION_WAITING = _gauge(
    "flowspan_admission_waiting_requests", ("deployment",), "Requests that wait for a deployment now."
)
ADMISSION_CAPACITY = _gauge(
    "flowspan_admission_capacity_requests",
    ("deployment",),
    "Attempts that may be under way at a deployment at a time; 0 where that is limited no more.",
    "livemax",
)
ADMISSION_ENQUEUED = _counter(
    "flowspan_admission_enqueued_requests_total", ("deployment",), "Requests that began to wait for a deployment."
)
ADMISSION_DEQUEUED = _counter(
    "flowspan_admission_dequeued_requests_total",
    ("deployment", "result"),
    "Requests whose wait for a deployment has ended, and how.",
)
ADMISSION_REFUSED = _counter(
    "flowspan_admission_refused_requests_total",
    ("deployment", "reason"),
    "Requests that were not let to a deployment; another one may have served them.",
)
ADMISSION_WAIT = _histogram(
    "flowspan_admission_wait_seconds", ("deployment",), _B1_FINE, "How long a request waited for a deployment."
)

BREAKER_STATE = _gauge(
    "flowspan_breaker_state", ("breaker", "state"), "1 for the state a breaker is in, else 0.", "livemax"
)
BREAKER_TRANSITIONS_TOTAL = _counter(
    "flowspan_breaker_transitions_total", ("breaker", "from_state", "to_state"), "Changes of a breaker's state."
)
BREAKER_TRIPS = _counter("flowspan_breaker_trips_total", ("breaker", "reason"), "Changes to open.")
BREAKER_CALLER_TRIPS = _counter(
    "flowspan_breaker_caller_trips_total",
    ("breaker", "reason"),
    "Callers that were shut out alone, for their own requests failed.",
)
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

RECORDINGS_WRITTEN = _counter("flowspan_recordings_written_total", (), "Recordings that the store has taken.")
RECORDINGS_LOST = _counter("flowspan_recordings_lost_total", ("reason",), "Recordings that should have been kept.")
RECORDER_WAITING = _gauge("flowspan_recorder_waiting_bytes", (), "Bytes of transactions that wait for the store.")
RECORDER_WAITING_LIMIT = _gauge(
    "flowspan_recorder_waiting_limit_bytes", (), "Bytes that may wait; 0 without a recorder."
)
RECORDER_STORE = _gauge("flowspan_recorder_store_bytes", (), "Bytes of the store that are in use.", "livemax")
CONFIG_RELOADS = _counter(
    "flowspan_config_reloads_total", ("result",), "Attempts to read the configuration anew, by what became of them."
)
CONFIG_SUCCESSFUL = _gauge(
    "flowspan_config_last_reload_successful",
    (),
    "1 if the configuration could be used when it was read last, 0 if it was refused and the one before stays.",
    "livemin",
)
CONFIG_SUCCESS_TIME = _gauge(
    "flowspan_config_last_reload_success_timestamp_seconds",
    (),
    "When a configuration was last read that could be used, in Unix time.",
    "livemax",
)
CONFIG_CHANGED_TIME = _gauge(
    "flowspan_config_changed_timestamp_seconds",
    (),
    "Since when the present configuration is in use, in Unix time.",
    "livemax",
)
CONFIG_GENERATION = _gauge(
    "flowspan_config_generation",
    (),
    "Counts the configurations of the process: 1 is that of its start, and each reload that changes something adds 1.",
    "livemax",
)
WORKERS = _gauge(
    "flowspan_workers", (), "Worker processes that take requests; 1 where a single process is the whole gateway."
)
WORKER_RESTARTS = _counter(
    "flowspan_worker_restarts_total",
    ("reason",),
    "Worker processes in whose place another was started: `rolling_restart` as it was asked for, the others as they "
    "died.",
)
BUILD_INFO = _gauge(
    "flowspan_build_info",
    ("version", "python"),
    "Always 1, with the versions that run as labels.",
    "livemax",
)
LOOP_LAG = _histogram("flowspan_event_loop_lag_seconds", (), _B2, "How late the event loop ran a timer.")

SUCCESSORS: dict[str, tuple[MetricSpec, ...]] = {
    CLIENT_DURATION.name: (INFERENCE_DURATION, EMBEDDINGS_DURATION),
    CLIENT_TTFC.name: (INFERENCE_TTFC,),
    CLIENT_PER_CHUNK.name: (INFERENCE_PER_CHUNK,),
}
"""The metrics that have the same series under the names of 0.1, by a metric's name up to 1.41."""

METRICS: tuple[MetricSpec, ...] = tuple(value for value in tuple(globals().values()) if isinstance(value, MetricSpec))

PROCESS: tuple[MetricSpec, ...] = (
    _gauge("process_start_time_seconds", (), "When the process started, in Unix time.", "livemax"),
    _counter("process_cpu_seconds_total", (), "CPU time of the process."),
    _gauge("process_resident_memory_bytes", (), "Memory of the process."),
    _gauge("process_virtual_memory_bytes", (), "Address space of the process."),
    _gauge("process_open_fds", (), "Open file descriptors: about two per open stream."),
    _gauge("process_max_fds", (), "File descriptors that the process may have."),
)
"""The metrics of the process that prometheus-client itself collects, on Linux."""
