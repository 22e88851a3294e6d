"""What an operator can set: one frozen tree, nested by stage, built when the configuration is read and handed down.

Every limit states its unit and what it applies to. `app/configuration` reads the tree from YAML and the environment.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from app.addresses import secrets_of_params
from app.prices import Cost
from app.providers import BackendName, ResponsesApi
from app.settings.operations import AdminSettings, AdmissionSettings, ReloadSettings, WorkerProcess
from app.settings.recorder import ConsoleSettings, RecorderSettings
from app.settings.telemetry import TelemetrySettings
from app.settings.tenants import Budget, Dollars, Entitlement, Key, Limits, Priority, QuotaSettings, Team, digest_of
from app.settings.tls import TlsSettings, TlsVersion
from app.settings.units import ByteSize, Count, FileMode, Port, Seconds, Share
from app.settings.upstream import UpstreamProxy, UpstreamTls

__all__ = [
    "AdminSettings",
    "AdmissionSettings",
    "Alias",
    "BreakerSettings",
    "Budget",
    "ByteSize",
    "ConsoleSettings",
    "CostSource",
    "Count",
    "Deployment",
    "DnsSettings",
    "Dollars",
    "Entitlement",
    "FileMode",
    "Key",
    "Limits",
    "PipelineSettings",
    "PolicySpec",
    "Port",
    "PriceSource",
    "Priority",
    "QueueBreakerSettings",
    "QuotaSettings",
    "RecorderSettings",
    "ReloadSettings",
    "RetryBudgetSettings",
    "RouterSettings",
    "RoutingStrategy",
    "Seconds",
    "ServerSettings",
    "Settings",
    "Share",
    "Team",
    "TelemetrySettings",
    "TlsSettings",
    "TlsVersion",
    "UpstreamBreakerSettings",
    "UpstreamProxy",
    "UpstreamTls",
    "WorkerProcess",
    "digest_of",
]


class PipelineSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The two stages of a stream and the queues between them."""

    queue_items: Count = 10_000
    """Items in one queue of one stream."""
    queue_bytes: ByteSize = ByteSize(8 * 1024**2)
    """Bytes in one queue of one stream."""
    total_queue_bytes: ByteSize = ByteSize(512 * 1024**2)
    """Bytes in all queues of the process. When they are used up, an empty queue still takes one piece, so that streams
    go on whose clients keep up."""
    put_timeout: Seconds = Seconds(30)
    """How long a stage waits for room in a queue before the stream overflows."""
    policy_timeout: Seconds = Seconds(30)
    """The time of one call of a hook; the hook's `keepalive()` starts it anew."""
    policy_emit_limit: Count = 10_000
    """Chunks that one call of a hook may emit."""
    policy_emit_bytes: ByteSize = ByteSize(8 * 1024**2)
    """Bytes of text that one call of a hook may emit."""
    upstream_idle_timeout: Seconds = Seconds(120)
    """The wait for each next chunk of an open stream."""
    event_limit: ByteSize = ByteSize(4 * 1024**2)
    """Bytes in one event of a provider that is asked directly; a longer one ends its stream as an error."""
    keepalive_interval: Seconds = Seconds(15)
    """The client gets an SSE comment after so long without a byte; 0 for never."""
    on_disconnect: Literal["cancel", "finish"] = "cancel"
    """What happens to the upstream when the client goes away."""


class QueueBreakerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """A breaker per queue name, for the process: `threshold` overflows within `window` open it for `cooldown`, unless
    more than a quarter of the streams that ended in that time went well. With several keys there is one per key, too,
    and the one for all opens only for overflows of several keys."""

    threshold: Count = 5
    """Overflows that open it."""
    window: Seconds = Seconds(60)
    """The time within which they count."""
    cooldown: Seconds = Seconds(15)
    """How long it stays open before a few streams are let through to try."""


class UpstreamBreakerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """A breaker per deployment: opened by `threshold` failures in a row, or by `failure_rate` of the attempts within
    `window` once there are `min_requests` of them. With several keys there is one per key, too, and the one for all
    opens only if the rule also holds, at half the numbers, without the key that failed the most."""

    threshold: Count = 5
    """Failures in a row that open it."""
    failure_rate: Share = 0.5
    """The share of failures among the attempts within `window` that opens it."""
    min_requests: Count = 20
    """Attempts within `window` below which the share says nothing."""
    window: Seconds = Seconds(60)
    """The time over which the share is taken."""
    slow_call_duration: Seconds | None = None
    """A response of which nothing has come for so long is a slow one; without it none is."""
    slow_call_rate: Share = 0.8
    """The share of slow ones among the attempts within `window` that opens it."""
    cooldown: Seconds = Seconds(15)
    """How long it stays open, give or take a tenth, before a few requests are let through to try."""
    max_cooldown: Seconds = Seconds(240)
    """It doubles each time that the tries fail, up to so long."""


class BreakerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """When circuit breakers open, and for how long."""

    queue: QueueBreakerSettings = field(default_factory=QueueBreakerSettings)
    """For streams whose clients or policies do not keep up."""
    upstream: UpstreamBreakerSettings = field(default_factory=UpstreamBreakerSettings)
    """For deployments that fail."""


class PolicySpec(Struct, frozen=True, forbid_unknown_fields=True):
    """A policy of the chain, with its own configuration. `use` is a built-in name, `package.module:Class` or
    `./file.py:Class`, a path from the configuration file's folder."""

    use: str
    """Which policy it is."""
    config: dict[str, Any] = {}
    """Its own options."""
    on_error: Literal["fail_closed", "fail_open"] = "fail_closed"
    """What its failure means: the end of the request, or that it steps aside for the rest of it."""
    applies: Literal["always", "named"] = "always"
    """Whether it is applied to all requests, or to those of keys that name it alone."""
    name: str | None = None
    """By what keys name it, and telemetry; what `use` says unless it is set."""


class RetryBudgetSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How many retries of a model may be under way in this process: `share` of its requests that wait for a response,
    and at least `min_concurrent`. Beyond that the error goes to the caller."""

    share: Share = 0.2
    """The share of a model's waiting requests that may be retries."""
    min_concurrent: Annotated[int, Meta(ge=0)] = 3
    """Retries that are always allowed."""


class Alias(Struct, frozen=True, forbid_unknown_fields=True):
    """Another name of a model: LiteLLM's `model_group_alias`."""

    model: str
    """The name in `model_list` that is meant, or one that a wildcard there stands for."""
    hidden: bool = False
    """Whether `GET /v1/models` leaves the alias out. It can be asked for all the same."""


RoutingStrategy = Literal["weighted", "least_busy", "fastest_first_token", "cheapest"]
"""By weight and chance, by the fewest attempts under way, by the average time to the first token, or by price."""


class RouterSettings(Struct, frozen=True):
    """How a request finds a deployment that serves it: timeouts, retries and fallbacks."""

    request_timeout: Seconds = Seconds(600)
    """The wait for the first chunk of a stream and for each next one; the whole time of a request without a stream."""
    num_retries: int = 2
    """Attempts after the first, for each request, on the deployments of its model and of its fallbacks. Each fallback
    is tried at least once."""
    retry_budget: RetryBudgetSettings = field(default_factory=RetryBudgetSettings)
    fallbacks: dict[str, tuple[str, ...]] = {}
    """Model name -> the model names tried in turn when all its deployments failed."""
    aliases: dict[str, Alias] = {}
    """Further names by which clients may ask for models. An alias counts before an entry of the same name."""
    behind_wildcards: tuple[str, ...] = ()
    """Names that wildcards stand for, as far as they are known: a list of models shows them."""
    context_window_fallbacks: dict[str, tuple[str, ...]] = {}
    """Model name -> the model names tried in turn for a conversation that is too long for it; without an entry the
    caller gets the error at once."""
    content_policy_fallbacks: dict[str, tuple[str, ...]] = {}
    """Model name -> the model names tried in turn for an input that its content filter refused."""
    max_retry_after: Seconds = Seconds(10)
    """A provider's longer `retry-after` is not waited for but passed on to the caller."""
    share_stored_responses: bool = False
    """Whether callers with different keys may retrieve, continue and delete each other's stored responses, and those
    that this process does not know (from before a restart, or of another instance). With one key, or none, they may."""
    strategy: RoutingStrategy = "weighted"
    """By what one of the deployments of the lowest order is chosen."""
    sticky: Literal["off", "conversation"] = "off"
    """Whether a conversation goes on at the deployment that answered its last turn, while that is well: a provider's
    cache of its prompt is there."""
    hold_start: Seconds = Seconds(10)
    """For how long a stream's beginning is held that says nothing yet (roles, ids, pings), so that an early failure can
    still reach another deployment; 0 for not at all."""
    hedge_after: Seconds | None = None
    """After so long without an answer a request that is not streamed is asked at a second deployment, too; the first
    answer counts, and both are paid for."""


PriceSource = Literal["catalogue", "configured"]
CostSource = Literal["none", "configuration", "catalogue"]


class Deployment(Struct, frozen=True):
    """One entry of `model_list`. `id` is unique, and names the deployment on breakers, spans and metrics."""

    id: str
    model_name: str
    """What clients ask for; `*` in it stands for any text (`anthropic/*`, `claude-*`)."""
    model: str
    """What the provider is asked for, with its prefix: `openai/gpt-5`. A `*` stands for what it stood for in
    `model_name`."""
    provider: str
    """`gen_ai.provider.name` of the conventions."""
    backend: BackendName = "litellm"
    responses: ResponsesApi = "none"
    params: dict[str, Any] = {}
    """The rest of `litellm_params`, environment references resolved: keys, base URL, defaults of the request."""
    proxy: UpstreamProxy | None = None
    tls: UpstreamTls = UpstreamTls()
    credentials: Literal["gateway", "client"] = "gateway"
    """Whose credential the provider gets: the gateway's, from `params`, or the caller's own as it came."""
    info: dict[str, Any] = {}
    """`model_info`, for a wildcard, of each of whose models it is found out anew which APIs it has."""
    weight: float = 1.0
    order: int = 1
    """Lower orders are tried first; higher ones only when no lower one is left."""
    timeout: Seconds | None = None
    first_token_timeout: Seconds | None = None
    """The wait for the first piece of a streamed answer; past it the next deployment is asked."""
    max_parallel: Count | None = None
    """Attempts that may be under way at a time; further requests wait."""
    requests_per_minute: Count | None = None
    """Attempts within any minute; further requests wait."""
    tokens_per_minute: Count | None = None
    """Tokens within any minute, by an estimate until they are counted; further requests wait."""
    cost: Cost | None = None
    """What its model costs; None where that is not known."""
    cost_source: CostSource = "catalogue"
    """Where the price is from. With `catalogue`, each model behind a wildcard is priced as it is asked for, and what a
    provider itself says that an answer cost comes before its list price."""

    def secrets(self) -> Iterator[str]:
        """What of it nobody may read: keys, headers and passwords, those of the way to the provider included."""
        yield from secrets_of_params(self.params)
        yield from self.tls.secrets()
        if self.proxy is not None:
            yield from self.proxy.secrets()


class ServerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The HTTP edge. Hosts and ports may be overridden on the command line."""

    host: str = "127.0.0.1"
    """The address to serve on. One that others can reach needs keys."""
    port: Port | None = 8080
    """The port to serve on; 0 takes a free one. `null` is for a gateway that serves on `uds` alone."""
    reuse_port: bool = False
    """Whether other gateways may be served on the same port (SO_REUSEPORT), to which the system spreads connections.
    Those that wait for one that ends are reset; a successor (SIGUSR2) has them instead."""
    uds: str | None = None
    """The path of a Unix socket to serve on, beside the port."""
    uds_mode: FileMode = FileMode(0o660)
    """The permissions of that socket: who may write to it may ask for models."""
    tls: TlsSettings = field(default_factory=TlsSettings)
    """The certificate of the port."""
    workers: Count | Literal["auto"] | None = None
    """Processes that serve, under one that looks after them; `auto` is one for each core. Without it there is one, by
    itself."""
    allowed_hosts: tuple[str, ...] = ()
    """Host names, without a port, that requests may name beside `localhost` and loopback addresses. They are checked by
    a gateway without keys, and by the metrics port on loopback without a token."""
    forwarded_allow_ips: tuple[str, ...] = ("127.0.0.1", "::1", "unix:")
    """Addresses and networks of proxies before the gateway, `unix:` for whoever comes by a Unix socket, `*` for any:
    whose `x-forwarded-for`, `x-forwarded-proto` and `forwarded` are believed, so that spans and log lines show the
    client's address and not the proxy's."""
    cors_origins: tuple[str, ...] = ()
    """Origins (`https://app.example.com`) whose pages may call from a browser; `*` for all, where keys are set. Pages
    of other origins cannot read an answer, and without keys get none."""
    metrics_host: str = "127.0.0.1"
    """The address of the metrics port, whatever `host` is."""
    metrics_port: Port = 9464
    """Prometheus; 0 takes a free one, as is done, with a warning in the log, where another program has this one."""
    metrics_token: str | None = None
    """The token that a scrape has to send as `Authorization: Bearer ...`; without one, any scrape is answered."""
    header_timeout: Seconds = Seconds(30)
    """The time for a request's head, from its first byte on; on a new connection, from its opening on."""
    header_limit: ByteSize = ByteSize(64 * 1024)
    """Bytes of one request's head and trailers, and of the framing of its chunks beyond five times their data. The last
    read may exceed it."""
    body_limit: ByteSize = ByteSize(32 * 1024**2)
    """Bytes of one request's body, as it comes and decompressed."""
    body_timeout: Seconds = Seconds(30)
    """The wait for each next piece of a request's body."""
    linger_timeout: Seconds = Seconds(30)
    """How long the rest of a request is read and discarded, if it was answered before it was complete: a client that
    still sends would not get to read the response."""
    linger_limit: ByteSize = ByteSize(128 * 1024**2)
    """Bytes of that rest; beyond it the connection is aborted."""
    max_connections: Count = 8_000
    """Client connections of the process; fewer where the limit of open files leaves no descriptor for the upstream
    connection of each."""
    address_share: Share = 0.75
    """The share of those connections that one client address may have (an IPv6 /64 counts as one address); set it to 1
    behind a single proxy. What comes by a Unix socket has no address, and may have all of them."""
    total_body_bytes: ByteSize = ByteSize(1024**3)
    """Bytes of requests and of whole responses in the memory of the process, their decoded forms included; beyond that,
    requests are refused as overloaded. The queues of streams come on top (`pipeline.total_queue_bytes`)."""
    json_depth_limit: Count = 200
    """Levels of nesting in one request's JSON."""
    json_values_limit: Count = 500_000
    """Values in one request's JSON, nested ones included."""
    messages_limit: Count = 10_000
    """Messages, or items of a Responses input, in one request."""
    parts_limit: Count = 10_000
    """Parts of the content, or calls of tools, in one message."""
    inputs_limit: Count = 10_000
    """Inputs of one embeddings request, prompts of one completions request; a list of token ids counts as one."""
    tools_limit: Count = 5_000
    """Tools in one request."""
    relay_rate_limit_headers: bool = False
    """Whether clients get what a provider's answers say of its rate limits (`x-ratelimit-*`, `anthropic-ratelimit-*`,
    `retry-after`), as it came. They tell of the gateway's own account, of which many clients may have a part each."""
    lame_duck: Seconds = Seconds(5)
    """How long the gateway, unready at once after SIGTERM, still serves requests until load balancers send none; 0 for
    not at all. A second signal ends this time, and SIGINT skips it."""
    drain_timeout: Seconds = Seconds(30)
    """How long open streams may go on once no more requests are accepted."""


class DnsSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How the names of providers are looked up by the system's resolver, once for the process."""

    timeout: Seconds = Seconds(5)
    """The wait for one look-up; a request that has no address by then fails, and no deployment is blamed."""
    ttl: Seconds = Seconds(30)
    """How long an answer is used without a new look-up."""
    max_stale: Seconds = Seconds(600)
    """How old an answer may be that is used while a new one is on its way or fails to come."""


class Settings(Struct, frozen=True):
    """All settings of one gateway."""

    deployments: tuple[Deployment, ...] = ()
    keys: tuple[Key, ...] = ()
    """Keys that callers may present; empty on loopback only."""
    key_variable: str | None = None
    """The environment variable that holds the key, where the configuration has none."""
    server: ServerSettings = field(default_factory=ServerSettings)
    pipeline: PipelineSettings = field(default_factory=PipelineSettings)
    breakers: BreakerSettings = field(default_factory=BreakerSettings)
    policies: tuple[PolicySpec, ...] = ()
    router: RouterSettings = field(default_factory=RouterSettings)
    dns: DnsSettings = field(default_factory=DnsSettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    recorder: RecorderSettings = field(default_factory=RecorderSettings)
    console: ConsoleSettings = field(default_factory=ConsoleSettings)
    teams: dict[str, Team] = {}
    quotas: QuotaSettings = field(default_factory=QuotaSettings)
    admission: AdmissionSettings = field(default_factory=AdmissionSettings)
    admin: AdminSettings = field(default_factory=AdminSettings)
    reload: ReloadSettings = field(default_factory=ReloadSettings)

    @property
    def has_several_callers(self) -> bool:
        """Whether there is more than one caller to tell apart; not without keys, nor with those of one caller."""
        return len({key.caller for key in self.keys}) > 1
