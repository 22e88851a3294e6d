"""`flowspan doctor`: what is configured, reachable and exported, in one page, and what would stop a start.

findings .... what was found, and how it is printed
machine ..... Python, limits, ports
network ..... whether an address can be reached
providers ... each provider of the configuration
recordings .. the store of recordings
"""

from collections.abc import Mapping
from contextlib import suppress

from requests.utils import get_environ_proxies, select_proxy

from app.configuration import ConfigurationRefused, UnsafeBind, check_bind, grouped, load, where_keys_are
from app.configuration.api_keys import KEY_VARIABLE
from app.configuration.upstream_proxies import proxy_at
from app.doctor import machine
from app.doctor.findings import Finding, Section, has_fault, lines_of
from app.doctor.network import Way, reach
from app.doctor.providers import look_at_providers
from app.doctor.recordings import look_at_store
from app.figures import counted
from app.providers import PROVIDERS
from app.settings import Settings
from telemetry.environment import EnvironmentRefused, OtlpTarget, read_environment

__all__ = ["Section", "examine", "has_fault", "lines_of"]


def examine(file: str | None, environ: Mapping[str, str], *, asks: bool = False) -> list[Section]:
    """Look at the machine, the environment and a configuration. With `asks`, providers are asked for their models with
    the configured keys, which costs nothing. Raises OSError or UnicodeDecodeError where the file cannot be read."""
    sections = [Section("this machine", machine.about()), Section("keys in the environment", _keys(environ))]
    settings = Settings()
    if file is not None:
        settings, findings = _configuration(file, environ)
        sections.append(Section(f"configuration {file}", findings))
        if settings.deployments:
            sections.append(Section("providers", look_at_providers(settings.deployments, asks=asks)))
            sections.append(Section("recordings", [look_at_store(settings.recorder)]))
    return [*sections, Section("ports", _ports(settings)), Section("telemetry", _exports(environ))]


def _keys(environ: Mapping[str, str]) -> list[Finding]:
    """The names of the variables that are set."""
    variables = dict.fromkeys(row.key_variable for row in PROVIDERS.values() if row.key_variable)
    found = [name for name in (*variables, KEY_VARIABLE) if environ.get(name) or environ.get(f"{name}_FILE")]
    if not found:
        return [Finding("note", "no key of a provider is set; `flowspan init` knows the names of their variables")]
    return [Finding("good", ", ".join(found))]


def _configuration(file: str, environ: Mapping[str, str]) -> tuple[Settings, list[Finding]]:
    try:
        configuration = load(file, environ)
    except ConfigurationRefused as refused:
        return Settings(), [Finding("fault", str(problem)) for problem in grouped(refused.problems)]
    settings = configuration.settings
    findings = [Finding("good", _in_short(settings))]
    with suppress(UnsafeBind):
        findings += [Finding("note", warning) for warning in check_bind(settings)]
    return settings, findings + [Finding("warning", str(one)) for one in grouped(configuration.warnings)]


def _in_short(settings: Settings) -> str:
    models = counted(len({one.model_name for one in settings.deployments}), "model")
    deployments = counted(len(settings.deployments), "deployment")
    policies = ", ".join(policy.use for policy in settings.policies) or "no policies"
    return f"{models}, {deployments}; {policies}; {where_keys_are(settings)}"


def _ports(settings: Settings) -> list[Finding]:
    server, console, admin = settings.server, settings.console, settings.admin
    found = []
    if server.port is not None:
        found.append(machine.port("API", server.host, server.port, may_take_another=False))
    if server.uds is not None:
        found.append(machine.unix_socket("API", server.uds))
    found.append(machine.port("metrics", server.metrics_host, server.metrics_port, may_take_another=True))
    if console.enabled:
        found.append(machine.port("console", console.host, console.port, may_take_another=True))
    if admin.key is not None and admin.socket is None:
        found.append(machine.port("admin", admin.host, admin.port, may_take_another=True))
    return found


def _way_to(target: OtlpTarget) -> Way:
    """What is exported over HTTP goes by the proxy that `requests` finds in the environment."""
    if target.protocol == "grpc":
        return Way()
    address = select_proxy(target.endpoint, get_environ_proxies(target.endpoint, None))
    try:
        return Way() if address is None else Way(proxy_at(address, "the environment"))
    except ValueError:
        # A proxy of another kind, which is not looked at.
        return Way()


def _exports(environ: Mapping[str, str]) -> list[Finding]:
    try:
        environment = read_environment(environ)
    except EnvironmentRefused as refused:
        return [Finding("fault", problem) for problem in refused.problems]
    signals = {"traces": environment.traces, "metrics": environment.metrics, "logs": environment.logs}
    found = []
    for signal, export in signals.items():
        if export is not None and export.target is not None:
            reached = reach(export.target.endpoint, _way_to(export.target))
            if reached.problem is None:
                found.append(Finding("good", f"{signal} go to {export.target.address}"))
            else:
                found.append(Finding("warning", f"{signal} go to {export.target.address}: {reached.problem}"))
    found += [Finding("warning", warning) for warning in environment.warnings]
    return found or [Finding("note", "nothing is exported; set OTEL_EXPORTER_OTLP_ENDPOINT to send traces")]
