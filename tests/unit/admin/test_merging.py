"""What several processes give back is one outcome."""

from typing import Any

import pytest

from app.admin.acts import (
    CancelRequest,
    CancelRequests,
    DrainDeployment,
    GetStatus,
    GetUsage,
    ListBreakers,
    ListDeployments,
    ListKeys,
    ListRequests,
    Outcome,
    Refused,
    Reload,
)
from app.admin.merging import checked, merged


def breaker(state: str, left: float | None = None, *, forced: bool = False, kept_out: int = 0) -> Outcome:
    named = {"breaker": "east", "state": state, "reason": None}
    return {**named, "seconds_left": left, "forced": forced, "callers_kept_out": kept_out}


def request(id: str, seconds: float) -> Outcome:
    return {"transaction_id": id, "seconds": seconds}


def test_a_breaker_is_as_it_is_where_it_is_worst() -> None:
    outcomes = [
        {"breakers": [breaker("closed", kept_out=2)]},
        {"breakers": [breaker("open", 3.0)]},
        {"breakers": [breaker("half_open", kept_out=1)]},
    ]
    assert merged(ListBreakers(), outcomes) == {"breakers": [breaker("open", 3.0, kept_out=2)]}


def test_one_that_is_forced_open_without_an_end_is_open_for_longest() -> None:
    forced = breaker("open", None, forced=True)
    outcomes = [{"breakers": [breaker("open", 900.0)]}, {"breakers": [forced]}]
    assert merged(ListBreakers(), outcomes) == {"breakers": [forced]}


def test_what_keys_were_used_for_adds_up() -> None:
    used = {"requests": 2, "tokens": 10, "cost_usd": 0.5}
    key = {"id": "ab", "name": "ci", **used}
    other = {"id": "cd", "name": "people", **used}
    found = merged(ListKeys(), [{"keys": [key, other]}, {"keys": [key, other]}])
    twice = {"requests": 4, "tokens": 20, "cost_usd": 1.0}
    assert found == {"keys": [{**key, **twice}, {**other, **twice}]}
    usage: dict[str, Any] = {"key": "ci", **used, "limits": [{"left": 3}]}
    assert merged(GetUsage("ci"), [usage, usage]) == {**usage, **twice}


def test_requests_at_a_deployment_add_up() -> None:
    one = {"deployment": "east", "drained": True, "breaker": "closed", "in_flight": 2}
    two = {**one, "breaker": "open", "in_flight": 3}
    both = {**one, "breaker": "open", "in_flight": 5}
    assert merged(DrainDeployment("east"), [one, two]) == both
    assert merged(ListDeployments(), [{"deployments": [one]}, {"deployments": [two]}]) == {"deployments": [both]}


def test_requests_in_flight_are_the_oldest_of_all() -> None:
    outcomes = [
        {"requests": [request("a", 9), request("b", 1)], "total": 2},
        {"requests": [request("c", 5)], "total": 7},
    ]
    act = ListRequests(limit=2)
    found = checked(act, merged(act, outcomes))
    assert found == {"requests": [request("a", 9), request("c", 5)], "total": 9}


def test_one_process_has_the_request_that_is_cancelled() -> None:
    act = CancelRequest("txn_1")
    assert checked(act, merged(act, [{"cancelled": 0}, {"cancelled": 1}])) == {"cancelled": 1}
    with pytest.raises(Refused, match="no request txn_1 is in flight"):
        checked(act, merged(act, [{"cancelled": 0}, {"cancelled": 0}]))
    of_key = CancelRequests("ci")
    assert checked(of_key, merged(of_key, [{"cancelled": 0}, {"cancelled": 0}])) == {"cancelled": 0}


def test_every_process_is_listed() -> None:
    outcomes = [{"version": "1", "processes": [{"pid": pid}]} for pid in (1, 2)]
    assert merged(GetStatus(), outcomes) == {"version": "1", "processes": [{"pid": 1}, {"pid": 2}]}


def test_a_reload_is_told_of_once_and_is_as_far_as_the_last_process() -> None:
    outcome = {"generation": 3, "changed": ["model a is new"], "needs_restart": [], "warnings": ["old"]}
    assert merged(Reload(), [outcome, {**outcome, "generation": 2}]) == {**outcome, "generation": 2}
