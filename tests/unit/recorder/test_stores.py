"""What every store promises: recordings come back as they were, and are found by filters, words and conversations."""

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.recorder.stores import Cursor, Filter, Store, StoreFailed, encoding
from app.recorder.stores.segments import Bounds
from app.recorder.stores.sqlite import SQLiteStore
from tests.recordings import EPOCH, recorded

ROOMY = Bounds(2**26, None)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = SQLiteStore(None if request.param == "memory" else tmp_path / "recordings.db", ROOMY)
    yield made
    made.close()


def _ids(store: Store, wanted: Filter, after: Cursor | None = None, limit: int = 100) -> list[int]:
    return [int(entry.transaction_id.removeprefix("txn_")) for entry in store.entries(wanted, after, limit)]


def test_a_recording_comes_back_as_it_was(store: Store) -> None:
    text = "ein größeres Gespräch \u4f60\u597d \x00 " * 3000
    made = [recorded(number, asked=f"{text}{number}", conversation="c") for number in range(5)]
    store.write(made)

    assert [store.recording(f"txn_{number}") for number in range(5)] == made
    assert store.recording("txn_9") is None


def test_lists_are_read_page_by_page_and_nothing_is_skipped_where_moments_are_the_same(store: Store) -> None:
    store.write([recorded(number, started_at=EPOCH + number // 10) for number in range(25)])
    found: list[int] = []
    after = None
    while page := store.entries(Filter(), after, 4):
        found += [int(entry.transaction_id.removeprefix("txn_")) for entry in page]
        after = Cursor(page[-1].started_at, page[-1].transaction_id)

    assert sorted(found) == list(range(25))
    assert [number // 10 for number in found] == sorted((number // 10 for number in found), reverse=True)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(model="opus"), [1]),
        (Filter(key="bob"), [2]),
        (Filter(team="red"), [3]),
        (Filter(outcome="timeout"), [4]),
        (Filter(outcome="failures"), [5, 4]),
        (Filter(conversation="c6"), [6]),
        (Filter(agent="a7"), [7]),
        (Filter(intervened=True), [8]),
        (Filter(pinned=True), [9]),
        (Filter(least_cost_usd=1.0), [0]),
        (Filter(since=EPOCH + 8), [9, 8]),
        (Filter(until=EPOCH + 1), [1, 0]),
        (Filter(model="sonnet", key="bob", since=EPOCH + 3), []),
    ],
)
def test_each_filter(store: Store, wanted: Filter, found: list[int]) -> None:
    store.write(
        [
            recorded(0, cost_usd=1.5),
            recorded(1, model="opus"),
            recorded(2, key="bob"),
            recorded(3, team="red"),
            recorded(4, outcome="timeout"),
            recorded(5, outcome="policy_blocked"),
            recorded(6, conversation="c6"),
            recorded(7, agent="a7"),
            recorded(8, intervened=True),
            recorded(9),
        ]
    )
    store.pin(["txn_9", "txn_unknown"], "a breaker opened")

    assert _ids(store, wanted) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("unicorn", [0]),
        ("UNICORN", [0]),
        ("unic", [0]),
        ("thunderstorm", [1]),
        ("weather rains", [3, 2]),
        ("rains weather unicorn", []),
        ("txn_2", [2]),
        ("größe", [4]),
        ("好", [4]),
        ('"unicorn" AND (', []),
        ("...", []),
        ("NOT", []),
        ("", [4, 3, 2, 1, 0]),
    ],
)
def test_words_are_found_in_requests_answers_and_ids(store: Store, text: str, found: list[int]) -> None:
    store.write(
        [
            recorded(0, asked="Where is the unicorn?"),
            recorded(1, answered="There will be a thunderstorm in the evening."),
            recorded(2),
            recorded(3),
            recorded(4, asked="Welche Größe? 你好", answered="Keine."),
        ]
    )

    assert _ids(store, Filter(text=text)) == found


def test_conversations_are_summed_up_the_latest_first(store: Store) -> None:
    store.write([recorded(0, conversation="c1", asked="The first words", agent="main")])
    store.write([recorded(1, conversation="c2"), recorded(2)])
    store.write([recorded(3, conversation="c1", outcome="timeout", agent="sub", intervened=True, model="opus")])
    first, *others = store.conversations(Filter())

    assert (first.conversation, first.turns, first.failures, first.interventions) == ("c1", 2, 1, 1)
    assert (first.began, first.last, first.title) == (EPOCH, EPOCH + 3, "The first words")
    assert sorted(first.agents) == ["main", "sub"]
    assert sorted(first.models) == ["opus", "sonnet"]
    assert (first.input_tokens, first.cache_read_tokens, first.output_tokens) == (28, 8, 10)
    assert first.cost_usd == pytest.approx(0.02)
    assert [other.conversation for other in others] == ["txn_2", "c2"]
    assert store.conversations(Filter(), Cursor(first.last, "c1"), 1) == others[:1]
    assert [each.turns for each in store.conversations(Filter(outcome="failures"))] == [1]
    assert [each.conversation for each in store.conversations(Filter(text="words"))] == ["c1"]
    assert store.conversations(Filter(key="nobody")) == []


def test_a_pin_shows_its_reason_in_lists_and_recordings(store: Store) -> None:
    store.write([recorded(1)])
    store.pin(["txn_1"], "the stream failed")
    store.pin(["txn_1"], "another reason")

    assert store.entries(Filter())[0].pinned == "the stream failed"
    found = store.recording("txn_1")
    assert found is not None
    assert found.entry.pinned == "the stream failed"


def test_the_oldest_go_where_there_is_no_more_room_and_pinned_ones_stay() -> None:
    store = SQLiteStore(None, Bounds(2**21, None))
    for number in range(1200):
        words = " ".join(f"{number * 7919 * factor:x}" for factor in range(1, 300))
        store.write([recorded(number, asked=f"{words} number{number}ends")])
        if number == 3:
            store.pin(["txn_3"], "the stream failed")
        store.trim()
    figures = store.figures()

    assert figures.bytes <= 2**21
    assert 100 < figures.recordings < 1000
    oldest = _ids(store, Filter(), limit=1000)[-2:]
    assert oldest[1] == 3
    assert oldest[0] > 200
    assert _ids(store, Filter(text="number1199ends")) == [1199]
    assert _ids(store, Filter(text="number3ends")) == [3]


def test_what_is_too_old_goes_and_the_file_shrinks(tmp_path: Path) -> None:
    file, moment = tmp_path / "recordings.db", [EPOCH]
    store = SQLiteStore(file, Bounds(2**26, 3600.0), now=lambda: moment[0])
    for number in range(300):
        moment[0] = EPOCH + number
        store.write([recorded(number, asked=" ".join(str(number * factor) for factor in range(3000)))])
    full = store.figures()
    store.pin(["txn_0"], "a breaker opened")
    moment[0] = EPOCH + 3600 + 200
    store.trim()
    assert _ids(store, Filter(), limit=1000) == [*reversed(range(200, 300)), 0]
    moment[0] = EPOCH + 2 * 3600
    store.trim()

    assert _ids(store, Filter()) == [0]
    assert store.figures().bytes < full.bytes / 5
    store.close()
    assert file.stat().st_size < full.bytes / 5


def test_a_file_goes_on_where_it_ended_and_is_read_while_it_is_written(tmp_path: Path) -> None:
    file = tmp_path / "recordings.db"
    long = "a long conversation " * 1000
    for number in range(0, 6, 2):
        store = SQLiteStore(file, ROOMY)
        store.write([recorded(number, asked=long, conversation="c")])
        reader = SQLiteStore(file, ROOMY, writes=False)
        store.write([recorded(number + 1, asked=long, conversation="c")])
        assert reader.recording(f"txn_{number + 1}") == recorded(number + 1, asked=long, conversation="c")
        reader.close()
        store.close()

    assert _ids(SQLiteStore(file, ROOMY, writes=False), Filter()) == [5, 4, 3, 2, 1, 0]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_words_are_found_before_and_after_they_are_in_the_index(tmp_path: Path) -> None:
    file, unicorn = tmp_path / "recordings.db", Filter(text="unicorn")
    store = SQLiteStore(file, ROOMY)
    store.write([recorded(number, asked=f"a unicorn {number}") for number in range(50)])
    reader = SQLiteStore(file, ROOMY, writes=False)
    expected = list(reversed(range(50)))
    assert _ids(reader, unicorn) == expected

    assert store.catch_up()
    assert _ids(reader, unicorn) == expected
    store.close()
    again = SQLiteStore(file, ROOMY)
    assert _ids(again, unicorn) == expected
    assert not again.catch_up()
    again.write([recorded(50, asked="one unicorn more")])
    with _no_file_larger_than(file.stat().st_size):
        assert _ids(again, unicorn) == [50, *expected]
    assert _ids(reader, unicorn) == [50, *expected]


def test_what_could_not_be_written_is_not_found_under_what_took_its_place(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "recordings.db", ROOMY)
    large = " ".join(map(str, range(20000)))
    with _no_file_larger_than(200_000), pytest.raises(StoreFailed):
        store.write([recorded(number, asked=f"lost {large}") for number in range(40)])
    store.write([recorded(number, asked="kept") for number in range(3)])

    assert _ids(store, Filter(text="kept")) == [2, 1, 0]
    assert _ids(store, Filter(text="lost")) == []


def test_a_second_gateway_on_the_same_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "recordings.db"
    first = SQLiteStore(file, ROOMY)
    with pytest.raises(StoreFailed, match=r"recordings\.db: another gateway writes to it"):
        SQLiteStore(file, ROOMY)
    first.close()
    SQLiteStore(file, ROOMY).close()


def test_a_file_of_something_else_or_of_another_version_is_refused_by_name(tmp_path: Path) -> None:
    text, other, later = tmp_path / "notes.txt", tmp_path / "other.db", tmp_path / "later.db"
    text.write_text("These are my notes, and they are dear to me. " * 50)
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE notes (text)")
    connection.close()
    SQLiteStore(later, ROOMY).close()
    with sqlite3.connect(later) as connection:
        connection.execute("PRAGMA user_version = 7")
    connection.close()

    for file, reason in (
        (text, r"notes\.txt: file is not a database"),
        (other, r"other\.db: it is a database of another program"),
        (later, r"later\.db: its schema has version 7; this gateway knows version 2"),
    ):
        before = file.read_bytes()
        with pytest.raises(StoreFailed, match=reason):
            SQLiteStore(file, ROOMY)
        assert file.read_bytes() == before


@contextmanager
def _no_file_larger_than(size: int) -> Iterator[None]:
    """The kernel refuses what this process writes beyond it, as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_loses_what_cannot_be_written_and_the_store_recovers(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "recordings.db", ROOMY)
    store.write([recorded(0)])
    with _no_file_larger_than(200_000), pytest.raises(StoreFailed, match="disk"):
        store.write([recorded(number, asked=" ".join(map(str, range(20000)))) for number in range(1, 40)])
    store.write([recorded(2)])

    assert _ids(store, Filter()) == [2, 0]


def test_a_few_bytes_that_would_be_a_memory_full_are_refused() -> None:
    with pytest.raises(StoreFailed, match="is broken: it is cut, or larger than 1 MiB"):
        encoding.decode(encoding.compressed(bytes(2 * 1024**2)), largest=1024**2)


def test_a_name_is_found_by_what_was_sent_where_the_store_cannot_hold_all_of_it(store: Store) -> None:
    """PostgreSQL takes no text with a NUL, neither in a row nor in a question."""
    one = recorded(1, model="a\0b")
    store.write([one])

    assert [entry.transaction_id for entry in store.entries(Filter(model="a\0b"))] == [one.entry.transaction_id]
