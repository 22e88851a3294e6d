"""Breakers whose settings change while they are in use."""

from app.breakers.deployments import AttemptPermit, DeploymentBreakers
from app.breakers.queues import QueueBreakers, StreamDenied
from app.errors import UpstreamFailed
from app.settings import QueueBreakerSettings, Seconds, UpstreamBreakerSettings
from telemetry.names import BreakerState

DOWN = UpstreamFailed("down", upstream_status=503)


def upstream(threshold: int = 2, cooldown: float = 15) -> UpstreamBreakerSettings:
    return UpstreamBreakerSettings(threshold=threshold, cooldown=Seconds(cooldown))


def fail(breakers: DeploymentBreakers, times: int, deployment: str = "d", caller: str = "") -> None:
    for _ in range(times):
        permit, _ = breakers.allow(deployment, 0.0, caller)
        assert isinstance(permit, AttemptPermit)
        breakers.record(permit, DOWN, 0.0)


def test_an_open_breaker_stays_open_for_the_new_cooldown() -> None:
    breakers = DeploymentBreakers(upstream())
    fail(breakers, 2)
    breakers.use(upstream(cooldown=60), False, {"d"})
    assert breakers.refusal("d", 30.0) == "open"
    assert breakers.refusal("d", 61.0) is None


def test_another_threshold_counts_from_then_on() -> None:
    breakers = DeploymentBreakers(upstream())
    fail(breakers, 1)
    breakers.use(upstream(threshold=3), False, {"d"})
    fail(breakers, 2)
    assert breakers.states(0.0) == {"d": BreakerState.CLOSED}
    fail(breakers, 1)
    assert breakers.states(0.0) == {"d": BreakerState.OPEN}


def test_the_same_settings_forget_nothing() -> None:
    breakers = DeploymentBreakers(upstream())
    fail(breakers, 1)
    breakers.use(upstream(), False, {"d"})
    fail(breakers, 1)
    assert breakers.states(0.0) == {"d": BreakerState.OPEN}


def test_a_deployment_that_goes_is_forgotten_and_its_last_attempts_open_nothing() -> None:
    breakers = DeploymentBreakers(upstream(threshold=1))
    permit, _ = breakers.allow("d", 0.0)
    assert isinstance(permit, AttemptPermit)
    breakers.use(upstream(threshold=1), False, set())
    assert breakers.states(0.0) == {}
    # One of the same name may be asked elsewhere by now.
    breakers.allow("d", 0.0)
    assert breakers.record(permit, DOWN, 0.0) == ()
    assert breakers.states(0.0) == {"d": BreakerState.CLOSED}


def test_callers_are_told_apart_once_there_are_several() -> None:
    breakers = DeploymentBreakers(upstream())
    breakers.use(upstream(), True, {"d"})
    fail(breakers, 2, caller="x")
    assert breakers.refusal("d", 0.0, "x") == "caller"
    assert breakers.refusal("d", 0.0, "y") is None
    breakers.use(upstream(), False, {"d"})
    assert breakers.refusal("d", 0.0, "x") is None


def test_queues_go_by_their_new_threshold() -> None:
    breakers = QueueBreakers(QueueBreakerSettings(threshold=3))
    breakers.use(QueueBreakerSettings(threshold=1), False)
    permit, _ = breakers.allow(0.0)
    assert not isinstance(permit, StreamDenied)
    breakers.record(permit, 0.0, {"sse"})
    denied, _ = breakers.allow(0.0)
    assert isinstance(denied, StreamDenied)
