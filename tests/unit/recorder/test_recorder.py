"""The recorder: what is offered is written by its thread, what is lost is counted, and nobody waits."""

import itertools
import threading
from collections.abc import Sequence

import pytest

from app.recorder.flight import cause_of
from app.recorder.load import Load
from app.recorder.recorder import Recorder
from app.recorder.recording import Recording
from app.recorder.stores import Filter, StoreFailed
from app.recorder.stores.segments import Bounds
from app.recorder.stores.sqlite import SQLiteStore
from app.settings import ByteSize, RecorderSettings
from telemetry.names import Outcome
from tests.behaviour.gateway import until
from tests.recordings import TakenRecording, recorded


class StuckStore(SQLiteStore):
    """Writes only once it is let; fails as long as it is `broken`."""

    def __init__(self) -> None:
        super().__init__(None, Bounds(2**24, None))
        self.writing, self.may_write = threading.Event(), threading.Event()
        self.broken = False

    def write(self, recordings: Sequence[Recording]) -> None:
        self.writing.set()
        self.may_write.wait(10)
        if self.broken:
            raise StoreFailed("the disk is full")
        super().write(recordings)


def _written(recorder: Recorder, count: int) -> list[str]:
    seen = 0
    while seen < count:
        more = recorder.wait_for_more(seen, 5)
        assert more > seen
        seen = more
    return [entry.transaction_id for entry in recorder.store.entries(Filter())]


def _memory() -> SQLiteStore:
    return SQLiteStore(None, Bounds(2**24, None))


def test_what_is_offered_is_found_in_the_store() -> None:
    recorder = Recorder(_memory(), RecorderSettings(), pause=0)
    for number in range(100):
        recorder.offer(TakenRecording(recorded(number)))

    assert _written(recorder, 100) == [f"txn_{number}" for number in reversed(range(100))]
    assert recorder.store.recording("txn_42") == recorded(42)
    recorder.close()
    assert not +recorder.losses


def test_a_store_that_is_slow_holds_nobody_up_and_what_is_beyond_the_backlog_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = StuckStore()
    recorder = Recorder(store, RecorderSettings(backlog=ByteSize(3000)), pause=0)
    recorder.offer(TakenRecording(recorded(0)))
    assert store.writing.wait(5)
    for number in range(1, 6):
        recorder.offer(TakenRecording(recorded(number)))

    assert recorder.losses["backlog"] == 3
    assert [line for line in caplog.messages if "lost" in line] == [
        "Recordings are lost: more bytes would wait for the store than `backlog` allows"
    ]
    assert recorder.waiting_bytes == 3000
    store.may_write.set()
    assert _written(recorder, 3) == ["txn_2", "txn_1", "txn_0"]
    assert recorder.waiting_bytes == 0
    recorder.close()


def test_a_store_that_fails_loses_recordings_says_so_once_and_recovers(caplog: pytest.LogCaptureFixture) -> None:
    store = StuckStore()
    store.may_write.set()
    store.broken = True
    recorder = Recorder(store, RecorderSettings(), pause=0)
    for number in range(3):
        store.writing.clear()
        recorder.offer(TakenRecording(recorded(number)))
        assert store.writing.wait(5)
    while recorder.waiting_bytes:
        recorder.wait_for_more(0, 0.01)
    store.broken = False
    recorder.offer(TakenRecording(recorded(3)))

    assert _written(recorder, 1) == ["txn_3"]
    assert recorder.losses["store"] == 3
    assert [record.message for record in caplog.records] == ["Recordings are lost: the disk is full"]
    recorder.close()


def test_a_transaction_that_cannot_be_made_into_a_recording_takes_no_other_with_it() -> None:
    class Broken(TakenRecording):
        def recording(self) -> Recording:
            raise ValueError("a defect")

    recorder = Recorder(_memory(), RecorderSettings(), pause=0)
    recorder.offer(Broken(recorded(1)))
    recorder.offer(TakenRecording(recorded(2)))

    assert _written(recorder, 1) == ["txn_2"]
    assert recorder.losses["defect"] == 1
    recorder.close()


def test_the_end_writes_what_waits_and_counts_what_a_stuck_store_does_not_take() -> None:
    store = StuckStore()
    recorder = Recorder(store, RecorderSettings(), pause=0)
    recorder.offer(TakenRecording(recorded(0)))
    assert store.writing.wait(5)
    recorder.offer(TakenRecording(recorded(1)))
    recorder.close(timeout=0.01)
    recorder.offer(TakenRecording(recorded(2)))

    assert recorder.losses["shutdown"] == 3
    store.may_write.set()


def test_writing_waits_for_a_quiet_moment_as_long_as_little_waits() -> None:
    clock, used = itertools.count(), [0.0]

    def busy() -> float:
        used[0] += 1
        return used[0]

    load = Load(now=lambda: float(next(clock)), used=busy, mine=lambda: 0.0)
    recorder = Recorder(_memory(), RecorderSettings(backlog=ByteSize(40_000)), pause=0.001, load=load)
    recorder.offer(TakenRecording(recorded(0)))
    assert len(_written(recorder, 1)) == 1

    for number in range(1, 10):
        recorder.offer(TakenRecording(recorded(number)))
    looked = used[0]
    until(lambda: used[0] > looked + 5, "some looks at the load")
    assert recorder.written == 1
    recorder.offer(TakenRecording(recorded(10)))
    assert len(_written(recorder, 11)) == 11
    assert used[0] < looked + 100

    recorder.offer(TakenRecording(recorded(11)))
    assert len(_written(recorder, 12)) == 12
    assert used[0] >= looked + 100
    recorder.close()


def test_a_gateway_that_is_not_busy_has_its_recordings_written_at_once() -> None:
    looks: list[float] = []

    def now() -> float:
        looks.append(0.0)
        return float(len(looks))

    recorder = Recorder(_memory(), RecorderSettings(), pause=0, load=Load(now, lambda: len(looks) / 2, lambda: 0.0))
    recorder.offer(TakenRecording(recorded(0)))
    assert len(_written(recorder, 1)) == 1
    assert len(looks) == 1
    recorder.close()


def test_only_what_the_filters_let_through_is_kept_and_of_a_conversation_all_or_nothing() -> None:
    settings = RecorderSettings(models=("son*",), keys=("alice", "bob"), outcomes="failures")
    recorder = Recorder(_memory(), settings, pause=0)
    for number, made in enumerate(
        [
            recorded(0, outcome="timeout"),
            recorded(1),
            recorded(2, outcome="timeout", model="opus"),
            recorded(3, outcome="timeout", key="carol"),
            recorded(4, outcome="policy_blocked", key="bob"),
        ]
    ):
        assert made.entry.transaction_id == f"txn_{number}"
        recorder.offer(TakenRecording(made))
    assert _written(recorder, 2) == ["txn_4", "txn_0"]
    recorder.close()

    sampled = Recorder(_memory(), RecorderSettings(sample=0.5), pause=0)
    for number in range(400):
        sampled.offer(TakenRecording(recorded(number, conversation=f"c{number % 40}")))
    while sampled.waiting_bytes:
        sampled.wait_for_more(sampled.written, 0.01)
    turns = [conversation.turns for conversation in sampled.store.conversations(Filter(), limit=40)]
    sampled.close()
    assert set(turns) == {10}
    assert 5 < len(turns) < 35


def test_a_failure_pins_what_led_to_it_also_what_the_filters_let_go() -> None:
    recorder = Recorder(_memory(), RecorderSettings(outcomes="failures", flight=3), pause=0)
    recorder.offer(TakenRecording(recorded(0, outcome="timeout", conversation="c")))
    recorder.offer(TakenRecording(recorded(1, conversation="c", deployment="other")))
    for number in range(2, 8):
        recorder.offer(TakenRecording(recorded(number, conversation="d", deployment="other")))
    recorder.offer(TakenRecording(recorded(8, outcome="overflow", conversation="c"), pinned="a queue overflowed"))
    _written(recorder, 4)
    while recorder.waiting_bytes:
        recorder.wait_for_more(recorder.written, 0.01)
    found = {entry.transaction_id: entry.pinned for entry in recorder.store.entries(Filter(pinned=True))}
    recorder.close()

    assert found == {
        "txn_8": "a queue overflowed",
        "txn_7": "before txn_8: a queue overflowed",
        "txn_1": "before txn_8: a queue overflowed",
        "txn_0": "before txn_8: a queue overflowed",
    }


def test_an_outage_pins_its_beginning_alone() -> None:
    recorder = Recorder(_memory(), RecorderSettings(), pause=0)

    assert [recorder.pins(cause) for cause in ("a stream failed", "breaker a opened", "a stream failed")] == [
        True,
        True,
        False,
    ]
    recorder.close()


@pytest.mark.parametrize(
    ("outcome", "tripped", "stream_broke", "cause"),
    [
        ("ok", [], False, None),
        ("ok", ["sonnet-1"], False, "breaker sonnet-1 opened"),
        ("upstream_error", [], True, "a stream of east failed"),
        ("upstream_error", [], False, None),
        ("policy_blocked", [], True, "a policy blocked it"),
        ("client_disconnect", [], False, None),
    ],
)
def test_what_is_worth_a_flight(outcome: Outcome, tripped: list[str], stream_broke: bool, cause: str | None) -> None:
    assert cause_of(outcome, tripped, "east", stream_broke=stream_broke) == cause
