"""The sections of a file beside `model_list`: LiteLLM's own three, and `gateway`."""

from collections.abc import Collection
from typing import Annotated, Any, Literal, TypeVar

from msgspec import Meta, Struct, field

from app.configuration.environment import Environment
from app.configuration.litellm_keys import LiteLLMKeys
from app.configuration.litellm_names import GENERAL, LITELLM, ROUTER
from app.configuration.problems import Report
from app.configuration.upstream import UpstreamSection
from app.conversion import Path, convert_struct
from app.settings import (
    AdminSettings,
    AdmissionSettings,
    Alias,
    BreakerSettings,
    ConsoleSettings,
    Count,
    DnsSettings,
    PipelineSettings,
    PriceSource,
    QuotaSettings,
    RecorderSettings,
    ReloadSettings,
    RetryBudgetSettings,
    RouterSettings,
    RoutingStrategy,
    Seconds,
    ServerSettings,
    TelemetrySettings,
)

S = TypeVar("S", bound=Struct)
_MAY_BE_ZERO = frozenset(
    {
        "cooldown",
        "drain_timeout",
        "hold_start",
        "keepalive_interval",
        "lame_duck",
        "max_retry_after",
        "max_stale",
        "put_timeout",
        "ttl",
    }
)
_RETIRED_TELEMETRY = frozenset({"otlp_encoder"})
_RETIRED = "of an earlier version; it changes nothing"
Retries = Annotated[int, Meta(ge=0)]
Fallbacks = list[dict[str, list[str]]]


class GeneralSettings(Struct, frozen=True):
    """LiteLLM's `general_settings`."""

    master_key: str | None = None
    """The key that callers present, as `Authorization: Bearer` or `x-api-key`."""
    max_request_size_mb: Annotated[float, Meta(gt=0)] | None = None
    """Megabytes of one request's body, where `gateway.server.body_limit` is not set."""


class LiteLLMSettings(Struct, frozen=True):
    """LiteLLM's `litellm_settings`."""

    request_timeout: Seconds | None = None
    """The wait for the first chunk of a stream and for each next one; the whole time of a request without a stream.
    600 seconds unless it is set."""
    num_retries: Retries | None = None
    """Attempts after the first, on the deployments of a model and of its fallbacks; 2 unless it is set."""
    fallbacks: Fallbacks = []
    """`{model: [others]}`: the models that are asked in turn when all deployments of one failed. The model `"*"` stands
    for every one without an entry."""
    context_window_fallbacks: Fallbacks = []
    """`{model: [others]}` for conversations too long for a model; without an entry the caller gets the error."""
    content_policy_fallbacks: Fallbacks = []
    """`{model: [others]}` for inputs that a model's content filter refuses."""
    default_fallbacks: list[str] = []
    """The fallbacks of every model without its own."""
    drop_params: bool | None = None
    """Whether fields that a provider does not take are left out instead of refused; for every deployment that does not
    set it itself."""
    ssl_verify: bool | str | None = None
    """As `gateway.upstream.ssl_verify`, where that is not set."""
    ssl_certificate: str | None = None
    """As `gateway.upstream.ssl_certificate`, where that is not set; the key stands in the same file."""


class LiteLLMRouterSettings(Struct, frozen=True):
    """LiteLLM's `router_settings`; they win over `litellm_settings`."""

    timeout: Seconds | None = None
    """As `litellm_settings.request_timeout`."""
    num_retries: Retries | None = None
    """As in `litellm_settings`."""
    fallbacks: Fallbacks = []
    """As in `litellm_settings`."""
    context_window_fallbacks: Fallbacks = []
    """As in `litellm_settings`."""
    content_policy_fallbacks: Fallbacks = []
    """As in `litellm_settings`."""
    default_fallbacks: list[str] = []
    """As in `litellm_settings`."""
    routing_strategy: str | None = None
    """Where `gateway.router.strategy` is not set: `simple-shuffle` (`weighted`), `least-busy`, `latency-based-routing`
    (`fastest_first_token`) or `cost-based-routing` (`cheapest`). Others are a warning."""
    stream_timeout: Seconds | None = None
    """`first_token_timeout` of each entry of `model_list` without its own."""
    default_max_parallel_requests: Count | None = None
    """`max_parallel` of deployments that set no limit of their own."""
    model_group_alias: dict[str, str | Alias] = {}
    """Other names of models: `{alias: model}`, or `{alias: {model: ..., hidden: true}}` for one that is not listed."""


class GatewayRouterSettings(Struct, frozen=True):
    """How the router retries and what it shares."""

    max_retry_after: Seconds = RouterSettings().max_retry_after
    """A provider's longer `retry-after` is not waited for but passed on to the caller."""
    retry_budget: RetryBudgetSettings = field(default_factory=RetryBudgetSettings)
    """How many retries may be under way."""
    share_stored_responses: bool = RouterSettings().share_stored_responses
    """Whether callers with different keys may retrieve, continue and delete each other's stored responses, and those
    that this process does not know (from before a restart, or of another instance). With one key, or none, they may."""
    strategy: RoutingStrategy | None = None
    """By what one of the deployments of the lowest order is chosen: `weighted`, by weight and chance, unless it is set;
    `least_busy`, `fastest_first_token`, `cheapest`."""
    sticky: Literal["off", "conversation"] = RouterSettings().sticky
    """Whether a conversation goes on at the deployment that answered its last turn, while that is well: a provider's
    cache of its prompt is there."""
    hold_start: Seconds = RouterSettings().hold_start
    """For how long a stream's beginning is held that says nothing yet (roles, ids, pings), so that an early failure can
    still reach another deployment; 0 for not at all."""
    hedge_after: Seconds | None = None
    """After so long without an answer a request that is not streamed is asked at a second deployment, too; the first
    answer counts, and both are paid for."""


class GatewaySettings(Struct, frozen=True):
    """The section `gateway`. Its `policies` and `keys` are checked one by one: each entry has its own options."""

    keys: list[Any] = []
    """Keys that callers may present, beside `general_settings.master_key`: texts, or mappings of a name and a key.
    Without any, the variable FLOWSPAN_KEY is the key."""
    ignore: list[str] = []
    """Guards of LiteLLM's in this file to start without: `guardrails`, `model_list.litellm_params.max_budget`. Each
    stays a warning."""
    policies: list[Any] = []
    """What looks at requests and answers, in order: names, or `use` with options."""
    server: ServerSettings = field(default_factory=ServerSettings)
    """Addresses, and limits of requests."""
    pipeline: PipelineSettings = field(default_factory=PipelineSettings)
    """Limits of streams."""
    breakers: BreakerSettings = field(default_factory=BreakerSettings)
    """When requests are turned away for a while."""
    router: GatewayRouterSettings = field(default_factory=GatewayRouterSettings)
    """Retries."""
    upstream: UpstreamSection = field(default_factory=UpstreamSection)
    """Proxies and TLS on the way to providers."""
    dns: DnsSettings = field(default_factory=DnsSettings)
    """Look-ups of providers' names."""
    prices: PriceSource = "catalogue"
    """What a model without prices in the configuration costs: what its provider says, or its list price, from the table
    that comes with LiteLLM; or, with `configured`, nobody knows."""
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    """What traces, metrics and logs tell."""
    recorder: RecorderSettings = field(default_factory=RecorderSettings)
    """What is kept of transactions to be looked at."""
    console: ConsoleSettings = field(default_factory=ConsoleSettings)
    """Pages for people."""
    teams: dict[str, Any] = {}
    """What the keys of a team share, by the team's name: `limits`, `budget`, `models`."""
    key_defaults: dict[str, Any] = {}
    """What holds for keys that do not say it themselves: `models`, `limits`, `budget`, `policies`, `priority`."""
    quotas: QuotaSettings = field(default_factory=QuotaSettings)
    """Where it is kept how much of limits and budgets is used."""
    admission: AdmissionSettings = field(default_factory=AdmissionSettings)
    """Who waits for a deployment, and how long."""
    admin: AdminSettings = field(default_factory=AdminSettings)
    """The admin API."""
    reload: ReloadSettings = field(default_factory=ReloadSettings)
    """When this file is read anew."""


class Sections(Struct, frozen=True):
    general: GeneralSettings
    litellm: LiteLLMSettings
    router: LiteLLMRouterSettings
    gateway: GatewaySettings


def read_sections(root: dict[str, Any], report: Report, environment: Environment, keys: LiteLLMKeys) -> Sections:
    reader = _SectionReader(root, report, environment, keys)
    router = reader.litellm("router_settings", LiteLLMRouterSettings, ROUTER)
    return Sections(
        general=reader.litellm("general_settings", GeneralSettings, GENERAL),
        litellm=reader.litellm("litellm_settings", LiteLLMSettings, LITELLM),
        router=router,
        gateway=reader.gateway(),
    )


def upstream_defaults(sections: Sections) -> dict[str, tuple[Any, Path]]:
    """How providers are reached where a deployment does not say it, with where each option stands: LiteLLM's two
    options, unless the gateway's own section has them."""
    litellm, section = sections.litellm, sections.gateway.upstream
    found: dict[str, tuple[Any, Path]] = {
        "ssl_verify": (litellm.ssl_verify, ("litellm_settings", "ssl_verify")),
        "ssl_certificate": (litellm.ssl_certificate, ("litellm_settings", "ssl_certificate")),
    }
    for name in section.__struct_fields__:
        if (value := getattr(section, name)) is not None:
            found[name] = (value, ("gateway", "upstream", name))
    return {name: one for name, one in found.items() if one[0] is not None}


class _SectionReader:
    def __init__(self, root: dict[str, Any], report: Report, environment: Environment, keys: LiteLLMKeys) -> None:
        self._root = root
        self._keys = keys
        self._report = report
        self._environment = environment

    def litellm(self, section: str, kind: type[S], known: Collection[str]) -> S:
        """Convert one of LiteLLM's sections. Keys that are unknown, or not supported, are reported."""
        data = self._root.get(section)
        if data is None:
            return kind()
        if not isinstance(data, dict):
            self._report.problem((section,), "expected a mapping")
            return kind()
        supported = kind.__struct_fields__
        for key, value in data.items():
            if key in known:
                self._keys.unsupported((section, key), value)
            elif key not in supported:
                self._keys.unknown((section, key), value, (*supported, *known))
        return self._convert((section,), kind, {key: data[key] for key in supported if data.get(key) is not None})

    def gateway(self) -> GatewaySettings:
        path, section = ("gateway",), self._without_retired(self._root.get("gateway"))
        if not isinstance(section, dict):
            return self._convert(path, GatewaySettings, section)
        # Keys are resolved one by one where they are read: the path of a key's file must not become what is in it.
        resolved = {
            key: value if key == "keys" else self._environment.resolve(value, (*path, key))
            for key, value in section.items()
        }
        return self._convert_resolved(path, GatewaySettings, _spelt_out(resolved))

    def _without_retired(self, gateway: object) -> object:
        """The section without options of earlier versions that change nothing any more; each is a warning."""
        telemetry = gateway.get("telemetry") if isinstance(gateway, dict) else None
        if not isinstance(gateway, dict) or not isinstance(telemetry, dict):
            return gateway
        for key in _RETIRED_TELEMETRY & telemetry.keys():
            self._report.warning(("gateway", "telemetry", key), _RETIRED)
        kept = {key: value for key, value in telemetry.items() if key not in _RETIRED_TELEMETRY}
        return {**gateway, "telemetry": kept}

    def _convert(self, path: Path, kind: type[S], data: object) -> S:
        return self._convert_resolved(path, kind, self._environment.resolve(data, path))

    def _convert_resolved(self, path: Path, kind: type[S], data: object) -> S:
        value, faults = convert_struct(kind, data, path)
        self._report.faults(faults)
        if value is None:
            return kind()
        self._check_durations(value, path)
        return value

    def _check_durations(self, value: Struct, path: Path) -> None:
        for name in value.__struct_fields__:
            inner = getattr(value, name)
            if isinstance(inner, Struct):
                self._check_durations(inner, (*path, name))
            elif isinstance(inner, Seconds) and not inner and name not in _MAY_BE_ZERO:
                self._report.problem((*path, name), "must be more than 0")


def _spelt_out(section: dict[str, Any]) -> dict[str, Any]:
    """The section with the short forms of two of its parts written out. YAML reads `off` as false, `on` as true."""
    match section.get("recorder"):
        case False:
            section["recorder"] = {"store": "off"}
        case str(store):
            section["recorder"] = {"store": store}
    match section.get("console"):
        case bool(enabled):
            section["console"] = {"enabled": enabled}
    return section
