"""A process that begins beside others performs what is in force there."""

from hypothesis import given
from hypothesis import strategies as st

from app.admin.acts import (
    Act,
    CancelRequest,
    DrainDeployment,
    ListKeys,
    OpenBreaker,
    Outcome,
    ReleaseBreaker,
    Reload,
    ResetBreaker,
    RestoreDeployment,
    RestoreKey,
    RevokeKey,
    SetLogLevel,
    SetWeight,
)
from app.admin.standing import StandingActs
from tests.unit.telemetry.fakes import ManualClock

_KEYS = {"a": ["a"], "b": ["b"], "name": ["a", "b"]}
"""Two keys by their ids, and by the name of both."""


def outcome_of(act: Act) -> Outcome:
    """The outcome of an act, as far as it tells what the act concerns."""
    return {"keys": [{"id": id} for id in _KEYS[act.key]]} if isinstance(act, RevokeKey | RestoreKey) else {}


def in_force(*acts: Act) -> list[Act]:
    standing = StandingActs()
    for act in acts:
        standing.note(act, outcome_of(act))
    return standing.in_force()


def test_what_was_done_by_hand_is_in_force() -> None:
    acts = [RevokeKey("a"), OpenBreaker("east"), DrainDeployment("west"), SetWeight("west", 2.0), SetLogLevel("debug")]
    assert in_force(*acts) == acts


def test_what_was_undone_is_not() -> None:
    assert in_force(RevokeKey("name"), RestoreKey("name")) == []
    assert in_force(OpenBreaker("east"), ReleaseBreaker("east")) == []
    assert in_force(OpenBreaker("east"), ResetBreaker("east")) == []
    assert in_force(DrainDeployment("west"), RestoreDeployment("west")) == []
    assert in_force(SetWeight("west", 2.0), SetWeight("west")) == []


def test_the_latest_of_a_kind_counts() -> None:
    assert in_force(SetWeight("west", 2.0), SetWeight("west", 3.0)) == [SetWeight("west", 3.0)]


def test_what_does_not_last_is_not_in_force() -> None:
    assert in_force(Reload(), ListKeys(), CancelRequest("txn_1")) == []


def test_what_is_for_a_time_is_in_force_for_the_rest_of_it() -> None:
    clock = ManualClock(100)
    standing = StandingActs(clock)
    assert standing.note(OpenBreaker("east", 60.0), {})
    assert standing.note(SetLogLevel("debug", 10.0), {})
    assert not standing.note(ListKeys(), {"keys": []})
    clock.advance(20)
    assert standing.in_force() == [OpenBreaker("east", 40.0)]


def test_a_key_that_gets_the_name_later_is_another_one() -> None:
    assert in_force(RevokeKey("name")) == [RevokeKey("a"), RevokeKey("b")]


def _revoked(acts: list[Act]) -> set[str]:
    revoked: set[str] = set()
    for act in acts:
        if isinstance(act, RevokeKey):
            revoked |= set(_KEYS[act.key])
        elif isinstance(act, RestoreKey):
            revoked -= set(_KEYS[act.key])
    return revoked


@given(
    st.lists(
        st.builds(
            lambda kind, key: kind(key), st.sampled_from([RevokeKey, RestoreKey]), st.sampled_from(["a", "b", "name"])
        )
    )
)
def test_keys_are_revoked_as_they_are_elsewhere_whatever_was_done_in_which_order(acts: list[Act]) -> None:
    assert _revoked(in_force(*acts)) == _revoked(acts)
