"""The breaker as a state machine, beside a model of it that is written as plainly as possible."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.breakers.breaker import CircuitBreaker, Denied, Permit, Transition
from app.breakers.trip_rules import ConsecutiveOrRate, FailureWindow
from telemetry.names import BREAKER_TRANSITIONS, BreakerState

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN


def a_breaker(threshold: int = 3) -> CircuitBreaker:
    return CircuitBreaker("b", FailureWindow(threshold, 60), 15)


def permit_of(breaker: CircuitBreaker, now: float, caller: str = "") -> Permit:
    permit, _ = breaker.allow(now, caller)
    assert isinstance(permit, Permit)
    return permit


def answer(breaker: CircuitBreaker, now: float, caller: str = "") -> Permit | Denied:
    return breaker.allow(now, caller)[0]


def trip(breaker: CircuitBreaker, now: float, failures: int = 3) -> None:
    for _ in range(failures):
        breaker.failed(permit_of(breaker, now), now)


def test_a_breaker_that_nobody_asks_is_half_open_once_its_cooldown_is_over() -> None:
    breaker = a_breaker()
    trip(breaker, 0)
    assert [breaker.state_at(now) for now in (0, 14.9, 15, 1000)] == [OPEN, OPEN, HALF_OPEN, HALF_OPEN]
    breaker.failed(permit_of(breaker, 20), 20)
    assert [breaker.state_at(now) for now in (20, 34.9, 35)] == [OPEN, OPEN, HALF_OPEN]
    breaker.succeeded(permit_of(breaker, 40), 40)
    assert breaker.state_at(1000) is CLOSED


def test_a_breaker_opens_at_the_threshold_and_not_before() -> None:
    breaker = a_breaker()
    trip(breaker, 0, failures=2)
    assert breaker.state is CLOSED
    trip(breaker, 0, failures=1)
    assert breaker.state is OPEN


def test_failures_outside_the_window_do_not_count() -> None:
    breaker = a_breaker()
    trip(breaker, 0, failures=2)
    trip(breaker, 61, failures=1)
    assert breaker.state is CLOSED


def test_an_open_breaker_says_when_to_come_back() -> None:
    breaker = a_breaker()
    trip(breaker, 100)
    assert answer(breaker, 105) == Denied(retry_after=10)
    assert answer(breaker, 114.9) == Denied(retry_after=1)


def test_one_probe_at_a_time_after_the_cooldown() -> None:
    breaker = a_breaker()
    trip(breaker, 0)
    assert answer(breaker, 15) == Permit(probe=True)
    assert isinstance(answer(breaker, 15), Denied)


def test_a_probe_that_succeeds_closes() -> None:
    breaker = a_breaker(threshold=1)
    assert breaker.failed(permit_of(breaker, 0), 0) == (Transition("b", CLOSED, OPEN, "failures_in_window"),)
    probe, changes = breaker.allow(15)
    assert probe == Permit(probe=True)
    assert changes == (Transition("b", OPEN, HALF_OPEN, "cooldown_over"),)
    assert breaker.succeeded(probe, 16) == (Transition("b", HALF_OPEN, CLOSED, "probe_succeeded"),)


def test_a_probe_that_fails_opens_again_for_a_whole_cooldown() -> None:
    breaker = a_breaker()
    trip(breaker, 0)
    permit = permit_of(breaker, 15)
    breaker.failed(permit, 20)
    assert isinstance(answer(breaker, 34), Denied)
    assert isinstance(answer(breaker, 35), Permit)


def test_a_released_probe_leaves_its_place_to_the_next() -> None:
    breaker = a_breaker()
    trip(breaker, 0)
    permit = permit_of(breaker, 15)
    breaker.release(permit)
    assert answer(breaker, 15) == Permit(probe=True)


def test_a_straggler_of_before_the_trip_does_not_decide_a_half_open_breaker() -> None:
    breaker = a_breaker()
    straggler = permit_of(breaker, 0)
    trip(breaker, 0)
    assert breaker.would_allow(15)
    answer(breaker, 15)
    breaker.succeeded(straggler, 16)
    breaker.failed(straggler, 16)
    assert breaker.state is HALF_OPEN


def test_consecutive_failures_are_broken_by_a_success() -> None:
    trip_rule = ConsecutiveOrRate(threshold=3, failure_rate=1.1, min_requests=100, window=60)
    assert trip_rule.failed(0) is None
    assert trip_rule.failed(0) is None
    trip_rule.succeeded(0)
    assert trip_rule.failed(0) is None
    assert trip_rule.failed(0) is None
    assert trip_rule.failed(0) == "consecutive_failures"


def test_a_failure_rate_counts_once_there_are_enough_attempts_and_ages() -> None:
    trip_rule = ConsecutiveOrRate(threshold=100, failure_rate=0.5, min_requests=10, window=60)
    for _ in range(4):
        trip_rule.succeeded(0)
        assert trip_rule.failed(1) is None
    trip_rule.succeeded(1)
    assert trip_rule.failed(2) == "failure_rate"
    assert trip_rule.failed(200) is None


def test_the_caller_whose_probe_failed_is_not_given_the_next_one() -> None:
    breaker = a_breaker()
    trip(breaker, 0)
    permit = permit_of(breaker, 15, "a")
    breaker.failed(permit, 15, "a")
    assert answer(breaker, 31, "a") == Denied(retry_after=14)
    assert breaker.state is OPEN
    assert answer(breaker, 31, "b") == Permit(probe=True)


def test_a_caller_whose_probe_failed_gets_another_if_no_other_caller_comes() -> None:
    breaker = a_breaker()
    trip(breaker, 0)
    permit = permit_of(breaker, 15, "a")
    breaker.failed(permit, 15, "a")
    assert answer(breaker, 45, "a") == Permit(probe=True)


def test_a_probe_that_comes_to_nothing_keeps_its_place_for_a_cooldown_only() -> None:
    breaker = a_breaker()
    trip(breaker, 0)
    assert answer(breaker, 20) == Permit(probe=True)
    assert isinstance(answer(breaker, 34), Denied)
    assert answer(breaker, 35) == Permit(probe=True)


def with_probes(probes: int) -> CircuitBreaker:
    breaker = CircuitBreaker("b", FailureWindow(3, 60), 15, probes)
    trip(breaker, 0)
    return breaker


def test_one_that_goes_well_beside_probes_that_fail_closes() -> None:
    breaker = with_probes(3)
    bad, good = permit_of(breaker, 15), permit_of(breaker, 15)
    breaker.failed(bad, 16)
    breaker.succeeded(good, 17)
    assert breaker.state is CLOSED


def test_as_many_failures_as_there_are_probes_open_again() -> None:
    breaker = with_probes(3)
    permits = [answer(breaker, 15) for _ in range(4)]
    assert isinstance(permits.pop(), Denied)
    for permit in permits:
        assert breaker.state is HALF_OPEN
        assert isinstance(permit, Permit)
        breaker.failed(permit, 20)
    assert breaker.state is OPEN
    assert isinstance(answer(breaker, 34), Denied)
    assert isinstance(answer(breaker, 35), Permit)


def test_a_caller_has_one_probe_at_a_time_and_after_its_failure_none_for_a_while() -> None:
    breaker = with_probes(3)
    permit = permit_of(breaker, 15, "a")
    assert isinstance(answer(breaker, 15, "a"), Denied)
    breaker.failed(permit, 16, "a")
    assert answer(breaker, 16, "a") == Denied(retry_after=30)
    assert isinstance(answer(breaker, 16, "b"), Permit)
    assert isinstance(answer(breaker, 46, "a"), Permit)


def test_a_probe_that_succeeds_late_does_not_close_what_others_have_opened_again() -> None:
    breaker = with_probes(1)
    late, other = permit_of(breaker, 15), permit_of(breaker, 31)
    breaker.failed(other, 32)
    breaker.succeeded(late, 33)
    assert breaker.state is OPEN


def test_a_breaker_that_closed_holds_no_failed_probe_against_a_caller() -> None:
    breaker = with_probes(3)
    bad, good = permit_of(breaker, 15, "a"), permit_of(breaker, 15, "b")
    breaker.failed(bad, 15, "a")
    breaker.succeeded(good, 15, "b")
    trip(breaker, 16)
    assert breaker.allow(31, "a")[0] == Permit(probe=True)


def growing() -> CircuitBreaker:
    return CircuitBreaker("b", FailureWindow(1, 60), 10, max_cooldown=50)


def cooldown(breaker: CircuitBreaker, now: float) -> float:
    found = answer(breaker, now)
    assert isinstance(found, Denied)
    return found.retry_after


def test_a_cooldown_doubles_with_each_probing_that_fails_up_to_its_bound_and_not_once_it_closed() -> None:
    breaker, now, seen = growing(), 100.0, []
    trip(breaker, now, failures=1)
    for _ in range(5):
        seen.append(cooldown(breaker, now))
        now += seen[-1]
        breaker.failed(permit_of(breaker, now), now)
    assert seen == [10, 20, 40, 50, 50]
    now += 50
    breaker.succeeded(permit_of(breaker, now), now)
    trip(breaker, now, failures=1)
    assert cooldown(breaker, now) == 10


@given(st.floats(0, 1), st.integers(0, 6))
def test_a_cooldown_is_up_to_a_tenth_longer_or_shorter_by_chance(draw: float, failed_probings: int) -> None:
    breaker, now = growing(), 0.0
    breaker.failed(permit_of(breaker, now), now, draw=draw)
    for _ in range(failed_probings):
        now += 1000
        breaker.failed(permit_of(breaker, now), now, draw=draw)
    wait, usual = cooldown(breaker, now), min(50, 10 * 2**failed_probings)
    assert wait == pytest.approx(usual * (0.9 + draw / 5))
    assert breaker.state_at(now + wait - 0.01) is OPEN
    assert breaker.state_at(now + wait + 0.01) is HALF_OPEN


def test_a_cooldown_is_never_shorter_than_set_for_want_of_a_bound() -> None:
    breaker = CircuitBreaker("b", FailureWindow(1, 60), 100, max_cooldown=50)
    trip(breaker, 0, failures=1)
    assert cooldown(breaker, 0) == 100


def test_a_probe_that_hangs_keeps_others_away_for_the_shortest_cooldown_however_long_they_have_grown() -> None:
    breaker, now = growing(), 0.0
    trip(breaker, now, failures=1)
    for _ in range(3):
        now += 1000
        breaker.failed(permit_of(breaker, now), now)
    now += 1000
    permit_of(breaker, now)
    assert isinstance(answer(breaker, now + 9), Denied)
    assert isinstance(answer(breaker, now + 10), Permit)


def by_slowness() -> CircuitBreaker:
    rule = ConsecutiveOrRate(threshold=100, failure_rate=1, min_requests=5, window=60, slow_call_rate=0.8)
    return CircuitBreaker("b", rule, 15)


def timed(breaker: CircuitBreaker, slow: bool, now: float = 0.0) -> tuple[Transition, ...]:
    return breaker.timed(permit_of(breaker, now), slow, now)


def test_a_share_of_slow_responses_opens_once_there_are_enough_whatever_becomes_of_them() -> None:
    breaker = by_slowness()
    assert not any(timed(breaker, slow) for slow in (True, True, False, True))
    assert timed(breaker, True) == (Transition("b", CLOSED, OPEN, "slow_calls"),)


def test_slow_responses_that_are_too_few_or_long_past_open_nothing() -> None:
    breaker = by_slowness()
    assert not any(timed(breaker, slow) for slow in (True, False, True, False, True, True))
    assert not any(timed(breaker, True, 200 * turn) for turn in range(1, 9))


def test_a_probe_that_is_slow_has_failed() -> None:
    breaker = by_slowness()
    for _ in range(5):
        timed(breaker, True)
    probe = permit_of(breaker, 15)
    assert breaker.timed(probe, True, 20) == (Transition("b", HALF_OPEN, OPEN, "probe_failed"),)
    probe = permit_of(breaker, 60)
    assert breaker.timed(probe, False, 61) == ()
    assert breaker.succeeded(probe, 62) == (Transition("b", HALF_OPEN, CLOSED, "probe_succeeded"),)


class BreakerMachine(RuleBasedStateMachine):
    """Any order of calls: only legal transitions, one probe at a time, no traffic while open."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.seen: list[Transition] = []
        self.permits: list[tuple[Permit, float]] = []
        self.breaker = a_breaker()

    @rule(seconds=st.floats(0, 40))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def ask(self) -> None:
        would = self.breaker.would_allow(self.now)
        answer, changes = self.breaker.allow(self.now)
        self.seen += changes
        assert would is isinstance(answer, Permit)
        if isinstance(answer, Permit):
            self.permits.append((answer, self.now))
        else:
            assert 1 <= answer.retry_after <= 60 + 1e-9  # sums of floating point

    @precondition(lambda self: self.permits)
    @rule(data=st.data(), end=st.sampled_from(["succeeded", "failed", "release"]))
    def hand_back(self, data: st.DataObject, end: str) -> None:
        permit, _ = self.permits.pop(data.draw(st.integers(0, len(self.permits) - 1)))
        match end:
            case "succeeded":
                self.seen += self.breaker.succeeded(permit, self.now)
            case "failed":
                self.seen += self.breaker.failed(permit, self.now)
            case _:
                self.breaker.release(permit)

    @rule(seconds=st.floats(0, 60))
    def force_open(self, seconds: float) -> None:
        self.seen += self.breaker.force_open(self.now, self.now + seconds)
        self.permits = [(permit, at) for permit, at in self.permits if not permit.probe]

    @rule()
    def end_force(self) -> None:
        self.seen += self.breaker.end_force(self.now)

    @rule()
    def reset(self) -> None:
        self.seen += self.breaker.reset()

    @invariant()
    def transitions_are_legal_and_join_up(self) -> None:
        state = CLOSED
        for transition in self.seen:
            assert transition.from_state is state
            assert (transition.from_state, transition.to_state) in BREAKER_TRANSITIONS
            state = transition.to_state
        assert self.breaker.state is state

    @invariant()
    def at_most_one_probe_of_a_cooldown_is_out(self) -> None:
        assert sum(permit.probe and self.now - at < 14.999 for permit, at in self.permits) <= 1


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
