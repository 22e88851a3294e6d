"""What is measured side by side: the rows of the table."""

from collections.abc import Mapping
from dataclasses import dataclass, field

CHAT, ANTHROPIC, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
TENSORZERO = "/openai/v1/chat/completions"


@dataclass(frozen=True)
class Row:
    """One row. `kind` says what is started, with `workers` if it has several processes; `settings` is the `gateway`
    section of our configuration, in which `{folder}` is one that is removed at the end; `environment` is added. With
    `is_priced` the models have prices; with `is_encrypted` the provider is asked by TLS. Requests ask `path` (by which
    the dialect is known) for `model` and a suffix; in their `headers`, `{client}` is the number of the client. Ratios
    are to the row `beside`."""

    name: str
    kind: str
    note: str
    path: str = CHAT
    prefix: str = ""
    settings: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    workers: int | None = None
    is_priced: bool = False
    is_encrypted: bool = False
    beside: str = "floor"
    headers: Mapping[str, str] = field(default_factory=dict)


TRACED = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:{upstream}"}
SAMPLED = {**TRACED, "OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1"}
OFF = {"OTEL_SDK_DISABLED": "true"}
LITELLM = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
}
"""Settings that let it start without network and key, as all others do."""
QUIET = "telemetry: {log_level: warning}"
_LIMITS = "limits: {requests_per_minute: 10000000, tokens_per_minute: 10000000000, streams: 100000}"
_BUDGET = "budget: {usd: 10000000, per: month}"
TENANTS = (
    f"teams: {{bench: {{{_LIMITS}, {_BUDGET}}}}}\n"
    f"keys: [{{name: caller, key: bench, team: bench, {_LIMITS}, {_BUDGET}}}]"
)
"""A key in a team, each with every limit by the minute and a budget, none of which is ever reached."""

ROWS = (
    Row("direct", "none", "no gateway at all"),
    Row("relay", "relay", "bytes from socket to socket with uvloop, nothing parsed: a lower bound, no gateway"),
    Row("floor", "floor", "bare FastAPI + uvicorn + aiohttp byte passthrough"),
    Row("re-encoding floor", "reencode", "the same, each event parsed and encoded again"),
    Row(
        "flowspan", "flowspan", "its defaults: every trace to an OTLP receiver, metrics, access log", environment=TRACED
    ),
    Row("flowspan, earlier", "earlier", "the same of an earlier version", environment=TRACED),
    Row("flowspan, Anthropic", "flowspan", "Anthropic client and provider", ANTHROPIC, "claude-", environment=TRACED),
    Row(
        "flowspan, Responses", "flowspan", "OpenAI's Responses API, client and provider", RESPONSES, environment=TRACED
    ),
    Row("flowspan, cross dialect", "flowspan", "OpenAI client, Anthropic model", CHAT, "claude-", environment=TRACED),
    Row("flowspan, redact", "flowspan", "all four patterns", settings="policies: [redact]", environment=TRACED),
    Row(
        "flowspan, tenants",
        "flowspan",
        "a named key in a team, each with limits and a budget, and a conversation for each client",
        settings=TENANTS,
        environment=TRACED,
        is_priced=True,
        headers={"session-id": "conversation-of-client-{client}"},
    ),
    Row("flowspan, recorder", "flowspan", "recordings in memory", settings="recorder: memory", environment=TRACED),
    Row("flowspan, 10 % sampled", "flowspan", "parentbased_traceidratio 0.1", environment=SAMPLED),
    Row("flowspan, telemetry off", "flowspan", "no traces, no access log", settings=QUIET, environment=OFF),
    Row("floor, TLS", "floor", "the floor, with the provider asked by TLS", is_encrypted=True),
    Row(
        "flowspan, TLS",
        "flowspan",
        "its defaults, with the provider asked by TLS and its certificate checked",
        environment=TRACED,
        is_encrypted=True,
        beside="floor, TLS",
    ),
    Row("flowspan, by LiteLLM", "flowspan", "backend: litellm", CHAT, "litellm-", environment=TRACED),
    Row("LiteLLM proxy", "litellm", "one worker, its defaults, no callbacks", environment=LITELLM),
    Row(
        "TensorZero", "tensorzero", "observability off, as it needs a database", TENSORZERO, "tensorzero::model_name::"
    ),
)
BY_NAME = {row.name: row for row in ROWS}
