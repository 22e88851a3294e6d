"""A queue's counts as the attributes of its span."""

from telemetry.names import Attribute
from telemetry.queue_stats import QueueStats
from telemetry.spans import Value


def queue_attributes(stats: QueueStats) -> dict[str, Value | None]:
    return {
        Attribute.QUEUE_NAME: stats.name,
        Attribute.QUEUE_CAPACITY: stats.capacity_items,
        Attribute.QUEUE_ITEMS_IN: stats.items_in,
        Attribute.QUEUE_ITEMS_OUT: stats.items_out,
        Attribute.QUEUE_DEPTH_MAX: stats.depth_max,
        Attribute.QUEUE_BYTES_MAX: stats.bytes_max,
        Attribute.QUEUE_OVERFLOWS: stats.overflows,
        Attribute.QUEUE_PUT_BLOCKED: stats.put_blocked_s,
        Attribute.QUEUE_GET_WAIT: stats.get_wait_s,
        Attribute.QUEUE_RESIDENCE_P50: stats.residence_percentile(0.5),
        Attribute.QUEUE_RESIDENCE_P99: stats.residence_percentile(0.99),
        Attribute.QUEUE_DISCARDED: stats.discarded,
    }


def high_water_attributes(stats: QueueStats, percent: int) -> dict[str, Value]:
    return {
        Attribute.QUEUE_NAME: stats.name,
        Attribute.QUEUE_PERCENT: percent,
        Attribute.QUEUE_DEPTH: stats.depth,
        Attribute.QUEUE_BYTES: stats.bytes,
        Attribute.QUEUE_CAPACITY: stats.capacity_items,
    }
