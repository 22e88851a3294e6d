"""What the recorder counts moves its metrics once, however often it is looked at."""

from prometheus_client import CollectorRegistry

from telemetry.metrics.recordings import RecorderReading, RecordingMetrics


def test_counts_move_by_what_was_done_since_the_last_reading() -> None:
    registry = CollectorRegistry()
    metrics = RecordingMetrics(registry)
    assert registry.get_sample_value("flowspan_recordings_lost_total", {"reason": "store"}) == 0
    metrics.show(RecorderReading(3, {"store": 1}, 500, 1000, 4096))
    metrics.show(RecorderReading(5, {"store": 4, "backlog": 2}, 0, 1000, 8192))

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    assert value("flowspan_recordings_written_total") == 5
    assert value("flowspan_recordings_lost_total", reason="store") == 4
    assert value("flowspan_recordings_lost_total", reason="backlog") == 2
    assert value("flowspan_recorder_waiting_bytes") == 0
    assert value("flowspan_recorder_waiting_limit_bytes") == 1000
    assert value("flowspan_recorder_store_bytes") == 8192
