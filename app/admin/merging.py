"""One outcome of those of all processes that serve together. Pure.

What is counted adds up, lists of what each process has for itself are put together, and of what all have in common the
worst counts: a breaker that is open somewhere is open.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from app.admin.acts import (
    MOST_REQUESTS,
    Act,
    CancelRequest,
    CancelRequests,
    DrainDeployment,
    GetChanges,
    GetLogLevel,
    GetStatus,
    GetUsage,
    ListAudit,
    ListBreakers,
    ListDeployments,
    ListKeys,
    ListRequests,
    OpenBreaker,
    Outcome,
    Refused,
    ReleaseBreaker,
    Reload,
    ResetBreaker,
    RestartWorkers,
    RestoreDeployment,
    RestoreKey,
    RevokeKey,
    SetLogLevel,
    SetWeight,
)

Row = Mapping[str, Any]
_STATES = ("closed", "half_open", "open")
"""The states of a breaker, the worst last."""


def merged(act: Act, outcomes: Sequence[Outcome]) -> Outcome:
    """What became of an act that each process has performed. There is at least one outcome."""
    if len(outcomes) == 1:
        return outcomes[0]
    return MERGERS[type(act)](outcomes)


def checked(act: Act, outcome: Outcome) -> Outcome:
    """The outcome of all processes together; raises Refused for one that says that there was nothing to do."""
    match act:
        case CancelRequest(transaction_id) if not outcome["cancelled"]:
            raise Refused(f"no request {transaction_id} is in flight")
        case ReleaseBreaker(name) if not outcome["released"]:
            raise Refused(f"breaker {name} is not forced open; reset it if it has opened by itself")
        case ListRequests(limit=most):
            return {**outcome, "requests": outcome["requests"][:most]}
    return outcome


def _status(outcomes: Sequence[Outcome]) -> Outcome:
    return {**outcomes[0], "processes": _all(outcomes, "processes")}


def _keys(outcomes: Sequence[Outcome]) -> Outcome:
    return {"keys": _by("id", _all(outcomes, "keys"), _usage)}


def _breakers(outcomes: Sequence[Outcome]) -> Outcome:
    return {"breakers": _by("breaker", _all(outcomes, "breakers"), _breaker)}


def _deployments(outcomes: Sequence[Outcome]) -> Outcome:
    return {"deployments": _by("deployment", _all(outcomes, "deployments"), _deployment)}


def _requests(outcomes: Sequence[Outcome]) -> Outcome:
    requests = sorted(_all(outcomes, "requests"), key=lambda one: -one["seconds"])
    return {"requests": requests[:MOST_REQUESTS], "total": _sum(outcomes, "total")}


def _cancelled(outcomes: Sequence[Outcome]) -> Outcome:
    return {"cancelled": _sum(outcomes, "cancelled")}


def _reload(outcomes: Sequence[Outcome]) -> Outcome:
    lists = ("changed", "needs_restart", "warnings")
    distinct = {name: list(dict.fromkeys(_all(outcomes, name))) for name in lists}
    return {"generation": min(one["generation"] for one in outcomes), **distinct}


def _first(outcomes: Sequence[Outcome]) -> Outcome:
    """What is the same in all processes."""
    return outcomes[0]


def _all(outcomes: Iterable[Outcome], name: str) -> list[Any]:
    return [item for outcome in outcomes for item in outcome[name]]


def _sum(rows: Iterable[Row], name: str) -> Any:
    return sum(row[name] for row in rows)


def _by(name: str, rows: Iterable[Row], one_of: Callable[[Sequence[Row]], Outcome]) -> list[Outcome]:
    """One row of all those that have the same value of `name`, in the order in which they came first."""
    same: dict[Any, list[Row]] = {}
    for row in rows:
        same.setdefault(row[name], []).append(row)
    return [one_of(group) for group in same.values()]


def _usage(rows: Sequence[Row]) -> Outcome:
    return {**rows[0], **{name: _sum(rows, name) for name in ("requests", "tokens", "cost_usd")}}


def _breaker(rows: Sequence[Row]) -> Outcome:
    worst = max(rows, key=lambda row: (_STATES.index(row["state"]), row["forced"], row["seconds_left"] or 0.0))
    # Only where it opened it is known why.
    reason = next((row["reason"] for row in rows if row["reason"] and row["state"] == worst["state"]), None)
    return {**worst, "reason": reason, "callers_kept_out": max(row["callers_kept_out"] for row in rows)}


def _released(rows: Sequence[Row]) -> Outcome:
    # The first that ended the force did so for all.
    return {**_breaker(rows), "released": any(row["released"] for row in rows)}


def _deployment(rows: Sequence[Row]) -> Outcome:
    worst = max((row["breaker"] for row in rows), key=_STATES.index)
    return {**rows[0], "breaker": worst, "in_flight": _sum(rows, "in_flight")}


MERGERS: Mapping[type[Act], Callable[[Sequence[Outcome]], Outcome]] = {
    GetStatus: _status,
    ListKeys: _keys,
    RevokeKey: _first,
    RestoreKey: _first,
    GetUsage: _usage,
    ListBreakers: _breakers,
    ResetBreaker: _breaker,
    OpenBreaker: _breaker,
    ReleaseBreaker: _released,
    ListDeployments: _deployments,
    DrainDeployment: _deployment,
    RestoreDeployment: _deployment,
    SetWeight: _deployment,
    GetLogLevel: _first,
    SetLogLevel: _first,
    Reload: _reload,
    GetChanges: _reload,
    RestartWorkers: _first,
    ListRequests: _requests,
    CancelRequest: _cancelled,
    CancelRequests: _cancelled,
    ListAudit: _first,
}
