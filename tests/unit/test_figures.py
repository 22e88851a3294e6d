"""Numbers read as people write them."""

import pytest

from app import figures


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0.00084, "840 µs"),
        (0.0042, "4.2 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (3.414, "3.41 s"),
        (59.97, "60.0 s"),
        (125.4, "2 min 5 s"),
        (7300, "2 h 1 min"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert figures.duration(seconds) == text


def test_counts_sizes_and_money() -> None:
    assert [figures.number(count) for count in (0, 1234, 12_340, 999_949, 1_234_567)] == [
        "0",
        "1,234",
        "12.3k",
        "999.9k",
        "1.23M",
    ]
    assert [figures.counted(count, "event") for count in (0, 1, 1234)] == ["0 events", "1 event", "1,234 events"]
    assert [figures.counted(count, "retry", "retries") for count in (1, 2)] == ["1 retry", "2 retries"]
    assert [figures.size(count) for count in (512, 1536, 5 * 1024**2)] == ["512 B", "1.5 KiB", "5.0 MiB"]
    assert [figures.dollars(amount) for amount in (5, 1000, 2.5, 0.001, 2_000_000.25)] == [
        "5",
        "1,000",
        "2.50",
        "0.001",
        "2,000,000.25",
    ]
    assert [figures.usd(cost) for cost in (None, 0, 0.00001, 0.0042, 12.345)] == [
        "–",
        "$0",
        "<$0.0001",
        "$0.0042",
        "$12.35",
    ]
    assert [figures.percent(share) for share in (0, 0.001, 0.5, 1)] == ["0 %", "<1 %", "50 %", "100 %"]
