"""The breakers of the pipeline's queues: all of them let a stream in, or none keeps a permit."""

from app.breakers.breaker import Transition
from app.breakers.callers import CallerTrip, Changes
from app.breakers.queues import QueueBreakers, StreamDenied, StreamPermit
from app.settings import QueueBreakerSettings, Seconds
from telemetry.names import BreakerState


class Setup:
    def __init__(self, threshold: int = 2, by_caller: bool = False) -> None:
        self.breakers = QueueBreakers(QueueBreakerSettings(threshold=threshold, cooldown=Seconds(15)), by_caller)

    def permit(self, now: float, caller: str = "") -> StreamPermit:
        permit, _ = self.breakers.allow(now, caller)
        assert isinstance(permit, StreamPermit)
        return permit

    def overflow(self, now: float, caller: str = "", queue: str = "sse") -> Changes:
        return self.breakers.record(self.permit(now, caller), now, (queue,))

    def denial(self, now: float, caller: str = "") -> StreamDenied:
        denied, _ = self.breakers.allow(now, caller)
        assert isinstance(denied, StreamDenied)
        return denied


def test_overflows_of_one_queue_turn_streams_away_by_its_breaker() -> None:
    setup = Setup()
    assert setup.overflow(0) == ()
    assert setup.overflow(1) == (Transition("queue:sse", BreakerState.CLOSED, BreakerState.OPEN, "failures_in_window"),)
    assert setup.denial(2) == StreamDenied("queue:sse", "open", 14)


def test_a_probe_of_one_queue_is_given_back_where_another_denies() -> None:
    """A probe that is kept would block its place for a whole cooldown."""
    setup = Setup(threshold=1)
    first, *others = [setup.permit(0) for _ in range(4)]
    setup.breakers.record(first, 0, ("policy_out",))
    for permit in others:
        setup.breakers.record(permit, 5, ("sse",))
    assert setup.denial(15) == StreamDenied("queue:sse", "open", 5)
    assert setup.permit(20).probe


def test_a_stream_whose_probe_was_recorded_decides_nothing_more() -> None:
    setup = Setup(threshold=1)
    setup.overflow(0)
    probe = setup.permit(15)
    assert [change.reason for change in setup.breakers.record(probe, 30)] == ["probe_succeeded"]
    plain = probe.without_probes()
    assert not plain.probe
    assert [change.reason for change in setup.breakers.record(plain, 31, ("sse",))] == ["failures_in_window"]


def test_a_caller_whose_clients_do_not_read_is_turned_away_alone() -> None:
    setup = Setup(by_caller=True)
    assert setup.overflow(0, "hostile") == ()
    assert setup.overflow(1, "hostile") == (CallerTrip("queue:sse", "failures_in_window"),)
    assert setup.denial(2, "hostile").reason == "caller"
    assert not setup.permit(2, "honest").probe
