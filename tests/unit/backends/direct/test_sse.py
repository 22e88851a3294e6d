from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from app.backends.direct.sse import EventReader, Item, items_of

_PIECES = st.sampled_from(
    (
        *(b"data: x\n\n", b"data:x\n", b"data: \n\n", b"\n", b"\r", b"\r\n", b": c\n\n", b"event: e\ndata: {}\n\n"),
        *(b"event: e\n", b"id: 1\n", b"data: \xc3\xa9\n\n", b"\xef\xbb\xbf", b"junk", b"data", b"retry: 5\r\n\r\n"),
    )
)
_BODIES = st.lists(_PIECES, max_size=12).map(b"".join)


def read(*pieces: bytes, limit: int = 1000) -> list[Item]:
    reader = EventReader(limit)
    rows = [row for piece in pieces for row in reader.feed(piece)]
    return items_of([*rows, *reader.finish()])


def events_of(*pieces: bytes) -> list[tuple[bytes, bytes]]:
    return [(name, data) for _, name, data in read(*pieces)]


@given(_BODIES, st.lists(st.integers(0, 200), max_size=6))
def test_events_are_the_same_and_complete_however_the_bytes_are_split(body: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    pieces = [body[start:end] for start, end in pairwise(edges)]
    items = read(*pieces)
    assert items == read(body) == read(*(bytes([byte]) for byte in body))
    assert b"".join(raw for raw, _, _ in items) == body


@given(st.lists(st.sampled_from([b"data: x", b"data: {}", b"event: e\ndata: y", b": c"]), max_size=8))
def test_line_ends_of_every_kind_mean_the_same(blocks: list[bytes]) -> None:
    body = b"".join(block + b"\n\n" for block in blocks)
    assert events_of(body) == events_of(body.replace(b"\n", b"\r\n")) == events_of(body.replace(b"\n", b"\r"))


def test_each_event_has_its_name_and_its_data() -> None:
    assert events_of(b"data: a\n\nevent: b\ndata: c\n\ndata:d\n\n") == [(b"", b"a"), (b"b", b"c"), (b"", b"d")]


def test_plain_events_that_are_framed_alike_are_one_row() -> None:
    reader = EventReader(1000)
    reader.feed(b"data: first\n\n")
    assert reader.feed(b"data: x\n\n") == [(b"data: x\n\n", b"", [b"x"])]
    named = b"event: e\ndata: x\n\nevent: e\ndata: \n\n"
    assert reader.feed(named + b"data: y\n\ndata: ") == [(named, b"e", [b"x", b""]), (b"data: y\n\n", b"", [b"y"])]
    assert reader.feed(b"z\n\ndata: z\n\n") == [(b"data: z\n\ndata: z\n\n", b"", [b"z", b"z"])]


def test_an_event_that_is_framed_otherwise_is_a_row_of_its_own() -> None:
    plain = b"data: a\n\n"
    for odd in (b"data:a\n\n", b": c\n\n", b"event: e\ndata: a\ndata: b\n\n", b"event: e\n: c\n\n", b"event: e\n\n"):
        reader = EventReader(1000)
        reader.feed(plain)
        assert [raw for raw, _, _ in reader.feed(plain + plain + odd + plain)] == [plain + plain, odd, plain]
    with_cr = EventReader(1000)
    assert [raw for raw, _, _ in with_cr.feed(plain + plain + b"data: a\r\n\n")][:2] == [plain, plain]


def test_several_data_lines_are_joined_by_a_newline() -> None:
    assert events_of(b"data: a\ndata: b\ndata:\n\n") == [(b"", b"a\nb\n")]


def test_a_bom_and_comments_before_the_first_event_belong_to_it() -> None:
    body = b"\xef\xbb\xbf: wait\n\n: wait\n\ndata: a\n\n"
    assert read(body) == [(body, b"", b"a")]


def test_a_comment_between_events_is_an_item_without_data() -> None:
    assert read(b"data: a\n\n: alive\n\ndata: b\n\n")[1] == (b": alive\n\n", b"", b"")


def test_a_last_event_without_its_blank_line_counts() -> None:
    assert events_of(b"data: a\n\ndata: b") == [(b"", b"a"), (b"", b"b")]
    assert events_of(b"data: a\n\ndata: b\r") == [(b"", b"a"), (b"", b"b")]


def test_what_is_left_at_the_end_comes_as_an_item_without_data() -> None:
    assert read(b"data: a\n\n\n\n \n")[-1] == (b"\n\n \n", b"", b"")


def test_an_event_above_the_limit_ends_the_reading_after_the_events_before_it() -> None:
    for pieces in ([b"data: a\n\ndata: " + b"x" * 2000], [b"data: a\n\n", *[b"data: xxxxxxxx"] * 200]):
        reader = EventReader(1000)
        assert [row[2] for piece in pieces for row in reader.feed(piece)] == [[b"a"]]
        assert reader.too_large


def test_an_event_above_the_limit_is_refused_even_when_it_is_whole() -> None:
    reader = EventReader(1000)
    assert reader.feed(b"data: a\n\ndata: " + b"x" * 2000 + b"\n\ndata: b\n\n")[0][2] == [b"a"]
    assert reader.too_large


def test_many_events_in_one_piece_are_not_one_large_event() -> None:
    reader = EventReader(1000)
    assert len(reader.feed(b"data: a\n\n" * 500)) == 500
    assert not reader.too_large


def test_a_giant_event_in_small_pieces_takes_linear_time() -> None:
    reader = EventReader(4 * 1024**2)
    pieces = [b"data: ", *[b"x" * 64] * 60_000, b"\n\n"]
    assert sum(len(reader.feed(piece)) for piece in pieces) == 1
