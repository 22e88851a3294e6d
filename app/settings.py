"""What an operator can set: one frozen tree, nested by stage, built once at start and handed down.

Every limit says its unit and what it counts for. `app/configuration` reads it from YAML and the environment.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

Count = Annotated[int, Meta(ge=1)]
Port = Annotated[int, Meta(ge=0, le=65535)]
Share = Annotated[float, Meta(ge=0, le=1)]


class Seconds(float):
    """A duration; written `30`, `30s`, `500ms`, `2m` or `1h`."""


class ByteSize(int):
    """A size in bytes; written `1024`, `64KiB`, `8MiB` or `1GiB` (`KB`, `MB`, `GB` count thousands)."""


class PipelineSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The two stages of a stream and the queues between them."""

    queue_items: Count = 10_000
    """Items in one queue of one stream."""
    queue_bytes: ByteSize = ByteSize(8 * 1024**2)
    """Bytes in one queue of one stream."""
    total_queue_bytes: ByteSize = ByteSize(512 * 1024**2)
    """Bytes in all queues of the process."""
    put_timeout: Seconds = Seconds(30)
    """How long a stage waits for room in a queue before the stream overflows."""
    policy_timeout: Seconds = Seconds(30)
    """One call of a hook; a hook's `keepalive()` starts it anew."""
    policy_emit_limit: Count = 10_000
    """Chunks that one call of a hook may emit."""
    policy_emit_bytes: ByteSize = ByteSize(8 * 1024**2)
    """Bytes of text that one call of a hook may emit."""
    upstream_idle_timeout: Seconds = Seconds(120)
    """The wait for each next chunk of an open stream."""
    event_limit: ByteSize = ByteSize(4 * 1024**2)
    """Bytes in one event of a provider that is asked directly; a longer one ends its stream as an error."""
    keepalive_interval: Seconds = Seconds(15)
    """After so long without a byte the client gets an SSE comment; 0 for never."""
    on_disconnect: Literal["cancel", "finish"] = "cancel"
    """What happens to the upstream when the client goes away."""


class QueueBreakerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """A breaker per queue name, for the process: `threshold` overflows within `window` open it for `cooldown`."""

    threshold: Count = 5
    window: Seconds = Seconds(60)
    cooldown: Seconds = Seconds(15)


class UpstreamBreakerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """A breaker per deployment: opened by `threshold` failures in a row, or by `failure_rate` of the attempts within
    `window` once there are `min_requests` of them."""

    threshold: Count = 5
    failure_rate: Share = 0.5
    min_requests: Count = 20
    window: Seconds = Seconds(60)
    cooldown: Seconds = Seconds(15)


class BreakerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    queue: QueueBreakerSettings = field(default_factory=QueueBreakerSettings)
    upstream: UpstreamBreakerSettings = field(default_factory=UpstreamBreakerSettings)


class PolicySpec(Struct, frozen=True, forbid_unknown_fields=True):
    """A policy of the chain: a built-in name or `package.module:Class`, with its own configuration."""

    use: str
    config: dict[str, Any] = {}
    on_error: Literal["fail_closed", "fail_open"] = "fail_closed"


class RouterSettings(Struct, frozen=True):
    """How a request finds a deployment that answers it."""

    request_timeout: Seconds = Seconds(600)
    """The wait for the first byte of a stream and for each next one; the whole of a plain request."""
    num_retries: int = 2
    """Attempts after the first on deployments of the same model, per request."""
    fallbacks: dict[str, tuple[str, ...]] = {}
    """Model name -> the model names tried in turn when all its deployments failed."""
    max_retry_after: Seconds = Seconds(10)
    """A provider's longer `retry-after` is not waited for but passed on to the caller."""


class Cost(Struct, frozen=True):
    """US dollars per token."""

    input: float = 0.0
    output: float = 0.0
    cache_read: float | None = None
    cache_creation: float | None = None


ResponsesApi = Literal["none", "offered", "only", "unknown"]
"""Whether a provider has OpenAI's Responses API; `only`: and no chat completions; `unknown`: its first answer tells."""


class Deployment(Struct, frozen=True):
    """One entry of `model_list`. `id` is unique and names it on breakers, spans and metrics."""

    id: str
    model_name: str
    """What clients ask for."""
    model: str
    """What the provider is asked for, with its prefix: `openai/gpt-5`."""
    provider: str
    """`gen_ai.provider.name` of the conventions."""
    backend: Literal["openai", "anthropic", "litellm", "simulated"] = "litellm"
    """`openai` and `anthropic` ask the provider directly."""
    responses: ResponsesApi = "none"
    params: dict[str, Any] = {}
    """The rest of `litellm_params`, environment references resolved: keys, base URL, defaults of the request."""
    weight: float = 1.0
    order: int = 1
    """Lower orders are tried first; higher ones only when no lower one is left."""
    timeout: Seconds | None = None
    cost: Cost | None = None


class TelemetrySettings(Struct, frozen=True, forbid_unknown_fields=True):
    boundary_events: Literal["span", "log", "both"] = "span"
    capture_content: Literal["none", "span", "event", "both"] = "none"
    """Whether message content is recorded, redacted: on the span, as an event, or both."""
    propagate_traceparent: bool = False
    """Whether providers are told our trace id."""
    otlp_encoder: Literal["lean", "sdk"] = "lean"
    """Whether spans are encoded by the gateway, or by the SDK's exporter at ten times the price."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"


class ServerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The HTTP edge. Host and ports may be overridden on the command line."""

    host: str = "127.0.0.1"
    port: Port = 8080
    metrics_port: Port = 9464
    """Prometheus; 0 takes a free one."""
    header_timeout: Seconds = Seconds(30)
    """For a request's head, from the first byte on; on a new connection, from its opening on."""
    header_limit: ByteSize = ByteSize(64 * 1024)
    """Of one request's head; a piece of it may come beyond."""
    body_limit: ByteSize = ByteSize(32 * 1024**2)
    """Of one request."""
    body_timeout: Seconds = Seconds(30)
    """The wait for each next piece of a request's body."""
    json_depth_limit: Count = 200
    drain_timeout: Seconds = Seconds(30)
    """How long open streams may go on after SIGTERM."""


class Settings(Struct, frozen=True):
    deployments: tuple[Deployment, ...] = ()
    keys: tuple[str, ...] = ()
    """Keys that callers may present; empty on loopback only."""
    server: ServerSettings = field(default_factory=ServerSettings)
    pipeline: PipelineSettings = field(default_factory=PipelineSettings)
    breakers: BreakerSettings = field(default_factory=BreakerSettings)
    policies: tuple[PolicySpec, ...] = ()
    router: RouterSettings = field(default_factory=RouterSettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
