"""The breaker as a state machine, beside a model of it that is written as plainly as possible."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.pipeline.breaker import (
    BreakerState,
    CircuitBreaker,
    ConsecutiveOrRate,
    Denied,
    FailureWindow,
    Permit,
    Transition,
)

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN
LEGAL = {(CLOSED, OPEN), (OPEN, HALF_OPEN), (HALF_OPEN, CLOSED), (HALF_OPEN, OPEN)}


def a_breaker(seen: list[Transition] | None = None, threshold: int = 3) -> CircuitBreaker:
    return CircuitBreaker("b", FailureWindow(threshold, 60), 15, (seen if seen is not None else []).append)


def trip(breaker: CircuitBreaker, now: float, failures: int = 3) -> None:
    for _ in range(failures):
        permit = breaker.allow(now)
        assert isinstance(permit, Permit)
        breaker.failed(permit, now)


def test_it_opens_at_the_threshold_and_not_before() -> None:
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
    assert breaker.allow(105) == Denied(retry_after=10)
    assert breaker.allow(114.9) == Denied(retry_after=1)


def test_one_probe_at_a_time_after_the_cooldown() -> None:
    breaker = a_breaker()
    trip(breaker, 0)
    assert breaker.allow(15) == Permit(probe=True)
    assert isinstance(breaker.allow(15), Denied)


def test_a_probe_that_succeeds_closes() -> None:
    seen: list[Transition] = []
    breaker = a_breaker(seen)
    trip(breaker, 0)
    breaker.succeeded(Permit(probe=True), 16) if breaker.allow(15) == Permit(probe=True) else None
    assert [(t.from_state, t.to_state, t.reason) for t in seen] == [
        (CLOSED, OPEN, "failures_in_window"),
        (OPEN, HALF_OPEN, "cooldown_over"),
        (HALF_OPEN, CLOSED, "probe_succeeded"),
    ]


def test_a_probe_that_fails_opens_again_for_a_whole_cooldown() -> None:
    breaker = a_breaker()
    trip(breaker, 0)
    permit = breaker.allow(15)
    assert isinstance(permit, Permit)
    breaker.failed(permit, 20)
    assert isinstance(breaker.allow(34), Denied)
    assert isinstance(breaker.allow(35), Permit)


def test_a_released_probe_leaves_its_place_to_the_next() -> None:
    breaker = a_breaker()
    trip(breaker, 0)
    permit = breaker.allow(15)
    assert isinstance(permit, Permit)
    breaker.release(permit)
    assert breaker.allow(15) == Permit(probe=True)


def test_a_straggler_of_before_the_trip_does_not_decide_a_half_open_breaker() -> None:
    breaker = a_breaker()
    straggler = breaker.allow(0)
    assert isinstance(straggler, Permit)
    trip(breaker, 0)
    assert breaker.would_allow(15)
    breaker.allow(15)
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


class BreakerMachine(RuleBasedStateMachine):
    """Any order of calls: only legal transitions, one probe at a time, no traffic while open."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.seen: list[Transition] = []
        self.permits: list[Permit] = []
        self.breaker = a_breaker(self.seen)

    @rule(seconds=st.floats(0, 40))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def ask(self) -> None:
        would = self.breaker.would_allow(self.now)
        answer = self.breaker.allow(self.now)
        assert would is isinstance(answer, Permit)
        if isinstance(answer, Permit):
            self.permits.append(answer)
        else:
            assert 1 <= answer.retry_after <= 15

    @precondition(lambda self: self.permits)
    @rule(data=st.data(), end=st.sampled_from(["succeeded", "failed", "release"]))
    def settle(self, data: st.DataObject, end: str) -> None:
        permit = self.permits.pop(data.draw(st.integers(0, len(self.permits) - 1)))
        match end:
            case "succeeded":
                self.breaker.succeeded(permit, self.now)
            case "failed":
                self.breaker.failed(permit, self.now)
            case _:
                self.breaker.release(permit)

    @invariant()
    def transitions_are_legal_and_join_up(self) -> None:
        state = CLOSED
        for transition in self.seen:
            assert transition.from_state is state
            assert (transition.from_state, transition.to_state) in LEGAL
            state = transition.to_state
        assert self.breaker.state is state

    @invariant()
    def at_most_one_probe_is_out(self) -> None:
        assert sum(permit.probe for permit in self.permits) <= 1


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
