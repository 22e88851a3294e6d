"""A file in, `Configuration` out: settings, warnings, variables to set; or `ConfigurationRefused` with all problems."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from app.configuration.binding import UnsafeBind, check_bind
from app.configuration.document import Document, NotYaml
from app.configuration.environment import Environment
from app.configuration.litellm_names import TOP, unsupported
from app.configuration.models import read_models
from app.configuration.problems import ConfigurationRefused, Problem, Report
from app.configuration.sections import Sections, read_sections
from app.conversion import Path, convert_struct, did_you_mean
from app.policies.loading import PolicyNotLoadable, load_policy
from app.settings import Deployment, PolicySpec, RouterSettings, Settings

_TOP = ("model_list", "general_settings", "litellm_settings", "router_settings", "environment_variables", "gateway")
_KEY_VARIABLE = "FLOWSPAN_KEY"


@dataclass(frozen=True)
class Configuration:
    """`environment` is what the file wants set for the process; `export` sets it."""

    settings: Settings
    warnings: tuple[Problem, ...]
    environment: Mapping[str, str]


def load(file: str | FilePath, environ: Mapping[str, str] | None = None) -> Configuration:
    """Raises OSError or UnicodeDecodeError for a file that cannot be read at all."""
    return parse(FilePath(file).read_text("utf-8-sig"), str(file), environ)


def parse(text: str, file: str = "config", environ: Mapping[str, str] | None = None) -> Configuration:
    """Of `text`; `environ` is the process's own environment unless given."""
    try:
        document = Document(text)
    except NotYaml as error:
        raise ConfigurationRefused([Problem(file, error.line, "", error.message)]) from None
    report = Report(file, document)
    environment = Environment(os.environ if environ is None else environ, report)
    settings = _read(document, report, environment)
    if report.problems:
        in_order = sorted(report.problems, key=lambda problem: problem.line)
        raise ConfigurationRefused(in_order, report.warnings)
    return Configuration(settings, tuple(report.warnings), environment.declared)


def _read(document: Document, report: Report, environment: Environment) -> Settings:
    root = document.data
    if not isinstance(root, dict):
        report.problem((), "expected a mapping with model_list")
        return Settings()
    for path, line in document.duplicates:
        report.problem(path, "stands here a second time", line)
    for key in root:
        if key in TOP:
            report.warning((key,), unsupported(key))
        elif key not in _TOP:
            report.problem((key,), f"unknown section{did_you_mean(key, (*_TOP, *TOP))}")
    environment.declare(root.get("environment_variables"))
    sections = read_sections(root, report, environment)
    gateway = sections.gateway
    defaults = {} if sections.litellm.drop_params is None else {"drop_params": sections.litellm.drop_params}
    deployments = read_models(root.get("model_list"), defaults, report, environment)
    settings = Settings(
        deployments=tuple(deployments),
        keys=_keys(sections, environment),
        server=gateway.server,
        pipeline=gateway.pipeline,
        breakers=gateway.breakers,
        policies=_policies(gateway.policies, report),
        router=_router(sections, _model_names(root, deployments), report),
        telemetry=gateway.telemetry,
    )
    # Keys that cannot be read are no reason to complain of missing ones.
    if not any(map(report.has_problem, (("general_settings", "master_key"), ("gateway", "keys")))):
        _check_host(settings, report)
    return settings


def _keys(sections: Sections, environment: Environment) -> tuple[str, ...]:
    keys = (sections.general.master_key, *sections.gateway.keys)
    found = tuple(dict.fromkeys(key for key in keys if key))
    from_environment = environment.get(_KEY_VARIABLE)
    return found or ((from_environment,) if from_environment else ())


def _policies(entries: Iterable[Any], report: Report) -> tuple[PolicySpec, ...]:
    """Each policy is made once here, to find out now what is wrong with it."""
    specs = []
    for index, entry in enumerate(entries):
        path = ("gateway", "policies", index)
        spec, faults = convert_struct(PolicySpec, {"use": entry} if isinstance(entry, str) else entry, path)
        report.faults(faults)
        if spec is None:
            continue
        specs.append(spec)
        try:
            load_policy(spec)
        except PolicyNotLoadable as error:
            for fault in error.faults:
                report.problem(path + fault.path, fault.message)
    return tuple(specs)


def _model_names(root: dict[str, Any], deployments: Iterable[Deployment]) -> tuple[str, ...]:
    """Those of faulty entries too: what falls back to them has no fault of its own."""
    names = dict.fromkeys(deployment.model_name for deployment in deployments)
    entries = root.get("model_list")
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and isinstance(name := entry.get("model_name"), str):
            names[name] = None
    return tuple(names)


def _router(sections: Sections, names: tuple[str, ...], report: Report) -> RouterSettings:
    litellm, router = sections.litellm, sections.router
    section = "router_settings" if router.fallbacks else "litellm_settings"
    fallbacks = _fallbacks(router.fallbacks or litellm.fallbacks, (section, "fallbacks"), names, report)
    section = "router_settings" if router.default_fallbacks else "litellm_settings"
    default = tuple(router.default_fallbacks or litellm.default_fallbacks)
    _check_known(default, (section, "default_fallbacks"), names, report)
    defaults = RouterSettings()
    retries = litellm.num_retries if router.num_retries is None else router.num_retries
    return RouterSettings(
        request_timeout=router.timeout or litellm.request_timeout or defaults.request_timeout,
        num_retries=defaults.num_retries if retries is None else retries,
        fallbacks=_with_default(fallbacks, default, names) if default else fallbacks,
        max_retry_after=sections.gateway.router.max_retry_after,
    )


def _fallbacks(
    entries: Iterable[dict[str, list[str]]], path: Path, names: tuple[str, ...], report: Report
) -> dict[str, tuple[str, ...]]:
    """LiteLLM's list of one-key mappings as one mapping; `"*"` in it stands for every model without an entry."""
    found: dict[str, tuple[str, ...]] = {}
    for index, entry in enumerate(entries):
        for name, others in entry.items():
            at = (*path, index, name)
            if name in found:
                report.problem(at, "has fallbacks already")
            if name != "*" and name not in names:
                report.problem(at, f"no model {name} in model_list{did_you_mean(name, names)}")
            _check_known(others, at, names, report)
            found[name] = tuple(others)
    every = found.pop("*", ())
    return _with_default(found, every, names) if every else found


def _check_known(wanted: Iterable[str], path: Path, names: tuple[str, ...], report: Report) -> None:
    known = frozenset(names)
    for index, name in enumerate(wanted):
        if name not in known:
            report.problem((*path, index), f"no model {name} in model_list{did_you_mean(name, names)}")


def _with_default(
    fallbacks: dict[str, tuple[str, ...]], default: tuple[str, ...], names: Iterable[str]
) -> dict[str, tuple[str, ...]]:
    others = {name: tuple(other for other in default if other != name) for name in names if name not in fallbacks}
    return fallbacks | {name: rest for name, rest in others.items() if rest}


def _check_host(settings: Settings, report: Report) -> None:
    try:
        check_bind(settings)
    except UnsafeBind as error:
        report.problem(("gateway", "server", "host"), str(error))
