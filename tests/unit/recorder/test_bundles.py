"""A bundle gives back what was put into it, byte for byte, and one that cannot be read is refused by name."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.recorder.bundles import BundleRefused, decode_bundle, encode_bundle, read_bundle
from app.recorder.recording import Body, Intervention, Moment, Piece, RecordedSpan, TokenCounts
from tests.unit.recorder.built import attempt, recording


@given(st.lists(st.binary(max_size=40), max_size=4), st.binary(max_size=40), st.text(max_size=20))
def test_bytes_and_texts_come_back_as_they_were(pieces: list[bytes], body: bytes, detail: str) -> None:
    answer = tuple(Piece(at / 10, data) for at, data in enumerate(pieces))
    head = (("content-type", "application/json"),)
    made = replace(
        recording(attempt(answer=answer, request=Body(head, body, len(body))), detail=detail),
        request=Body(head, body, 9),
        answer=answer,
        interventions=(Intervention("redact", "on_request", "redacted", 0.1),),
        moments=(Moment(0.1, "queue.high_water", {"flowspan.queue.percent": 80}),),
        spans=(RecordedSpan("POST", "server", "1", "", began=0.0, ended=1.0, events=(Moment(0.5, "x"),)),),
        time={"upstream": 1.5},
    )

    assert decode_bundle(encode_bundle([made, made]), "b") == (made, made)


def test_a_person_can_read_it() -> None:
    made = recording(attempt(tokens=TokenCounts(input=3)), error_type="upstream_truncated")
    text = encode_bundle([made]).decode()

    assert '"explanation": "openai/gpt-5 stopped sending' in text
    assert '[0.5,"data: {\\"a\\": 1}\\n\\n"]' in text
    assert json.loads(text)["format"] == "flowspan-bundle"


def _changed(**changes: object) -> bytes:
    return json.dumps({**json.loads(encode_bundle([recording(attempt())])), **changes}).encode()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "x.json is no bundle: it is not JSON"),
        (b"\xff\xfe", "x.json is no bundle: it is not JSON"),
        (b"[" * 100_000, "x.json is no bundle: it is not JSON (it is nested too deeply)"),
        (b"[]", "x.json is no bundle: it has no `format` of 'flowspan-bundle'"),
        (_changed(version=7), "x.json is a bundle of version 7; this Flowspan reads version 1"),
        (_changed(version="9" * 999), "x.json is a bundle of version '9999"),
        (_changed(recordings=[]), "x.json is broken: `recordings` is no list with at least one recording"),
        (_changed(recordings=[1]), "x.json is broken: recordings[0] has no `recording`"),
        (_changed(recordings=[{"recording": {"version": 2}}]), "recordings[0] is a recording of version 2"),
        (
            encode_bundle([recording(attempt())]).replace(b'"duration_s": 12.5', b'"duration_s": "long"'),
            "x.json is broken: recordings[0] Expected `float`, got `str` - at `$.entry.duration_s`",
        ),
        (
            encode_bundle([recording(attempt())]).replace(b"[0.5,", b"[0.5,{},"),
            "x.json is broken: recordings[0] has a body of an unknown form",
        ),
        (
            encode_bundle([recording(attempt(answer=(Piece(0.0, b"\xff"),)))]).replace(b"/w==", b"/w=!"),
            "x.json is broken: recordings[0] ",
        ),
    ],
)
def test_what_is_no_bundle_is_refused_by_name(data: bytes, reason: str) -> None:
    with pytest.raises(BundleRefused) as refused:
        decode_bundle(data, "x.json")

    assert str(refused.value).startswith(reason) or reason in str(refused.value)
    assert len(str(refused.value)) < 500


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleRefused, match=r"missing\.json cannot be read: No such file or directory"):
        read_bundle(tmp_path / "missing.json")
