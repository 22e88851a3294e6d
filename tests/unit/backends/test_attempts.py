"""What the end of an attempt is told to breakers and telemetry, when it is the gateway that was late, and which calls
of a response have arguments that are no JSON."""

import asyncio

import pytest

from app.backends.attempts import AttemptControl, ToolCallChecks
from app.breakers.deployments import AttemptPermit
from app.errors import LocalFailure, UpstreamFailed, UpstreamTimeout
from app.loop_stalls import LoopStalls
from app.messages import Function, ToolCall
from app.settings import Deployment, Seconds, UpstreamBreakerSettings
from telemetry.names import LOCAL_FAILURE_KINDS, LocalFailureKind
from tests.unit.backends.fakes import Clock, FakeObservability

DEPLOYMENT = Deployment(id="d", model_name="m", model="x/d", provider="x")
DOWN = UpstreamFailed("down", upstream_status=503)


class Stalled(LoopStalls):
    """Stood still for `seconds` of whatever time it is asked about."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def seconds_since(self, begun: float) -> float:
        return self.seconds


class Setup:
    def __init__(self, by_caller: bool = False, stalled: float = 0.0) -> None:
        self.clock = Clock()
        self.obs = FakeObservability()
        settings = UpstreamBreakerSettings(threshold=3, cooldown=Seconds(15))
        stands_still = Stalled(stalled)
        self.control = AttemptControl(settings, self.clock, by_caller=by_caller, stalls=stands_still, draw=lambda: 0.5)

    def fail(self, error: BaseException, caller: str = "", after: float = 0.0) -> BaseException | None:
        permit = self.control.admit(DEPLOYMENT, self.obs, caller, stream=True)
        assert isinstance(permit, AttemptPermit)
        self.clock.now += after
        return self.control.record(permit, error, self.obs)


def test_a_change_is_told_to_the_request_that_made_it() -> None:
    setup = Setup()
    for _ in range(3):
        setup.fail(DOWN)
    setup.clock.now += 15
    setup.fail(DOWN)
    assert setup.obs.breakers.transitions == [
        ("d", "closed", "open"),
        ("d", "open", "half_open"),
        ("d", "half_open", "open"),
    ]


def test_of_a_single_callers_breaker_its_trips_are_told() -> None:
    setup = Setup(by_caller=True)
    for _ in range(3):
        setup.fail(DOWN, "hostile")
    assert setup.obs.breakers.kept_out == [("d", "consecutive_failures")]
    assert setup.obs.breakers.transitions == []


@pytest.mark.parametrize("kind", LOCAL_FAILURE_KINDS)
def test_what_the_gateways_machine_lacks_is_told_and_counts_against_nobody(kind: LocalFailureKind) -> None:
    setup = Setup()
    for _ in range(50):
        setup.fail(LocalFailure(kind))
    assert setup.control.refusal(DEPLOYMENT) is None
    assert setup.obs.attempts.local_failures == [kind] * 50


def test_a_timeout_while_the_loop_stood_still_is_the_gateways_own() -> None:
    setup = Setup(stalled=0.5)
    for _ in range(10):
        error = setup.fail(UpstreamTimeout("late"), after=1.0)
        assert isinstance(error, LocalFailure)
        assert error.kind == "loop_lag"
        setup.fail(asyncio.CancelledError(), after=1.0)
    assert setup.control.refusal(DEPLOYMENT) is None


def test_a_timeout_beside_a_short_stall_is_the_providers() -> None:
    setup = Setup(stalled=0.5)
    for _ in range(3):
        assert isinstance(setup.fail(UpstreamTimeout("late"), after=30.0), UpstreamTimeout)
    assert setup.control.refusal(DEPLOYMENT) == "open"


def call(index: int, arguments: str, id: str | None = None, type: str = "function") -> ToolCall:
    return ToolCall(index, id, type, Function(arguments=arguments))


def invalid(*calls: ToolCall) -> int:
    checks = ToolCallChecks()
    for one in calls:
        checks.add(0, [one])
    return checks.invalid()


def test_pieces_are_judged_together() -> None:
    assert invalid(call(0, "", "a"), call(0, '{"x":'), call(0, "1}")) == 0
    assert invalid(call(0, "", "a"), call(0, '{"x":'), call(0, "1")) == 1


def test_calls_that_take_turns_are_told_apart() -> None:
    assert invalid(call(0, '{"x":', "a"), call(1, '{"y":', "b"), call(0, "1}"), call(1, "2}")) == 0


def test_choices_are_told_apart() -> None:
    checks = ToolCallChecks()
    checks.add(0, [call(0, '{"x":', "a")])
    checks.add(1, [call(0, "{}", "a")])
    checks.add(0, [call(0, "1}")])
    assert checks.invalid() == 0


def test_another_id_at_the_same_index_is_another_call() -> None:
    assert invalid(call(0, "{}", "a"), call(0, "{}", "b"), call(0, "{", "c")) == 1


def test_an_id_that_is_repeated_is_the_same_call() -> None:
    assert invalid(call(0, '{"x":', "a"), call(0, "1}", "a")) == 0


def test_a_call_without_arguments_is_none_that_is_wrong() -> None:
    assert invalid(call(0, "", "a"), call(1, " ", "b")) == 0


def test_other_calls_than_those_of_functions_have_no_json() -> None:
    assert invalid(call(0, "apply this", "a", type="custom")) == 0


def test_of_a_flood_nothing_is_told() -> None:
    assert invalid(*[call(0, "x" * 300_000)] * 5) == 0
