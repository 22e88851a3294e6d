"""Compressed bodies: every coding, however it is cut, and nothing that stands for more than it may."""

import gzip
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from importlib import import_module
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.bodies import Bodies, Held
from app.bodies.decompression import STEP, ArrivingDecompression, Decompression, Undecodable, codings_of, known_codings
from app.errors import InvalidRequest, Overloaded, RequestTooLarge, UnsupportedEncoding
from app.gateway.body import decompressed
from tests.support import run

zstd = import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
MIB = 1024**2


def _bare_deflate(data: bytes) -> bytes:
    made = zlib.compressobj(wbits=-15)
    return made.compress(data) + made.flush()


COMPRESS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstd.compress, "deflate": zlib.compress}


def stacked(data: bytes, codings: tuple[str, ...]) -> bytes:
    for coding in codings:
        data = COMPRESS[coding](data)
    return data


def decoded(body: bytes, *codings: str, limit: int = 64 * MIB) -> bytes:
    decompression = Decompression(body, codings, limit)
    pieces = []
    while (piece := decompression.step()) is not None:
        assert len(piece) <= STEP
        pieces.append(piece)
    return b"".join(pieces)


@given(
    st.binary(max_size=3000), st.lists(st.sampled_from(sorted(COMPRESS)), max_size=3).map(tuple), st.integers(1, 200)
)
def test_what_was_compressed_comes_out(data: bytes, codings: tuple[str, ...], times: int) -> None:
    data *= times
    assert decoded(stacked(data, codings), *codings) == data


@pytest.mark.parametrize("coding", sorted(COMPRESS))
@pytest.mark.parametrize("size", [0, 1, STEP - 1, STEP, STEP + 1, 3 * MIB])
def test_sizes_round_a_step(coding: str, size: int) -> None:
    data = (bytes(range(256)) * (size // 256 + 1))[:size]
    assert decoded(COMPRESS[coding](data), coding) == data


def test_deflate_comes_bare_as_well() -> None:
    assert decoded(_bare_deflate(b"hello" * 100), "deflate") == b"hello" * 100


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_several_members_are_one_body(coding: str) -> None:
    compress = COMPRESS[coding]
    assert decoded(compress(b"one ") + compress(b"") + compress(b"two"), coding) == b"one two"
    with pytest.raises(InvalidRequest, match="more than 1000 pieces"):
        decoded(compress(b"") * 2000, coding)


@pytest.mark.parametrize("coding", sorted(COMPRESS))
def test_a_body_that_is_not_what_it_says_is_refused(coding: str) -> None:
    whole = COMPRESS[coding](b'{"model": "m"}' * 100)
    for broken in (b"{}", b"\x00" * 100, whole + b"rest", b"\xff" + whole):
        with pytest.raises(InvalidRequest, match=f"valid {coding}|middle of its {coding}"):
            decoded(broken, coding)
    for end in range(1, len(whole)):
        with pytest.raises(InvalidRequest):
            decoded(whole[:end], coding)


@pytest.mark.parametrize(
    "codings", [("gzip",), ("zstd",), ("deflate",), ("gzip", "gzip"), ("zstd", "gzip"), ("gzip", "zstd")]
)
def test_a_bomb_holds_no_more_than_the_limit(codings: tuple[str, ...]) -> None:
    body = stacked(bytes(100 * MIB), codings)
    assert len(body) < MIB
    tracemalloc.start()
    try:
        with pytest.raises(RequestTooLarge):
            decoded(body, *codings, limit=4 * MIB)
        assert tracemalloc.get_traced_memory()[1] < 12 * MIB
    finally:
        tracemalloc.stop()


def test_a_layer_between_is_bounded_as_well() -> None:
    """What comes out at the end may be little."""
    between = gzip.compress(b"x") + bytes(8 * MIB)
    with pytest.raises((RequestTooLarge, InvalidRequest)):
        decoded(gzip.compress(between), "gzip", "gzip", limit=MIB)
    skipped = b"\x50\x2a\x4d\x18" + (2 * MIB).to_bytes(4, "little") + bytes(2 * MIB)
    many = zstd.compress(zstd.compress(b"") + skipped)
    with pytest.raises((RequestTooLarge, InvalidRequest)):
        decoded(many, "zstd", "zstd", limit=MIB)


def test_a_window_of_zstd_is_bounded() -> None:
    options = {zstd.CompressionParameter.window_log: 25, zstd.CompressionParameter.content_size_flag: 0}
    compressor = zstd.ZstdCompressor(options=options)
    body = compressor.compress(bytes(64 * MIB)) + compressor.flush()
    with pytest.raises(InvalidRequest, match="not valid zstd"):
        decoded(body, "zstd")


@pytest.mark.parametrize(
    ("header", "codings"),
    [
        ("", ()),
        ("identity", ()),
        ("gzip", ("gzip",)),
        ("X-GZip", ("gzip",)),
        ("Zstd", ("zstd",)),
        ("gzip, identity ,zstd", ("gzip", "zstd")),
    ],
)
def test_a_header_names_codings(header: str, codings: tuple[str, ...]) -> None:
    assert codings_of({"content-encoding": header}) == codings


@pytest.mark.parametrize("header", ["br", "compress", "gzip, br", "gzip;q=1", "gzip,gzip,gzip,gzip", "\x1b[0m" * 1000])
def test_other_codings_are_refused_with_those_that_are_taken(header: str) -> None:
    with pytest.raises(UnsupportedEncoding) as raised:
        codings_of({"content-encoding": header})
    assert raised.value.accepted == "gzip, zstd, deflate"
    assert len(raised.value.message) < 300


def test_the_budget_counts_what_comes_out() -> None:
    async def main() -> None:
        bodies = Bodies(32 * MIB)
        for size, fits in ((MIB, True), (30 * MIB, False), (16 * MIB, True)):
            with Held(bodies) as held:
                raw = zstd.compress(bytes(size))
                held.grow(len(raw))
                if fits:
                    assert len(await decompressed(raw, ("zstd",), 64 * MIB, bodies, held)) == size
                    assert held.size == bodies.used == size
                else:
                    with pytest.raises(Overloaded):
                        await decompressed(raw, ("zstd",), 64 * MIB, bodies, held)
            assert bodies.used == 0
        bodies.close()

    run(main())


def arriving(body: bytes, cuts: list[int], *codings: str) -> bytes:
    """The body decoded as it comes in, in pieces that are cut at these positions."""
    decompression = ArrivingDecompression(codings)
    positions = sorted({0, *(cut % (len(body) + 1) for cut in cuts), len(body)})
    decoded_pieces = []
    for begin, end in pairwise(positions):
        decompression.feed(body[begin:end])
        while piece := decompression.step():
            assert len(piece) <= STEP
            decoded_pieces.append(piece)
    decompression.finish()
    while (piece := decompression.step()) is not None:
        decoded_pieces.append(piece)
    return b"".join(decoded_pieces)


@given(
    st.binary(max_size=3000),
    st.lists(st.sampled_from(sorted(COMPRESS)), min_size=1, max_size=3).map(tuple),
    st.integers(1, 200),
    st.lists(st.integers(0), max_size=6),
)
def test_a_body_that_comes_in_pieces_is_the_same_however_it_is_cut(
    data: bytes, codings: tuple[str, ...], times: int, cuts: list[int]
) -> None:
    data *= times
    assert arriving(stacked(data, codings), cuts, *codings) == data


def test_what_was_flushed_is_there_before_more_comes() -> None:
    made = zlib.compressobj(wbits=31)
    decompression = ArrivingDecompression(("gzip",))
    for event in (b"data: 1\n\n", b"data: 2\n\n"):
        decompression.feed(made.compress(event) + made.flush(zlib.Z_SYNC_FLUSH))
        assert decompression.step() == event
        assert decompression.step() == b""
    decompression.feed(made.flush())
    decompression.finish()
    assert decompression.step() is None


@pytest.mark.parametrize("coding", sorted(COMPRESS))
def test_one_that_stops_within_its_coding_is_undecodable(coding: str) -> None:
    body = COMPRESS[coding](b"some text" * 100)
    with pytest.raises(Undecodable, match=f"ends in the middle of its {coding}"):
        arriving(body[:-3], [], coding)
    with pytest.raises(Undecodable, match=f"is not valid {coding}"):
        arriving(b"\x1f?" + body[2:], [5], coding)


def test_little_that_stands_for_much_is_decoded_only_as_it_is_read() -> None:
    body = gzip.compress(bytes(64 * MIB))
    decompression = ArrivingDecompression(("gzip",))
    tracemalloc.start()
    decompression.feed(body)
    assert len(decompression.step() or b"") == STEP
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * MIB


def test_codings_are_known_by_their_names() -> None:
    assert known_codings("") == known_codings("identity") == ()
    assert known_codings("x-gzip, ZSTD") == ("gzip", "zstd")
    assert known_codings("br") is None
    assert known_codings("gzip, gzip, gzip, gzip") is None
