"""Every provider that the gateway has facts about, and which of them a model's name means.

A row's prefix is LiteLLM's: in `groq/llama-3` it says who is asked, and the rest is that provider's name of the model.
A provider without a row is asked through LiteLLM, which may know it, and has its prefix for a name in telemetry.

`rows` has the table, `row` says what a row holds, `quirks` what an API that is like OpenAI's may take otherwise.
The page docs/providers.md prints it: `python -m tests.unit.providers_page`.
"""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from app.messages import Operation
from app.providers.quirks import Quirks, ThinkingHistory
from app.providers.row import (
    ALL,
    DIRECT,
    OPERATIONS,
    RESPONSES_PREFIX,
    BackendName,
    Provider,
    ResponsesApi,
)
from app.providers.rows import ROWS, SIGNATURES_NEEDED_BY, THINKING_REQUIRED_BY

__all__ = [
    "DIRECT",
    "OPERATIONS",
    "PROVIDERS",
    "RESPONSES_PREFIX",
    "SIGNATURES_NEEDED_BY",
    "THINKING_REQUIRED_BY",
    "BackendName",
    "Provider",
    "ProviderModel",
    "Quirks",
    "ResponsesApi",
    "ThinkingHistory",
    "at_address",
    "find",
    "quirks_at",
    "row_of",
    "serves",
]

PROVIDERS: Mapping[str, Provider] = {row.prefix: row for row in ROWS}
"""The rows by prefix."""

_BARE = tuple((start, row) for row in PROVIDERS.values() for start in row.bare_models)
_WITHOUT: Mapping[str, frozenset[Operation]] = {
    row.name: ALL - row.operations for row in PROVIDERS.values() if row.operations != ALL
}


def _hosts(row: Provider) -> Iterable[str]:
    host = urlsplit(row.base_url or "").hostname or ""
    # Where that is a number, it is a machine of whoever runs the gateway.
    return (host, *row.hosts) if host[-1:].isalpha() else row.hosts


_AT_HOST: Mapping[str, Provider] = {host: row for row in ROWS for host in _hosts(row)}


class ProviderModel(NamedTuple):
    """A provider, and the name by which it knows a model."""

    provider: Provider
    model: str


def row_of(prefix: str) -> Provider:
    """The row of a prefix; without one, a new row for LiteLLM."""
    return PROVIDERS.get(prefix) or Provider(prefix, "litellm")


def find(model: str, params: Mapping[str, Any]) -> ProviderModel | None:
    """The provider that a deployment's model and parameters name. None for a model without a prefix whose name no row
    claims."""
    prefix, slash, rest = model.partition("/")
    custom = params.get("custom_llm_provider")
    if custom and isinstance(custom, str):
        return _without_family(row_of(custom), rest if slash and prefix == custom else model)
    if slash:
        return _without_family(row_of(prefix), rest)
    return next((ProviderModel(row, model) for start, row in _BARE if model.startswith(start)), None)


def at_address(base: str) -> Provider | None:
    """The provider whose address this is, whatever prefix its deployment has; None for an unknown one, and for
    what is no address, which the deployment's backend refuses."""
    try:
        host = f".{urlsplit(base).hostname or ''}"
    except ValueError:
        return None
    return next((row for known, row in _AT_HOST.items() if host.endswith(f".{known}")), None)


def quirks_at(row: Provider, base: str, names: Iterable[str]) -> Quirks:
    """The quirks of a deployment of this provider at the address `base`, whose model has these names."""
    quirks = row.quirks
    if row.quirks_elsewhere is not None:
        found = at_address(base)
        theirs = None if found is None else found.quirks if found.backend == "openai" else found.compatible
        quirks = theirs or row.quirks_elsewhere
    known_as = [tail for name in names for tail in _tails(name)]
    for patterns, more in row.model_quirks:
        if any(fnmatchcase(name, pattern) for pattern in patterns for name in known_as):
            quirks = quirks.joined(more)
    return quirks


def serves(backend: BackendName, otel_name: str, operation: Operation) -> bool:
    """Whether an operation can be asked for by this backend of the provider with this name in telemetry."""
    if operation not in OPERATIONS[backend]:
        return False
    return operation not in _WITHOUT.get(otel_name, ()) or (backend == "litellm" and operation == "text_completion")


def _without_family(row: Provider, model: str) -> ProviderModel:
    family = next((family for family in row.model_families if model.startswith(family)), "")
    return ProviderModel(row, model.removeprefix(family))


def _tails(name: str) -> list[str]:
    """The name, and what is left of it behind each slash."""
    parts = name.split("/")
    return ["/".join(parts[at:]) for at in range(len(parts))]
