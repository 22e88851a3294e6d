"""The parts of a transaction's page: the axis of time, both sides' differences, bytes made legible."""

import json

import pytest
from msgspec.structs import replace

from app.console.transaction.raw import event_counts, legible, raw_events
from app.console.transaction.sides import answer_difference, request_difference
from app.console.transaction.waterfall import waterfall_of
from app.recorder.recording import Body, Piece, Recording
from app.transcripts.answers import read_answer
from app.transcripts.requests import read_request
from tests.agent_recordings import agents_conversation


def _recording() -> Recording:
    return agents_conversation()[-1]


def test_spans_lie_on_the_axis_by_their_times_and_within_each_other() -> None:
    waterfall = waterfall_of(_recording())

    rows = {row.label: row for row in waterfall.rows}
    assert [(row.label, row.depth) for row in waterfall.rows][:2] == [("chat claude-sonnet-5", 0), ("policy redact", 1)]
    assert (rows["chat claude-sonnet-5"].x, rows["chat claude-sonnet-5"].width) == (0.0, 100.0)
    assert rows["queue sse"].kind == "queue"
    assert rows["bytes to the client"].ticks[0].x == pytest.approx(100 * 0.812 / 6.1, abs=0.3)
    assert [at for _, at in waterfall.marks] == [0, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("duration", [0.0, 1e-7, 0.0035, 86_400.0])
def test_every_length_has_a_few_marks(duration: float) -> None:
    recording = _recording()
    entry = replace(recording.entry, duration_s=duration)
    waterfall = waterfall_of(replace(recording, entry=entry, spans=(), attempts=(), moments=()))

    assert 1 <= len(waterfall.marks) <= 13
    assert all(0 <= x <= 100 for x, _ in waterfall.marks)


def test_spans_that_have_each_other_for_a_parent_are_no_endless_loop() -> None:
    recording = _recording()
    spans = tuple(
        replace(span, parent_id=recording.spans[0].span_id, span_id=recording.spans[0].span_id)
        for span in recording.spans
    )

    assert waterfall_of(replace(recording, spans=spans)).rows


def test_what_a_policy_took_out_is_a_difference_of_the_conversation() -> None:
    recording = _recording()
    masked = recording.request.data.replace(b"New Year", b"[DATE]")
    (attempt,) = recording.attempts
    attempt = replace(attempt, request=Body(attempt.request.headers, masked, len(masked)))
    found = request_difference(recording, read_request("anthropic_messages", recording.request), attempt)

    changed = [(line.kind, line.text) for line in found.conversation if line.kind in ("added", "removed")]
    assert [kind for kind, _ in changed] == ["removed", "added"]
    assert "[DATE]" in changed[1][1]
    assert found.body


def test_another_api_of_the_provider_is_no_difference_of_the_conversation() -> None:
    recording = _recording()
    chat = {
        "model": "gpt",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
    }
    claude = {
        "model": "c",
        "max_tokens": 1,
        "system": "Be brief.",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
    }
    recording = replace(recording, request=Body(data=json.dumps(claude).encode()))
    attempt = replace(recording.attempts[0], api="openai_chat", request=Body(data=json.dumps(chat).encode()))
    found = request_difference(recording, read_request("anthropic_messages", recording.request), attempt)

    assert (found.is_known, found.is_same, found.conversation) == (True, False, ())


def test_an_answer_that_passed_untouched_is_said_to_be_so() -> None:
    recording = _recording()
    assert answer_difference(recording, read_answer(recording.answer)).is_same
    edited = tuple(replace(piece, data=piece.data.replace(b"Fixed", b"Mended")) for piece in recording.answer)
    found = answer_difference(replace(recording, answer=edited), read_answer(edited))

    assert not found.is_same
    assert [line.text[line.start : line.end] for line in found.texts if line.kind != "same"][:2] == ["Fixed", "Mended"]


def test_events_have_their_times_and_names() -> None:
    events, total = raw_events(_recording().answer, first=2, count=3)

    assert total == len(_recording().answer)
    assert [event.number for event in events] == [3, 4, 5]
    assert events[0].name == "content_block_start"
    assert events[0].since > 0


def test_kinds_of_events_are_counted_on_both_sides() -> None:
    recording = _recording()
    counts = {
        one.name: (one.received, one.sent) for one in event_counts(recording.attempts[0].answer, recording.answer[:4])
    }

    assert counts["message_start"] == (1, 1)
    assert counts["message_stop"] == (1, 0)


def test_a_body_that_is_no_stream_has_pieces() -> None:
    events, total = raw_events((Piece(0.5, b'{"a":'), Piece(0.7, b"1}")))

    assert (total, [event.name for event in events]) == (2, ["bytes", "bytes"])


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"a line\r\nwith red \x1b[0m in it", "a line\\r\nwith red \\x1b[0m in it"),
        ("é\u202e".encode(), "é\u202e"),
        (b"a\xffb bytes that are mostly text, and more", "a\\xffb bytes that are mostly text, and more"),
        (b"\x00\x01\x02A", f"000000  {'00 01 02 41':<47}  ...A"),
        (b"", ""),
    ],
)
def test_bytes_are_legible(data: bytes, text: str) -> None:
    assert legible(data) == text
