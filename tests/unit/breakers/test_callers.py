"""A breaker for all behind one for each caller."""

from app.breakers.breaker import CircuitBreaker, Denied, Permit, Transition
from app.breakers.callers import CALLERS, CallerBreakers, CallerPermit, CallerTrip, Change
from app.breakers.trip_rules import ConsecutiveOrRate, TripRule
from telemetry.names import BreakerState

PROBE = Permit(probe=True)


def rule(several: bool) -> TripRule:
    return ConsecutiveOrRate(3, failure_rate=1, min_requests=100, window=60, several_callers=several)


class Setup:
    def __init__(self) -> None:
        shared = CircuitBreaker("b", rule(True), 15)
        self.breakers = CallerBreakers(shared, lambda: CircuitBreaker("b", rule(False), 15))
        self.changes: list[Change] = []

    def fail(self, caller: str, times: int = 1, now: float = 0) -> None:
        for _ in range(times):
            self.changes += self.breakers.failed(self.permit(caller, now), now, caller)

    def permit(self, caller: str, now: float = 0) -> CallerPermit:
        permit, changes = self.breakers.allow(now, caller)
        assert isinstance(permit, CallerPermit)
        self.changes += changes
        return permit

    def denies(self, caller: str, now: float = 0) -> bool:
        return isinstance(self.breakers.allow(now, caller)[0], Denied)


def test_a_caller_whose_requests_fail_is_kept_out_alone() -> None:
    setup = Setup()
    setup.fail("a", 3)
    assert setup.breakers.refusal(0, "a") == "caller"
    assert setup.denies("a")
    assert setup.breakers.refusal(0, "b") is None
    assert not setup.denies("b")
    assert setup.changes == [CallerTrip("b", "consecutive_failures")]


def test_a_callers_breaker_closes_by_a_probe_of_that_caller() -> None:
    setup = Setup()
    setup.fail("a", 3)
    probe = setup.permit("a", 15)
    assert probe.probe
    assert setup.breakers.refusal(15, "a") == "caller"
    setup.breakers.succeeded(probe, 15, "a")
    assert setup.breakers.refusal(15, "a") is None


def test_failures_of_several_callers_keep_out_all() -> None:
    setup = Setup()
    setup.fail("a", 2)
    setup.fail("b")
    assert setup.breakers.refusal(0, "c") == "open"
    assert setup.breakers.shared.state is BreakerState.OPEN
    assert setup.changes == [Transition("b", BreakerState.CLOSED, BreakerState.OPEN, "consecutive_failures")]


def test_a_probe_that_the_shared_breaker_denies_is_given_back() -> None:
    setup = Setup()
    setup.fail("a", 3)
    setup.fail("b")
    assert setup.breakers.refusal(15, "c") is None
    assert setup.permit("c", 15).shared.probe
    assert setup.denies("a", 15)
    setup.breakers.succeeded(CallerPermit(PROBE), 16, "c")
    permit = setup.permit("a", 16)
    assert permit.individual is not None
    assert permit.individual.probe


def test_only_callers_that_failed_are_remembered_and_not_more_than_there_is_room_for() -> None:
    setup = Setup()
    setup.fail("first", 3)

    def others(count: int) -> None:
        for number in range(count):
            setup.breakers.succeeded(setup.permit("ok"), 0, "ok")
            setup.fail(f"caller-{number}")

    others(CALLERS - 1)
    assert setup.breakers.refusal(0, "first") == "caller"
    others(CALLERS)
    assert setup.breakers.refusal(0, "first") is None


def test_where_callers_are_not_told_apart_no_probe_is_held_against_a_name() -> None:
    breakers = CallerBreakers(CircuitBreaker("b", rule(False), 15))
    for _ in range(3):
        breakers.failed(CallerPermit(Permit(probe=False)), 0, "the only key")
    probe, _ = breakers.allow(15, "the only key")
    assert isinstance(probe, CallerPermit)
    breakers.failed(probe, 15, "the only key")
    assert isinstance(breakers.allow(30, "the only key")[0], CallerPermit)
