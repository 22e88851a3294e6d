"""What an operator does to breakers, whatever attempts end how meanwhile."""

from math import inf

import pytest

from app.breakers.breaker import CircuitBreaker, Denied, Permit, Transition
from app.breakers.deployments import AttemptPermit, DeploymentBreakers
from app.breakers.panel import BreakerPanel, UnknownBreaker
from app.breakers.queues import QueueBreakers
from app.errors import UpstreamTimeout
from app.settings import QueueBreakerSettings, UpstreamBreakerSettings
from telemetry.names import BreakerState

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN


class Setup:
    def __init__(self, by_caller: bool = False) -> None:
        self.deployments = DeploymentBreakers(UpstreamBreakerSettings(threshold=2), by_caller)
        self.panel = BreakerPanel(self.deployments, QueueBreakers(QueueBreakerSettings()), ("east", "west"))

    def permit(self, now: float, caller: str = "") -> AttemptPermit | Denied:
        return self.deployments.allow("east", now, caller)[0]

    def fail(self, now: float, caller: str = "") -> None:
        permit = self.permit(now, caller)
        assert isinstance(permit, AttemptPermit)
        self.deployments.record(permit, UpstreamTimeout("late"), now)

    def state(self, now: float, name: str = "east") -> BreakerState:
        return self.panel.one(name, now).reading.state


def test_all_breakers_are_listed_and_none_is_made_for_that() -> None:
    setup = Setup()
    assert [one.name for one in setup.panel.listed(0)] == ["queue:policy_out", "queue:sse", "east", "west"]
    assert {one.reading.state for one in setup.panel.listed(0)} == {CLOSED}
    assert setup.deployments.states(0) == {}


def test_one_that_is_forced_open_turns_everybody_away_until_its_time_is_over() -> None:
    setup = Setup()
    assert setup.panel.force_open("east", 0, 100) == (Transition("east", CLOSED, OPEN, "forced"),)
    for now in (0, 16, 99):
        assert setup.permit(now) == Denied(retry_after=100 - now)
        assert setup.panel.one("east", now).reading == (OPEN, "forced", 100 - now, True)
    assert setup.state(100) is HALF_OPEN
    assert isinstance(setup.permit(100), AttemptPermit)


def test_one_that_is_forced_for_less_than_a_cooldown_is_not_kept_open_longer() -> None:
    setup = Setup()
    setup.panel.force_open("east", 0, 2)
    assert (setup.state(1.9), setup.state(2)) == (OPEN, HALF_OPEN)


def test_without_an_end_it_stays_open_and_nobody_is_told_to_wait_for_ever() -> None:
    setup = Setup()
    setup.panel.force_open("east", 0)
    assert setup.panel.one("east", 10**6).reading == (OPEN, "forced", inf, True)
    assert setup.permit(10**6) == Denied(retry_after=15)


def test_what_ends_while_it_is_forced_open_changes_nothing() -> None:
    setup = Setup()
    straggler = setup.permit(0)
    assert isinstance(straggler, AttemptPermit)
    setup.panel.force_open("east", 1)
    assert setup.deployments.record(straggler, None, 2) == ()
    assert setup.state(3) is OPEN


def test_a_probe_that_was_under_way_neither_closes_it_nor_keeps_its_place() -> None:
    setup = Setup()
    setup.fail(0)
    setup.fail(0)
    probe = setup.permit(15)
    assert isinstance(probe, AttemptPermit)
    setup.panel.force_open("east", 16)
    assert setup.deployments.record(probe, None, 17) == ()
    assert setup.state(17) is OPEN
    assert setup.panel.end_force("east", 18) == (Transition("east", OPEN, HALF_OPEN, "released"),)
    assert isinstance(setup.permit(18), AttemptPermit)


def test_one_that_had_opened_by_itself_is_kept_open_without_a_change_of_state() -> None:
    setup = Setup()
    setup.fail(0)
    setup.fail(0)
    assert setup.panel.force_open("east", 1, 100) == ()
    assert setup.panel.one("east", 20).reading == (OPEN, "forced", 81, True)


def test_what_is_not_forced_is_not_released() -> None:
    setup = Setup()
    assert setup.panel.end_force("east", 0) == ()
    setup.fail(0)
    setup.fail(0)
    assert setup.panel.end_force("east", 1) == ()
    assert setup.state(1) is OPEN


def test_after_a_release_a_failed_probe_opens_it_for_a_cooldown_of_its_kind() -> None:
    setup = Setup()
    setup.panel.force_open("east", 0)
    setup.panel.end_force("east", 50)
    setup.fail(50)
    assert setup.panel.one("east", 51).reading == (OPEN, "probe_failed", 29, False)


@pytest.mark.parametrize("forced", [True, False])
def test_a_reset_closes_and_forgets(forced: bool) -> None:
    setup = Setup()
    if forced:
        setup.panel.force_open("east", 0)
    else:
        setup.fail(0)
        setup.fail(0)
    assert setup.panel.reset("east") == (Transition("east", OPEN, CLOSED, "reset"),)
    setup.fail(1)
    assert setup.panel.one("east", 1).reading == (CLOSED, None, None, False)


def test_a_reset_of_one_that_is_closed_forgets_failures_so_far() -> None:
    setup = Setup()
    setup.fail(0)
    assert setup.panel.reset("east") == ()
    setup.fail(1)
    assert setup.state(1) is CLOSED


def test_a_reset_lets_callers_in_that_were_kept_out_alone() -> None:
    setup = Setup(by_caller=True)
    setup.fail(0, "a")
    setup.fail(0, "a")
    assert setup.panel.one("east", 1).kept_out == 1
    assert isinstance(setup.permit(1, "a"), Denied)
    setup.panel.reset("east")
    assert setup.panel.one("east", 1).kept_out == 0
    assert isinstance(setup.permit(1, "a"), AttemptPermit)


def test_a_queue_has_a_breaker_too() -> None:
    setup = Setup()
    setup.panel.force_open("queue:sse", 0)
    assert setup.state(1, "queue:sse") is OPEN


def test_a_name_that_no_breaker_has_is_refused() -> None:
    panel = Setup().panel
    for act in (lambda: panel.one("north", 0), lambda: panel.force_open("north", 0), lambda: panel.reset("north")):
        with pytest.raises(UnknownBreaker):
            act()


def test_a_permit_of_a_breaker_that_was_reset_is_no_probe() -> None:
    breaker: CircuitBreaker = Setup().deployments.of("east").shared
    breaker.force_open(0)
    breaker.reset()
    assert breaker.allow(1)[0] == Permit(probe=False)
