"""What operators are shown of keys, breakers, deployments and requests, as plain data. Pure."""

import os
from collections import Counter
from collections.abc import Iterable
from difflib import get_close_matches
from math import isfinite

import msgspec

from app.admin.acts import Outcome
from app.backends.overrides import DeploymentOverrides
from app.breakers.panel import ListedBreaker
from app.settings import Deployment, Key
from telemetry import KeyTotals, TransactionView

_ID = 8
"""Hexadecimal digits of a key's hash by which it is named."""
_MOST_NAMED = 8


def key_id(key: Key) -> str:
    """By what a key is named beside its name: too little of its hash to find it by."""
    return key.digest.hex()[:_ID]


def key(key: Key, totals_of_name: KeyTotals, now: float, *, revoked: bool) -> Outcome:
    """A key, never what is presented. `now` is Unix time."""
    may = key.entitlement
    return {
        "id": key_id(key),
        "name": key.name,
        "team": key.team,
        "labels": key.labels,
        "expires": None if key.expires is None else key.expires.isoformat(),
        "expired": key.expires is not None and key.expires.timestamp() <= now,
        "revoked": revoked,
        "models": list(may.models),
        "policies": list(may.policies),
        "priority": may.priority,
        "limits": {name: limit for name, limit in _plain(may.limits).items() if limit is not None},
        "budgets": [_plain(budget) for budget in may.budgets],
        **totals(totals_of_name),
    }


def totals(found: KeyTotals) -> Outcome:
    return {"requests": int(found.requests), "tokens": int(found.tokens), "cost_usd": found.cost_usd}


def breaker(listed: ListedBreaker) -> Outcome:
    state, reason, left, is_forced = listed.reading
    return {
        "breaker": listed.name,
        "state": state.value,
        "reason": reason,
        "seconds_left": left if left is not None and isfinite(left) else None,
        "forced": is_forced,
        "callers_kept_out": listed.kept_out,
    }


def deployment(one: Deployment, overrides: DeploymentOverrides, breaker_state: str, in_flight: int) -> Outcome:
    return {
        "deployment": one.id,
        "model": one.model_name,
        "provider_model": one.model,
        "provider": one.provider,
        "order": one.order,
        "weight": overrides.weight(one),
        "configured_weight": one.weight,
        "drained": overrides.is_drained(one.id),
        "breaker": str(breaker_state),
        "in_flight": in_flight,
    }


def in_flight_by_deployment(views: Iterable[TransactionView]) -> Counter[str]:
    return Counter(view.deployment for view in views if view.deployment is not None)


def request(view: TransactionView) -> Outcome:
    found: Outcome = msgspec.to_builtins(view)
    return {**found, "pid": os.getpid()}


def unknown(kind: str, name: str, names: Iterable[str]) -> str:
    """Why nothing is called so, with what it may have been meant for."""
    known = list(dict.fromkeys(names))
    if not known:
        return f"there is no {kind} {name}: this gateway has none"
    if near := get_close_matches(name, known, n=3):
        return f"there is no {kind} {name}; did you mean {' or '.join(near)}?"
    rest = ", and others" if len(known) > _MOST_NAMED else ""
    return f"there is no {kind} {name}. Known: {', '.join(known[:_MOST_NAMED])}{rest}"


def _plain(value: object) -> Outcome:
    """A struct of settings as numbers and texts; sizes and durations have types of their own."""
    found: Outcome = msgspec.to_builtins(value, enc_hook=lambda number: number + 0)
    return found
