"""How the router chooses and waits, where LiteLLM has words of its own for it."""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from app.configuration.problems import Report
from app.conversion import Path, convert_value
from app.settings import Deployment, RoutingStrategy, Seconds

FIRST_TOKEN = "first_token_timeout"
_STRATEGIES: Mapping[str, RoutingStrategy] = {
    "simple-shuffle": "weighted",
    "least-busy": "least_busy",
    "latency-based-routing": "fastest_first_token",
    "cost-based-routing": "cheapest",
}
"""LiteLLM's strategies that have a counterpart."""


def strategy_of(litellm: str | None, chosen: RoutingStrategy | None, report: Report) -> RoutingStrategy | None:
    """The strategy that is `chosen` in the gateway's own section, else the counterpart of LiteLLM's; None without
    either. Reports one of LiteLLM's that has none."""
    if litellm is None or litellm in _STRATEGIES:
        return chosen or _STRATEGIES.get(litellm or "")
    if chosen is None:
        path = ("router_settings", "routing_strategy")
        report.warning(path, f"not supported here: use {', '.join(_STRATEGIES)}, or gateway.router.strategy")
    return chosen


def first_token_timeout(
    entry: Mapping[str, Any], stream_timeout: Seconds | None, path: Path, report: Report
) -> Seconds | None:
    """The wait for the first piece of a streamed answer that an entry sets, else its `stream_timeout`, which stands for
    it in LiteLLM's file."""
    if (value := entry.get(FIRST_TOKEN)) is None:
        return stream_timeout or None
    seconds, faults = convert_value(Seconds, value, (*path, FIRST_TOKEN))
    report.faults(faults)
    if faults:
        return None
    if not seconds > 0:
        report.problem((*path, FIRST_TOKEN), "must be more than 0")
    return Seconds(seconds)


def with_stream_timeout(deployments: Iterable[Deployment], seconds: Seconds | None) -> list[Deployment]:
    """Deployments of which those without a wait for the first piece have LiteLLM's for all of them."""
    if not seconds:
        return list(deployments)
    return [one if one.first_token_timeout else replace(one, first_token_timeout=seconds) for one in deployments]
