"""A file in, `Configuration` out: settings, warnings and variables; or `ConfigurationRefused` with all problems."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from msgspec.structs import replace

from app.backends.model_names import ModelNames, is_wildcard
from app.configuration.addresses import check_addresses
from app.configuration.admin import check_admin
from app.configuration.api_keys import KEY_PATHS, KEY_VARIABLE, read_keys
from app.configuration.binding import UnsafeBind, check_bind
from app.configuration.client_credentials import check_pools
from app.configuration.credentials import Credentials
from app.configuration.deployment_limits import with_default_limit
from app.configuration.document import Document, NotYaml
from app.configuration.environment import Environment
from app.configuration.includes import read_included
from app.configuration.known_models import behind_wildcards
from app.configuration.litellm_keys import LiteLLMKeys
from app.configuration.litellm_names import TOP
from app.configuration.models import read_models
from app.configuration.origins import check_origins
from app.configuration.problems import ConfigurationRefused, Problem, Report, dotted, in_order
from app.configuration.proxies import check_proxies
from app.configuration.quotas import check_quotas
from app.configuration.recorder import check_recorder
from app.configuration.request_ids import check_request_ids
from app.configuration.routing import strategy_of, with_stream_timeout
from app.configuration.sections import Sections, read_sections, upstream_defaults
from app.configuration.telemetry_variables import check_telemetry_variables
from app.configuration.tenant_checks import check_tenants
from app.configuration.tls import check_tls
from app.configuration.upstream import UpstreamReader
from app.configuration.wildcards import EVERYTHING
from app.conversion import Path, convert_struct, did_you_mean
from app.policies import LoadedPolicy, PolicyNotLoadable, load_policy, located
from app.settings import Alias, ByteSize, Deployment, PolicySpec, RouterSettings, ServerSettings, Settings
from telemetry.hosts import host_name, is_loopback

_TOP = (
    "model_list",
    "general_settings",
    "litellm_settings",
    "router_settings",
    "environment_variables",
    "credential_list",
    "include",
    "gateway",
)


@dataclass(frozen=True)
class Configuration:
    """A good configuration. `environment` are the variables that the file declares; `export` sets them. `absent_keys`
    names the place of keys that are not here, where what is missing is no problem."""

    settings: Settings
    warnings: tuple[Problem, ...]
    environment: Mapping[str, str]
    absent_keys: str = ""
    files: tuple[str, ...] = ()
    """What it was read from: the file, those that it includes, and those that secrets are in."""


def load(
    file: str | FilePath, environ: Mapping[str, str] | None = None, *, needs_environment: bool = True
) -> Configuration:
    """Read a configuration file. Raises OSError or UnicodeDecodeError if it cannot be read at all. Where the variables
    and files that it refers to are not needed, those that are missing are warnings."""
    text = FilePath(file).read_text("utf-8-sig")
    return parse(text, str(file), environ, needs_environment=needs_environment)


def parse(
    text: str,
    file: str = "config",
    environ: Mapping[str, str] | None = None,
    *,
    needs_environment: bool = True,
) -> Configuration:
    """Read a configuration's text. Messages name `file`, beside which included files are looked for; `environ` is the
    process's environment unless given."""
    try:
        document = Document(text, file)
    except NotYaml as error:
        raise ConfigurationRefused([Problem(file, error.line, "", error.message)], files=[file]) from None
    report = Report(file, document)
    environment = Environment(os.environ if environ is None else environ, report, needed=needs_environment)
    settings = _read(document, report, environment)
    if needs_environment:
        variables = {**(os.environ if environ is None else environ), **environment.declared}
        problems, unread = check_telemetry_variables(variables, keeps_content_out=_keeps_content_out(document.data))
        report.problems += problems
        report.warnings += unread
    warnings = in_order(report.warnings, file)
    files = (*document.files, *environment.files)
    if report.problems:
        raise ConfigurationRefused(in_order(report.problems, file), warnings, files)
    absent = "" if needs_environment else _absent_keys(settings, report)
    return Configuration(settings, tuple(warnings), environment.declared, absent, files)


def _read(document: Document, report: Report, environment: Environment) -> Settings:
    root = document.data
    if not isinstance(root, dict):
        report.problem((), "expected a mapping with model_list")
        return Settings()
    read_included(document, report)
    _report_duplicates(document, report)
    keys = LiteLLMKeys(report, _ignored(root))
    for key, value in root.items():
        if key in TOP:
            keys.unsupported((key,), value)
        elif key not in _TOP and not key.startswith(("x-", ".")):
            keys.unknown((key,), value, (*_TOP, *TOP), "section")
    environment.declare(root.get("environment_variables"))
    sections = read_sections(root, report, environment, keys)
    gateway = sections.gateway
    defaults = {} if sections.litellm.drop_params is None else {"drop_params": sections.litellm.drop_params}
    credentials = Credentials(root.get("credential_list"), report, environment, keys)
    upstream = UpstreamReader(upstream_defaults(sections), report, environment)
    deployments = read_models(
        root.get("model_list"), defaults, report, environment, keys, credentials, upstream, gateway.prices
    )
    deployments = with_stream_timeout(deployments, sections.router.stream_timeout)
    read = read_keys(sections, report, environment)
    policies = _policies(gateway.policies, (FilePath(report.file).parent, FilePath(".")), report)
    settings = Settings(
        deployments=with_default_limit(deployments, sections.router.default_max_parallel_requests),
        keys=read.keys,
        key_variable=read.variable,
        teams=read.teams,
        server=_server(sections, root),
        pipeline=gateway.pipeline,
        breakers=gateway.breakers,
        policies=tuple(spec for spec, _ in policies),
        router=_with_known_models(_router(sections, _model_names(root, deployments), report), deployments),
        dns=gateway.dns,
        telemetry=gateway.telemetry,
        recorder=gateway.recorder,
        console=gateway.console,
        quotas=gateway.quotas,
        admission=gateway.admission,
        admin=gateway.admin,
        reload=gateway.reload,
    )
    keys.unused()
    check_tenants(read, settings, policies, sections, report)
    check_pools(deployments, report)
    _check_allowed_hosts(settings.server.allowed_hosts, report)
    check_origins(settings.server.cors_origins, report, has_keys=bool(settings.keys))
    check_admin(settings, report)
    check_addresses(settings.server, report)
    check_tls(settings.server.tls, report, is_here=environment.needed)
    check_proxies(settings.server.forwarded_allow_ips, report)
    check_request_ids(settings.telemetry, report)
    check_quotas(settings.quotas, report, is_here=environment.needed)
    check_recorder(settings, report, is_here=environment.needed, keeps_content_out=_keeps_content_out(root))
    _check_secrecy(root, settings, report)
    # Keys that cannot be read are no reason to complain of missing ones.
    if not any(map(report.lacks, KEY_PATHS)):
        _check_host(settings, report, needs_keys=environment.needed)
    return settings


def _report_duplicates(document: Document, report: Report) -> None:
    """The last of two equal keys counts, as for LiteLLM; in the gateway's own section there must be one."""
    for path, file, line in document.duplicates:
        fatal = path[0] == "gateway"
        message = "stands here a second time" + ("" if fatal else "; only the last one counts")
        report.at(path, file, line, message, fatal=fatal)


def _ignored(root: Mapping[str, Any]) -> list[object]:
    """`gateway.ignore`, before it is known whether the section is sound."""
    gateway = root.get("gateway")
    entries = gateway.get("ignore") if isinstance(gateway, dict) else None
    return entries if isinstance(entries, list) else []


def _server(sections: Sections, root: Mapping[str, Any]) -> ServerSettings:
    """The server's settings, with LiteLLM's limit of a body where the gateway's own is not set."""
    server, megabytes = sections.gateway.server, sections.general.max_request_size_mb
    gateway = root.get("gateway")
    server_section = gateway.get("server") if isinstance(gateway, dict) else None
    if megabytes is None or (isinstance(server_section, dict) and server_section.get("body_limit") is not None):
        return server
    return replace(server, body_limit=ByteSize(megabytes * 1024**2))


def _keeps_content_out(root: object) -> bool:
    """Whether LiteLLM would record no content by this configuration."""
    litellm = root.get("litellm_settings") if isinstance(root, dict) else None
    return isinstance(litellm, dict) and bool(litellm.get("turn_off_message_logging"))


def _check_secrecy(root: Mapping[str, Any], settings: Settings, report: Report) -> None:
    """Report what LiteLLM's settings promise of secrecy and the gateway's own settings break."""
    litellm = root.get("litellm_settings")
    if not isinstance(litellm, dict):
        return
    if _keeps_content_out(root) and settings.telemetry.capture_content != "none":
        message = "records the content that litellm_settings.turn_off_message_logging keeps out of records"
        report.problem(("gateway", "telemetry", "capture_content"), message)
    server = settings.server
    open_metrics = server.metrics_token is None and not is_loopback(server.metrics_host)
    if litellm.get("require_auth_for_metrics_endpoint") and open_metrics:
        message = "the metrics port asks for nothing: set gateway.server.metrics_token"
        report.problem(("litellm_settings", "require_auth_for_metrics_endpoint"), message)


def _absent_keys(settings: Settings, report: Report) -> str:
    """Where keys stand that are not to be had here; empty if all of them are here."""
    lacking = [dotted(path) for path in KEY_PATHS if report.lacks(path)]
    return " and ".join(lacking) or ("" if settings.keys else KEY_VARIABLE)


def _policies(
    entries: Iterable[Any], directories: Sequence[FilePath], report: Report
) -> list[tuple[PolicySpec, LoadedPolicy | None]]:
    """Each policy's options, and the policy, which is made once to check it; None where it cannot be made. Its module
    may be in one of `directories`."""
    found: list[tuple[PolicySpec, LoadedPolicy | None]] = []
    for index, entry in enumerate(entries):
        path = ("gateway", "policies", index)
        spec, faults = convert_struct(PolicySpec, {"use": entry} if isinstance(entry, str) else entry, path)
        report.faults(faults)
        if spec is None:
            continue
        spec = located(spec, directories[0])
        try:
            found.append((spec, load_policy(spec, directories)))
        except PolicyNotLoadable as error:
            found.append((spec, None))
            for fault in error.faults:
                report.problem(path + fault.path, fault.message)
    return found


def _model_names(root: dict[str, Any], deployments: Iterable[Deployment]) -> tuple[str, ...]:
    """The names of all models, those of faulty entries too: a fallback to one of these is no fault of its own."""
    names = dict.fromkeys(deployment.model_name for deployment in deployments)
    entries = root.get("model_list")
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and isinstance(name := entry.get("model_name"), str) and name != EVERYTHING:
            names[name] = None
    return tuple(names)


def _router(sections: Sections, names: tuple[str, ...], report: Report) -> RouterSettings:
    litellm, router = sections.litellm, sections.router
    aliases = _aliases(router.model_group_alias, names, report)
    known = ModelNames(names, aliases)
    fallbacks, too_long, refused = (
        _fallbacks(
            getattr(router, key) or getattr(litellm, key),
            ("router_settings" if getattr(router, key) else "litellm_settings", key),
            known,
            names,
            report,
        )
        for key in ("fallbacks", "context_window_fallbacks", "content_policy_fallbacks")
    )
    section = "router_settings" if router.default_fallbacks else "litellm_settings"
    default = tuple(router.default_fallbacks or litellm.default_fallbacks)
    _check_known(default, (section, "default_fallbacks"), known, report)
    defaults = RouterSettings()
    retries = litellm.num_retries if router.num_retries is None else router.num_retries
    return RouterSettings(
        request_timeout=router.timeout or litellm.request_timeout or defaults.request_timeout,
        num_retries=defaults.num_retries if retries is None else retries,
        fallbacks=_with_default(fallbacks, default, names) if default else fallbacks,
        aliases=aliases,
        context_window_fallbacks=too_long,
        content_policy_fallbacks=refused,
        max_retry_after=sections.gateway.router.max_retry_after,
        retry_budget=sections.gateway.router.retry_budget,
        share_stored_responses=sections.gateway.router.share_stored_responses,
        strategy=strategy_of(router.routing_strategy, sections.gateway.router.strategy, report) or defaults.strategy,
        sticky=sections.gateway.router.sticky,
        hold_start=sections.gateway.router.hold_start,
        hedge_after=sections.gateway.router.hedge_after,
    )


def _with_known_models(router: RouterSettings, deployments: Sequence[Deployment]) -> RouterSettings:
    names = ModelNames((one.model_name for one in deployments), router.aliases)
    return replace(router, behind_wildcards=behind_wildcards(deployments, names)) if names.wildcards else router


def _aliases(entries: Mapping[str, str | Alias], names: tuple[str, ...], report: Report) -> dict[str, Alias]:
    aliases = {name: Alias(entry) if isinstance(entry, str) else entry for name, entry in entries.items()}
    known = ModelNames(names)
    for name, alias in aliases.items():
        path = ("router_settings", "model_group_alias", name)
        if is_wildcard(name):
            report.problem(path, "an alias has no wildcard; give an entry of model_list the wildcard as its name")
        elif name in names:
            report.warning(path, "counts before the entry of model_list with this name, which nobody gets to")
        _check_known([alias.model], path, known, report, is_list=False)
    return aliases


def _fallbacks(
    entries: Iterable[dict[str, list[str]]],
    path: Path,
    known: ModelNames,
    names: tuple[str, ...],
    report: Report,
) -> dict[str, tuple[str, ...]]:
    """LiteLLM's list of one-key mappings as one mapping. Its key `"*"` stands for every model without an entry."""
    found: dict[str, tuple[str, ...]] = {}
    for index, entry in enumerate(entries):
        for name, others in entry.items():
            at = (*path, index, name)
            if name in found:
                report.problem(at, "has fallbacks already")
            if name != "*" and name not in names:
                _check_known([name], at, known, report, is_list=False)
            _check_known(others, at, known, report)
            found[name] = tuple(others)
    every = found.pop("*", ())
    return _with_default(found, every, names) if every else found


def _check_known(wanted: Iterable[str], path: Path, known: ModelNames, report: Report, *, is_list: bool = True) -> None:
    for index, name in enumerate(wanted):
        if known.find(name) is None:
            where = (*path, index) if is_list else path
            report.problem(where, f"no model {name} in model_list{did_you_mean(name, known.listed())}")


def _with_default(
    fallbacks: dict[str, tuple[str, ...]], default: tuple[str, ...], names: Iterable[str]
) -> dict[str, tuple[str, ...]]:
    others = {name: tuple(other for other in default if other != name) for name in names if name not in fallbacks}
    return fallbacks | {name: rest for name, rest in others.items() if rest}


def _check_host(settings: Settings, report: Report, *, needs_keys: bool) -> None:
    try:
        check_bind(settings)
    except UnsafeBind as error:
        report_it = report.problem if needs_keys or settings.keys else report.warning
        report_it(error.path, str(error))


def _check_allowed_hosts(names: Iterable[str], report: Report) -> None:
    for index, name in enumerate(names):
        if name.lower() not in (host_name(name), host_name(f"[{name}]")):
            message = "expected the name or address of a host, without scheme and port"
            report.problem(("gateway", "server", "allowed_hosts", index), message)
