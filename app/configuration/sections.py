"""The sections of a file beside `model_list`: LiteLLM's own three, and `gateway`."""

from collections.abc import Collection
from typing import Annotated, Any, TypeVar

from msgspec import Meta, Struct, field

from app.configuration.environment import Environment
from app.configuration.litellm_names import GENERAL, LITELLM, ROUTER, unsupported
from app.configuration.problems import Report
from app.conversion import Path, convert_struct, did_you_mean
from app.settings import (
    BreakerSettings,
    PipelineSettings,
    RouterSettings,
    Seconds,
    ServerSettings,
    TelemetrySettings,
)

S = TypeVar("S", bound=Struct)
_MAY_BE_ZERO = frozenset({"cooldown", "drain_timeout", "keepalive_interval", "max_retry_after", "put_timeout"})
Retries = Annotated[int, Meta(ge=0)]
Fallbacks = list[dict[str, list[str]]]


class GeneralSettings(Struct, frozen=True):
    master_key: str | None = None


class LiteLLMSettings(Struct, frozen=True):
    request_timeout: Seconds | None = None
    num_retries: Retries | None = None
    fallbacks: Fallbacks = []
    default_fallbacks: list[str] = []
    drop_params: bool | None = None


class LiteLLMRouterSettings(Struct, frozen=True):
    """What stands here wins over `litellm_settings`."""

    timeout: Seconds | None = None
    num_retries: Retries | None = None
    fallbacks: Fallbacks = []
    default_fallbacks: list[str] = []
    routing_strategy: str | None = None


class GatewayRouterSettings(Struct, frozen=True):
    max_retry_after: Seconds = RouterSettings().max_retry_after


class GatewaySettings(Struct, frozen=True):
    """`policies` are read one by one elsewhere: each has options of its own."""

    keys: list[str] = []
    policies: list[Any] = []
    server: ServerSettings = field(default_factory=ServerSettings)
    pipeline: PipelineSettings = field(default_factory=PipelineSettings)
    breakers: BreakerSettings = field(default_factory=BreakerSettings)
    router: GatewayRouterSettings = field(default_factory=GatewayRouterSettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)


class Sections(Struct, frozen=True):
    general: GeneralSettings
    litellm: LiteLLMSettings
    router: LiteLLMRouterSettings
    gateway: GatewaySettings


def read_sections(root: dict[str, Any], report: Report, environment: Environment) -> Sections:
    reader = SectionReader(root, report, environment)
    router = reader.litellm("router_settings", LiteLLMRouterSettings, ROUTER)
    if router.routing_strategy not in (None, "simple-shuffle"):
        message = "not supported here: deployments are chosen by order and weight (simple-shuffle)"
        report.warning(("router_settings", "routing_strategy"), message)
    return Sections(
        general=reader.litellm("general_settings", GeneralSettings, GENERAL),
        litellm=reader.litellm("litellm_settings", LiteLLMSettings, LITELLM),
        router=router,
        gateway=reader.gateway(),
    )


class SectionReader:
    def __init__(self, root: dict[str, Any], report: Report, environment: Environment) -> None:
        self._root = root
        self._report = report
        self._environment = environment

    def litellm(self, section: str, kind: type[S], known: Collection[str]) -> S:
        """The keys of `kind`, taken one by one: a fault in one does not hide another."""
        data = self._root.get(section)
        if data is None:
            return kind()
        if not isinstance(data, dict):
            self._report.problem((section,), "expected a mapping")
            return kind()
        supported = kind.__struct_fields__
        for key in data:
            if key in known:
                self._report.warning((section, key), unsupported(key))
            elif key not in supported:
                message = f"unknown key{did_you_mean(key, (*supported, *known))}"
                self._report.problem((section, key), message)
        return self._convert((section,), kind, {key: data[key] for key in supported if data.get(key) is not None})

    def gateway(self) -> GatewaySettings:
        return self._convert(("gateway",), GatewaySettings, self._root.get("gateway"))

    def _convert(self, path: Path, kind: type[S], data: object) -> S:
        value, faults = convert_struct(kind, self._environment.resolve(data, path), path)
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
