"""A store with 100,000 recordings: every page and search of the console is there at once."""

import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from app.recorder.recording import Recording
from app.recorder.stores import Cursor, Filter
from app.recorder.stores.segments import Bounds
from app.recorder.stores.sqlite import SQLiteStore
from tests.recordings import EPOCH, recorded

COUNT = 100_000
LIMIT = 0.3
"""Seconds, the best of five. The slowest search takes a third of them on a quiet machine."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SQLiteStore]:
    made = SQLiteStore(tmp_path_factory.mktemp("many") / "recordings.db", Bounds(2**34, None), now=lambda: EPOCH)
    for start in range(0, COUNT, 1000):
        made.write([_recorded(number) for number in range(start, start + 1000)])
    yield made
    made.close()


def _recorded(number: int) -> Recording:
    return recorded(
        number,
        asked=f"common word{number % 997} other{number % 89}",
        outcome="timeout" if number % 500 == 0 else "ok",
        model=f"model-{number % 7}",
        key=f"key-{number % 50}",
        team=f"team-{number % 5}",
        conversation=f"conversation-{number // 200 * 20 + number % 20}" if number % 3 else None,
        agent=f"agent-{number % 1000}",
        intervened=number % 1000 == 0,
    )


FILTERS = [
    Filter(),
    Filter(model="model-3"),
    Filter(key="key-7", team="team-2"),
    Filter(outcome="failures"),
    Filter(outcome="client_error"),
    Filter(conversation="conversation-5"),
    Filter(agent="agent-77"),
    Filter(intervened=True),
    Filter(pinned=True),
    Filter(text="common"),
    Filter(text="word77 other"),
    Filter(text="txn_777"),
    Filter(text="nowhere"),
]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("wanted", FILTERS, ids=repr)
def test_pages_and_searches_are_quick(store: SQLiteStore, wanted: Filter) -> None:
    assert _best(lambda: store.entries(wanted)) < LIMIT
    assert _best(lambda: store.conversations(wanted)) < LIMIT


def test_late_pages_are_as_quick(store: SQLiteStore) -> None:
    after = Cursor(EPOCH + COUNT // 10, "txn_1")

    assert _best(lambda: store.entries(Filter(), after)) < LIMIT
    assert _best(lambda: store.conversations(Filter(), after)) < LIMIT


def _best(read: Callable[[], Sequence[object]]) -> float:
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        read()
        seconds.append(time.perf_counter() - began)
    return min(seconds)
