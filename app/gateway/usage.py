"""`GET /v1/usage`: a caller's own limits and budgets, how much of each is used, and when there is more. Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from app.gateway.authentication import Caller
from app.quotas import LimitUsage, StateFigures
from telemetry.names import NO_KEY


def described_usage(caller: Caller, usage: Iterable[LimitUsage], state: StateFigures) -> dict[str, Any]:
    """What a caller may ask for, and how much of that it has. Times are in UTC, budgets in US dollars."""
    return {
        "object": "usage",
        "key": None if caller.name == NO_KEY else caller.name,
        "team": caller.team,
        "expires_at": None if caller.expires_at == float("inf") else _time(caller.expires_at),
        "models": list(caller.model_names) or None,
        "request_bytes": None if caller.body_limit is None else caller.body_limit.most,
        "priority": caller.priority,
        "limits": [described_limit(one) for one in usage],
        "state": {
            "age_seconds": None if state.age is None else round(state.age, 3),
            "began_at_zero": state.began_at_zero,
            "is_local": state.is_local,
        },
    }


def described_limit(usage: LimitUsage) -> dict[str, Any]:
    """One limit, as callers and operators read it."""
    # Requests, tokens and streams are counted, and dollars are rounded to less than any of them costs.
    digits = 6 if usage.limit.startswith("budget_") else None
    return {
        "scope": usage.scope,
        "name": usage.name,
        "limit": usage.limit,
        "window": usage.window,
        "hard": usage.is_hard,
        "max": round(usage.most, digits),
        "used": round(usage.used, digits),
        "reserved": round(usage.reserved, digits),
        "left": round(usage.left, digits),
        "resets_at": None if usage.resets_at is None else _time(usage.resets_at),
    }


def _time(unix: float) -> str:
    return f"{datetime.fromtimestamp(unix, UTC):%Y-%m-%dT%H:%M:%SZ}"
