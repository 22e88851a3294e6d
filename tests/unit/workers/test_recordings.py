"""Recordings of several workers are written by one thread, and each worker knows what became of its own."""

import socket
from collections.abc import Iterator, Sequence

import pytest

from app.recorder.recording import Recording
from app.recorder.stores import Filter, StoreFailed
from app.recorder.stores.segments import Bounds
from app.recorder.stores.sqlite import SQLiteStore
from app.workers.recordings import ForwardedRecordings, RecordingIntake
from tests.recordings import recorded


class Store(SQLiteStore):
    """Fails as long as it is `full`."""

    full = False

    def write(self, recordings: Sequence[Recording]) -> None:
        if self.full:
            raise StoreFailed("the disk is full")
        super().write(recordings)


@pytest.fixture
def intake() -> Iterator[RecordingIntake]:
    taking = RecordingIntake(Store(None, Bounds(2**24, None)))
    yield taking
    taking.close()


def worker_of(intake: RecordingIntake) -> ForwardedRecordings:
    ours, theirs = socket.socketpair()
    intake.take_from(ours)
    return ForwardedRecordings(theirs)


def test_what_each_worker_sends_is_in_the_store_when_it_goes_on(intake: RecordingIntake) -> None:
    one, other = worker_of(intake), worker_of(intake)
    recordings = [recorded(1), recorded(2)]
    one.write(recordings[:1])
    other.write(recordings[1:])
    kept = intake.store.entries(Filter())
    assert {entry.transaction_id for entry in kept} == {each.entry.transaction_id for each in recordings}
    assert intake.store.recording(recordings[0].entry.transaction_id) == recordings[0]
    assert one.figures().recordings == len(kept)
    other.pin([recordings[0].entry.transaction_id], "why")
    [pinned] = intake.store.entries(Filter(pinned=True))
    assert pinned.pinned == "why"
    one.close()
    other.close()


def test_why_nothing_was_written_is_told_to_whose_it_was(intake: RecordingIntake) -> None:
    worker = worker_of(intake)
    vars(intake.store)["full"] = True
    with pytest.raises(StoreFailed, match="the disk is full"):
        worker.write([recorded(1)])
    vars(intake.store)["full"] = False
    worker.write([recorded(1)])
    worker.close()


def test_without_a_supervisor_nothing_is_taken() -> None:
    ours, theirs = socket.socketpair()
    worker = ForwardedRecordings(theirs)
    ours.close()
    with pytest.raises(StoreFailed):
        worker.write([recorded(1)])
    with pytest.raises(StoreFailed, match="read in the supervisor"):
        worker.entries(Filter())
    worker.close()
