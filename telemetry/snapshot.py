"""The state of the process at a moment, cheap enough to be taken several times a second by a live view."""

from dataclasses import dataclass

from telemetry.live import Live, StreamView
from telemetry.metrics import Metrics
from telemetry.names import QUEUES, Outcome, Where


@dataclass(frozen=True)
class QueueView:
    """Over all open streams; `capacity` and `fullest` are of one."""

    depth: int
    bytes: int
    fullest: int
    capacity: int


@dataclass(frozen=True)
class Snapshot:
    opened: int
    in_flight: dict[str, int]
    """By api."""
    streams: tuple[StreamView, ...]
    queues: dict[str, QueueView]
    breakers: dict[str, str]
    """State by name."""
    outcomes: dict[Outcome, int]
    seconds: dict[Where, float]
    """The time ledger of all transactions since the start, as of the sampler's last turn."""


def take_snapshot(live: Live, metrics: Metrics) -> Snapshot:
    streams = live.streams()
    in_flight: dict[str, int] = {}
    for stream in streams:
        in_flight[stream.api] = in_flight.get(stream.api, 0) + 1
    all_stats = [flow.stats for stream in streams for flow in tuple(stream.queues)]
    queues = {}
    for name in QUEUES:
        of_name = [stats for stats in all_stats if stats.name == name]
        queues[name] = QueueView(
            depth=sum(stats.depth for stats in of_name),
            bytes=sum(stats.bytes for stats in of_name),
            fullest=max((stats.depth for stats in of_name), default=0),
            capacity=max((stats.capacity_items for stats in of_name), default=0),
        )
    return Snapshot(
        live.opened,
        in_flight,
        tuple(stream.view() for stream in streams),
        queues,
        dict(metrics.breakers.states),
        dict(live.outcomes),
        dict(live.seconds),
    )
