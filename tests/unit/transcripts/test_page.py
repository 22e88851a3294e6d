"""The page of a recording holds all of it as text, whatever that is, and needs nothing else."""

import re

from app.recorder.recording import Body, Piece
from app.transcripts.page import page
from tests.unit.recorder.built import attempt, recording

_HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)> \u202egnp.exe \U000e0041 \x1b[2J {{ 7 * 7 }} </pre>"


def test_nothing_that_was_recorded_is_live() -> None:
    hostile = _HOSTILE.encode()
    body = Body((("x-odd", _HOSTILE),), hostile, len(hostile))
    bad = attempt(deployment=_HOSTILE, model=_HOSTILE, request=body, answer=(Piece(0.1, hostile),))
    made = recording(bad, path=_HOSTILE, model=_HOSTILE, key=_HOSTILE, answer=(Piece(0.2, hostile),), request=body)

    written = page([made, made])

    assert "&lt;script&gt;alert(1)" in written
    assert not re.search(r"<(script|img|iframe|object|a|form|link)\b", written)
    assert "\u202e" not in written
    assert "⟨U+202E⟩gnp.exe" in written
    assert "{{ 7 * 7 }}" in written
    assert "\x1b" not in written
    assert "\U000e0041" not in written


def test_it_asks_nobody_and_allows_nothing() -> None:
    written = page([recording(attempt())])

    assert "default-src 'none'" in written
    assert not re.search(r"(src|href|action)=", written)


def test_a_long_body_is_cut_with_a_note() -> None:
    long = b"a" * (3 * 1024**2)

    assert "[1048576 characters more]" in page([recording(request=Body((), long, len(long)))])
