"""How many attempts a deployment may have, by its entry's own names or by LiteLLM's, wherever LiteLLM has them.

Of several the first counts: the entry's own name, LiteLLM's in the entry, in `litellm_params`, in `model_info`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from app.configuration.problems import Report
from app.conversion import Path, convert_value
from app.settings import Count, Deployment

_KEYS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "max_parallel": (("", "max_parallel"), ("litellm_params", "max_parallel_requests")),
    "requests_per_minute": (
        ("", "requests_per_minute"),
        ("", "rpm"),
        ("litellm_params", "rpm"),
        ("model_info", "rpm"),
    ),
    "tokens_per_minute": (("", "tokens_per_minute"), ("", "tpm"), ("litellm_params", "tpm"), ("model_info", "tpm")),
}
LIMIT_PARAMS = frozenset(name for keys in _KEYS.values() for block, name in keys if block == "litellm_params")
"""The parameters that are read here, and are not the provider's."""


class DeploymentLimits(NamedTuple):
    """The limits of one deployment, each None where there is none."""

    max_parallel: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


def read_limits(
    entry: Mapping[str, Any], params: Mapping[str, Any], info: Mapping[str, Any], path: Path, report: Report
) -> DeploymentLimits:
    """The limits of an entry at `path`, whose parameters have their references resolved. Reports what is no number."""
    blocks = {"": entry, "litellm_params": params, "model_info": info}
    return DeploymentLimits(**{limit: _limit(keys, blocks, path, report) for limit, keys in _KEYS.items()})


def with_default_limit(deployments: Sequence[Deployment], max_parallel: int | None) -> tuple[Deployment, ...]:
    """The deployments, with this limit where none is set."""
    if max_parallel is None:
        return tuple(deployments)
    return tuple(replace(one, max_parallel=max_parallel) if _is_unlimited(one) else one for one in deployments)


def _is_unlimited(one: Deployment) -> bool:
    return one.max_parallel is None and one.requests_per_minute is None and one.tokens_per_minute is None


def _limit(
    keys: tuple[tuple[str, str], ...], blocks: Mapping[str, Mapping[str, Any]], path: Path, report: Report
) -> int | None:
    found: list[int] = []
    for block, name in keys:
        if (value := blocks[block].get(name)) is not None:
            at = (*path, block, name) if block else (*path, name)
            number, faults = convert_value(Count, value, at)
            report.faults(faults)
            found += [] if faults else [number]
    return found[0] if found else None
