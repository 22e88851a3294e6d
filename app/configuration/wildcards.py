"""Wildcards in `model_list`: `anthropic/*`, `claude-*`, and `*` for every provider that a key is set for."""

from collections.abc import Iterator
from typing import Any

from app.backends.model_names import is_wildcard
from app.configuration.environment import Environment
from app.configuration.problems import Report
from app.conversion import Path
from app.providers import DIRECT, PROVIDERS

EVERYTHING = "*"
_OF_ONE_PROVIDER = ("api_key", "api_base", "base_url")


def check_wildcards(name: str, model: str, path: Path, report: Report) -> None:
    """Report wildcards of an entry that stand for nothing, or that make no difference."""
    if model.count("*") > name.count("*"):
        message = "has more wildcards than model_name, so nothing says what they stand for"
        report.problem((*path, "litellm_params", "model"), message)
    elif is_wildcard(name) and not is_wildcard(model):
        report.warning((*path, "model_name"), f"every model that it stands for is {model}")


def each_provider(
    entry: object, path: Path, section: list[Any], report: Report, environment: Environment
) -> Iterator[object]:
    """The entry itself; or, for the model `*`, an entry for each provider whose key is in the environment, named
    `PROVIDER/*`. Those that have such an entry already are left out."""
    params = entry.get("litellm_params") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(params, dict) or params.get("model") != EVERYTHING:
        yield entry
        return
    if params.get("custom_llm_provider"):
        yield entry
        return
    where = (*path, "litellm_params", "model")
    if entry.get("model_name") != EVERYTHING or any(params.get(name) for name in _OF_ONE_PROVIDER):
        # A caller would choose the provider that the key goes to.
        report.problem(where, "names no provider; expected something like openai/*")
        return
    named = {other.get("model_name") for other in section if isinstance(other, dict)}
    prefixes = [
        row.prefix
        for row in PROVIDERS.values()
        if row.backend in DIRECT and row.base_url and row.key_variable and environment.get(row.key_variable)
    ]
    if not prefixes:
        missing = report.problem if environment.needed else report.unresolved
        missing(where, "stands for every provider whose key is in the environment, and there is none")
    for wildcard in (f"{prefix}/*" for prefix in prefixes):
        if wildcard not in named:
            yield {**entry, "model_name": wildcard, "litellm_params": {**params, "model": wildcard}}
