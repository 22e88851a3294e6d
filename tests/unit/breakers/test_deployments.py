"""What the end of an attempt says of its deployment: by error, by silence, by caller."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.breakers.breaker import Transition
from app.breakers.callers import CallerTrip, Change
from app.breakers.deployments import AttemptPermit, DeploymentBreakers
from app.errors import BackendError, LocalFailure, UpstreamFailed, UpstreamRejected, UpstreamUnreachable
from app.settings import Seconds, UpstreamBreakerSettings
from telemetry.names import BreakerState

DOWN = UpstreamFailed("down", upstream_status=503)


class Setup:
    """The breakers of one deployment, `d`; `changes` has all that they gave back."""

    def __init__(self, by_caller: bool = False, **settings: Any) -> None:
        self.now = 1000.0
        given = {"threshold": 3, "cooldown": Seconds(15), **settings}
        self.breakers = DeploymentBreakers(UpstreamBreakerSettings(**given), by_caller)
        self.changes: list[Change] = []

    def begin(self, caller: str = "", stream: bool = True) -> AttemptPermit:
        permit, changes = self.breakers.allow("d", self.now, caller, stream)
        assert isinstance(permit, AttemptPermit)
        self.changes += changes
        return permit

    def end(self, permit: AttemptPermit, error: BaseException | None, stalled: bool = False) -> None:
        self.changes += self.breakers.record(permit, error, self.now, stalled)

    def fail(self, error: BaseException, caller: str = "", after: float = 0.0, stalled: bool = False) -> None:
        permit = self.begin(caller)
        self.now += after
        self.end(permit, error, stalled)

    def answer(self, after: float, stream: bool = True) -> None:
        permit = self.begin("honest", stream)
        self.now += after
        self.changes += self.breakers.answered(permit, self.now)
        self.end(permit, None)

    def refusal(self, caller: str = "") -> str | None:
        return self.breakers.refusal("d", self.now, caller)

    @property
    def state(self) -> BreakerState:
        return self.breakers.states(self.now)["d"]


def leaving() -> BaseException:
    return asyncio.CancelledError()


@pytest.mark.parametrize("gone", [asyncio.CancelledError, GeneratorExit])
def test_clients_that_give_up_on_a_silent_deployment_open_its_breaker(gone: Callable[[], BaseException]) -> None:
    setup = Setup()
    for _ in range(3):
        setup.fail(gone(), after=1.0)
    assert setup.state is BreakerState.OPEN


def test_clients_that_leave_at_once_say_nothing() -> None:
    setup = Setup()
    for _ in range(20):
        setup.fail(leaving(), after=0.4)
    assert setup.state is BreakerState.CLOSED


def test_clients_that_leave_sooner_than_answers_usually_come_say_nothing() -> None:
    setup = Setup()
    setup.answer(after=8.0)
    for _ in range(20):
        setup.fail(leaving(), after=7.0)
    assert setup.refusal() is None
    for _ in range(3):
        setup.fail(leaving(), after=8.5)
    assert setup.refusal() == "open"


def test_whole_answers_and_streams_have_times_of_their_own() -> None:
    setup = Setup()
    setup.answer(after=60.0, stream=False)
    setup.answer(after=0.5)
    for _ in range(3):
        setup.fail(leaving(), after=2.0)
    assert setup.state is BreakerState.OPEN


def test_an_answer_that_begins_takes_back_the_silences_before() -> None:
    setup = Setup()
    for _ in range(5):
        setup.fail(leaving(), after=1.0)
        setup.fail(leaving(), after=1.0)
        setup.breakers.answered(setup.begin(), setup.now)
    assert setup.state is BreakerState.CLOSED


@pytest.mark.parametrize(
    "refusal", [UpstreamRejected("no", upstream_status=400), UpstreamFailed("", upstream_status=429)]
)
def test_a_refusal_is_a_sign_of_life_too(refusal: BackendError) -> None:
    setup = Setup()
    for _ in range(5):
        setup.fail(leaving(), after=1.0)
        setup.fail(leaving(), after=1.0)
        setup.fail(refusal)
    assert setup.state is BreakerState.CLOSED


def test_a_client_that_leaves_amid_an_answer_says_nothing() -> None:
    setup = Setup()
    for _ in range(20):
        permit = setup.begin()
        setup.breakers.answered(permit, setup.now)
        setup.now += 100
        setup.end(permit, leaving())
    assert setup.state is BreakerState.CLOSED


def test_a_probe_that_is_given_up_after_a_long_silence_has_failed() -> None:
    setup = Setup()
    for _ in range(3):
        setup.fail(DOWN)
    setup.now += 15
    setup.fail(leaving(), after=1.0)
    assert setup.state is BreakerState.OPEN


def test_a_caller_whose_clients_always_leave_shuts_out_itself_alone() -> None:
    setup = Setup(by_caller=True)
    for _ in range(3):
        setup.fail(leaving(), "hostile", after=2.0)
    assert setup.refusal("hostile") == "caller"
    assert setup.refusal("honest") is None
    assert setup.changes == [CallerTrip("d", "abandoned")]


def test_callers_that_give_up_together_shut_out_all() -> None:
    setup = Setup(by_caller=True)
    for caller in ("a", "b", "a"):
        setup.fail(leaving(), caller, after=2.0)
    assert setup.refusal("c") == "open"


def test_the_silences_of_a_caller_are_taken_back_by_its_own_answer_after_that_of_another() -> None:
    setup = Setup(by_caller=True)
    for _ in range(2):
        setup.fail(leaving(), "b", after=5)
    for caller in "ab":
        permit = setup.begin(caller)
        setup.changes += setup.breakers.answered(permit, setup.now)
        setup.end(permit, GeneratorExit())
    for _ in range(2):
        setup.fail(leaving(), "b", after=5)
    assert not setup.changes


ENDS: dict[str, BaseException | None] = {"ok": None, "down": DOWN, "silent": asyncio.CancelledError()}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(sorted(ENDS)), st.floats(0, 20)), max_size=40))
def test_whoever_is_let_through_would_be_by_the_state_machines(steps: list[tuple[str, str, float]]) -> None:
    setup = Setup(by_caller=True)
    for caller, end, seconds in steps:
        of_machines = setup.breakers.of("d").refusal(setup.now, caller)
        assert setup.refusal(caller) == of_machines
        permit, _ = setup.breakers.allow("d", setup.now, caller)
        assert isinstance(permit, AttemptPermit) is (of_machines is None)
        setup.now += seconds
        if isinstance(permit, AttemptPermit):
            setup.end(permit, ENDS[end])


def test_a_caller_whose_requests_fail_shuts_out_itself_alone() -> None:
    setup = Setup(by_caller=True)
    for _ in range(3):
        setup.fail(DOWN, "hostile")
    assert setup.refusal("hostile") == "caller"
    assert setup.breakers.retry_after(["d"], setup.now, "hostile") == 15
    assert setup.refusal("honest") is None
    assert setup.state is BreakerState.CLOSED


def test_what_the_gateways_machine_lacks_counts_against_nobody() -> None:
    setup = Setup()
    for _ in range(50):
        setup.fail(LocalFailure("descriptors"))
    assert setup.state is BreakerState.CLOSED


def test_a_silence_while_the_event_loop_stood_still_says_nothing() -> None:
    setup = Setup()
    for _ in range(10):
        setup.fail(leaving(), after=1.0, stalled=True)
    assert setup.state is BreakerState.CLOSED


def test_a_stall_excuses_no_other_failure() -> None:
    setup = Setup()
    for _ in range(3):
        setup.fail(UpstreamUnreachable("refused"), after=1.0, stalled=True)
    assert setup.state is BreakerState.OPEN


def test_every_change_is_given_back_in_order() -> None:
    setup = Setup()
    for _ in range(3):
        setup.fail(DOWN)
    setup.now += 15
    setup.answer(after=1.0)
    assert setup.changes == [
        Transition("d", BreakerState.CLOSED, BreakerState.OPEN, "consecutive_failures"),
        Transition("d", BreakerState.OPEN, BreakerState.HALF_OPEN, "cooldown_over"),
        Transition("d", BreakerState.HALF_OPEN, BreakerState.CLOSED, "probe_succeeded"),
    ]


def with_slow_calls(by_caller: bool = False) -> Setup:
    return Setup(by_caller, threshold=100, min_requests=4, slow_call_duration=Seconds(5), slow_call_rate=0.5)


def test_responses_that_are_slow_to_begin_open_a_breaker_though_all_end_well() -> None:
    setup = with_slow_calls()
    for _ in range(2):
        setup.answer(after=4.9)
        setup.answer(after=5.0)
    assert setup.changes == [Transition("d", BreakerState.CLOSED, BreakerState.OPEN, "slow_calls")]


def test_how_long_a_response_takes_once_it_has_begun_says_nothing_of_slowness() -> None:
    setup = with_slow_calls()
    for _ in range(20):
        permit = setup.begin()
        setup.breakers.answered(permit, setup.now)
        setup.now += 100
        setup.end(permit, UpstreamFailed("", upstream_status=429))
    assert setup.changes == []


@pytest.mark.parametrize(
    "error", [UpstreamRejected("no", upstream_status=400), UpstreamFailed("", upstream_status=429), leaving()]
)
def test_silences_that_come_to_no_response_are_slow_ones(error: BaseException) -> None:
    setup = with_slow_calls()
    for _ in range(4):
        setup.fail(error, after=6.0)
    assert setup.state is BreakerState.OPEN


@pytest.mark.parametrize("error", [LocalFailure("descriptors"), leaving()])
def test_what_the_gateway_or_a_hasty_client_ended_says_nothing_of_slowness(error: BaseException) -> None:
    setup = with_slow_calls()
    for _ in range(20):
        setup.fail(error, after=0.4 if isinstance(error, asyncio.CancelledError) else 60)
    setup.fail(leaving(), after=60, stalled=True)
    assert setup.changes == []


def test_slow_responses_of_one_caller_alone_shut_out_that_caller() -> None:
    setup = with_slow_calls(by_caller=True)
    for _ in range(4):
        setup.fail(UpstreamFailed("", upstream_status=429), "hostile", after=6.0)
    assert setup.refusal("hostile") == "caller"
    assert setup.refusal("honest") is None
    assert setup.changes == [CallerTrip("d", "slow_calls")]


def test_a_slow_probe_closes_nothing_however_well_it_ends() -> None:
    setup = with_slow_calls()
    for _ in range(4):
        setup.answer(after=5.0)
    setup.now += 17
    setup.answer(after=5.0)
    assert setup.refusal() == "open"
    setup.now += 34
    setup.answer(after=1.0)
    assert setup.refusal() is None
