"""The recorder's store in a real PostgreSQL: what all stores promise, and several gateways at once."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from app.recorder.recorder import Recorder
from app.recorder.stores import Cursor, Filter, StoreFailed
from app.recorder.stores.postgresql import PostgreSQLStore
from app.recorder.stores.segments import Bounds
from app.settings import RecorderSettings
from tests.postgresql import PASSWORD, Server, programs, running
from tests.recordings import EPOCH, TakenRecording, recorded

pytestmark = pytest.mark.skipif(
    programs() is None and not os.environ.get("CI"), reason="PostgreSQL is not installed (Debian: postgresql)"
)
ROOMY = Bounds(2**30, None)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as found:
        yield found


@pytest.fixture
def store(server: Server) -> Iterator[PostgreSQLStore]:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS flowspan CASCADE")
    made = PostgreSQLStore(server.url, ROOMY)
    yield made
    made.close()


def _ids(store: PostgreSQLStore, wanted: Filter, limit: int = 100) -> list[int]:
    return [int(entry.transaction_id.removeprefix("txn_")) for entry in store.entries(wanted, limit=limit)]


def test_recordings_come_back_and_are_found(store: PostgreSQLStore) -> None:
    made = [
        recorded(0, asked="Where is the unicorn?", cost_usd=1.5),
        recorded(1, asked="Welche Gr\u00f6\u00dfe? \u4f60\u597d \x00", model="opus"),
        recorded(2, key="bob", conversation="c", outcome="timeout", agent="a", intervened=True),
        recorded(3, conversation="c", answered="A thunderstorm. " * 100_000),
        recorded(4, asked=" ".join(f"{number:x}word" for number in range(150_000))),
    ]
    store.write(made)
    store.write(made[:1])
    store.pin(["txn_2", "txn_unknown"], "a stream failed")

    assert [store.recording(f"txn_{number}") for number in (0, 1, 3, 4)] == [made[0], made[1], made[3], made[4]]
    for wanted, found in (
        (Filter(), [4, 3, 2, 1, 0]),
        (Filter(text="UNICORN where"), [0]),
        (Filter(text="unic"), [0]),
        (Filter(text="gr\u00f6\u00dfe"), [1]),
        (Filter(text="\u597d"), [1]),
        (Filter(text="thunderstorm"), [3]),
        (Filter(text="10word"), [4]),
        (Filter(text="txn_3"), [3]),
        (Filter(text="' | & !"), []),
        (Filter(model="opus"), [1]),
        (Filter(key="bob", outcome="failures", intervened=True, agent="a"), [2]),
        (Filter(pinned=True), [2]),
        (Filter(least_cost_usd=1.0, since=EPOCH, until=EPOCH + 1), [0]),
    ):
        assert _ids(store, wanted) == found, wanted
    page = store.entries(Filter(), limit=2)
    after = Cursor(page[-1].started_at, page[-1].transaction_id)
    assert [entry.transaction_id for entry in store.entries(Filter(), after, 2)] == ["txn_2", "txn_1"]
    conversations = store.conversations(Filter())
    assert [each.conversation for each in conversations] == ["txn_4", "c", "txn_1", "txn_0"]
    assert (conversations[1].turns, conversations[1].failures, conversations[1].agents) == (2, 1, ("a",))
    assert store.conversations(Filter(key="nobody")) == []
    assert store.conversations(Filter(), Cursor(conversations[1].last, "c"), 1) == conversations[2:3]
    assert store.figures().recordings == 5


def test_the_old_and_the_surplus_go_and_pins_last(server: Server, store: PostgreSQLStore) -> None:
    store.write([recorded(number) for number in range(200)])
    store.pin(["txn_0"], "a stream failed")
    size = store.figures().bytes
    moment = [EPOCH + 3700, 0.0]
    bounded = PostgreSQLStore(server.url, Bounds(size // 2, 3600.0), now=lambda: moment[0], monotonic=lambda: moment[1])
    bounded.trim()

    left = _ids(store, Filter(), 1000)
    assert left == [*range(199, left[-2] - 1, -1), 0]
    assert left[-2] > 100
    assert store.figures().bytes <= size // 2
    moment[:] = [EPOCH + 3600 + 195, 20.0]
    bounded.trim()
    assert _ids(store, Filter()) == [199, 198, 197, 196, 195, 0]
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("UPDATE flowspan.entries SET pinned = 'a stream failed'")
    cramped = PostgreSQLStore(server.url, Bounds(store.figures().bytes // 2, None))
    cramped.trim()
    assert _ids(store, Filter()) == [199, 198]
    for each in (bounded, cramped):
        each.close()


def test_gateways_that_start_together_make_one_schema_and_write_into_it(server: Server, store: PostgreSQLStore) -> None:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA flowspan CASCADE")

    def gateway(number: int) -> None:
        store = PostgreSQLStore(server.url, ROOMY)
        for turn in range(20):
            store.write([recorded(100 * number + turn)])
        store.trim()
        store.close()

    with ThreadPoolExecutor(4) as gateways:
        list(gateways.map(gateway, range(4)))
    assert store.figures().recordings == 80


def test_a_database_that_is_gone_loses_recordings_counted_and_is_found_again(server: Server) -> None:
    moment = [0.0]
    store = PostgreSQLStore(server.url, ROOMY, monotonic=lambda: moment[0])
    recorder = Recorder(store, RecorderSettings(), pause=0)
    server.stop()
    for number in range(1000, 1003):
        recorder.offer(TakenRecording(recorded(number)))
        while recorder.waiting_bytes:
            recorder.wait_for_more(recorder.written, 0.01)
    assert recorder.losses["store"] == 3
    with pytest.raises(StoreFailed, match=r"127\.0\.0\.1:\d+/postgres: it is gone, and tried again in 1 s"):
        store.figures()
    server.start()
    moment[0] = 60.0
    recorder.offer(TakenRecording(recorded(1003)))
    assert recorder.wait_for_more(0, 5) == 1
    recorder.close()


def test_a_wrong_password_and_another_version_stop_the_start_and_no_password_is_named(
    server: Server, store: PostgreSQLStore
) -> None:
    with pytest.raises(StoreFailed, match="password authentication failed") as refused:
        PostgreSQLStore(server.url.replace(PASSWORD, "another-secret"), ROOMY)
    assert "another-secret" not in str(refused.value)
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("UPDATE flowspan.schema_version SET version = 9")
    with pytest.raises(StoreFailed, match="its schema has version 9; this gateway knows version 1") as refused:
        PostgreSQLStore(server.url, ROOMY)
    assert PASSWORD not in str(refused.value)
