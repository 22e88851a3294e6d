"""A replay gives the recorded answer again, byte for byte and fault for fault, and refuses a changed request."""

import logging
from typing import Any

import pytest
from msgspec.structs import replace

from app.backends.replay import NotReplayable
from app.policies import PolicyNotLoadable
from app.recorder.recording import Body, Piece
from app.replay.comparison import compare
from app.replay.engine import replay
from app.settings import Count, PipelineSettings, PolicySpec, Settings
from tests.unit.replay.recorded import BEGINNING, END, body, event, recording

_AS_THEY_ARE = Settings()
_REDACTING = Settings(policies=(PolicySpec("redact"),))


def test_an_answer_comes_again_byte_for_byte() -> None:
    made = recording()
    replayed = replay(made, _AS_THEY_ARE)

    assert [replayed.recording.entry.outcome, replayed.recording.entry.status, replayed.differences] == ["ok", 200, ()]
    assert b"".join(piece.data for piece in replayed.recording.answer) == b"".join(piece.data for piece in made.answer)
    assert compare(made, replayed.recording).are_equal
    assert compare(made, replayed.recording).is_same


def test_its_pieces_come_at_their_times_divided_by_the_speed() -> None:
    replayed = replay(recording(), _AS_THEY_ARE, speed=10)

    first, *_, last = replayed.recording.answer
    assert 0.03 < first.at < 0.5
    assert 0.13 < last.at - first.at < 0.6


@pytest.mark.parametrize(
    ("changes", "outcome", "words"),
    [
        ({"detail": "no last word after 3 events"}, "upstream_error (upstream_truncated)", b"stopped before its end"),
        ({"detail": "ClientPayloadError: lost"}, "upstream_error (upstream_truncated)", b"stopped before its end"),
        ({"error_type": "upstream_timeout"}, "timeout (upstream_timeout)", b"The provider fell silent."),
        ({"error_type": "upstream_error", "status": 503}, "upstream_error", b""),
        (
            {"error_type": "upstream_unreachable", "status": None, "answer": (), "answer_size": 0},
            "upstream_error (upstream_unreachable)",
            b"could not be reached",
        ),
        ({"error_type": "cancelled", "outcome": "client_disconnect"}, "client_disconnect", b""),
    ],
)
def test_what_went_wrong_goes_wrong_again(changes: dict[str, Any], outcome: str, words: bytes) -> None:
    made = recording(BEGINNING, **{"error_type": "upstream_truncated", **changes})

    replayed = replay(made, _AS_THEY_ARE)

    assert compare(made, replayed.recording).outcomes[1] == outcome
    assert words in replayed.recording.answer[-1].data


def test_a_client_that_stopped_reading_stops_again() -> None:
    first = BEGINNING[:1]
    made = replace(recording(outcome="overflow"), answer=first, answer_size=len(first[0].data))
    settings = Settings(pipeline=PipelineSettings(queue_items=Count(1)))

    replayed = replay(made, settings)

    assert [replayed.recording.entry.outcome, replayed.recording.answer[0].data] == ["overflow", first[0].data]


def test_the_limit_in_the_words_of_an_overflow_is_no_difference() -> None:
    words = b'data: {"error": {"message": "The client did not read its stream within %b s."}}\n\n'
    then, now, other = [
        recording((*BEGINNING, Piece(2.0, words.replace(b"%b s", limit))), outcome="overflow")
        for limit in (b"30 s", b"0.05 s", b"its time")
    ]

    assert compare(then, now).is_same
    assert not compare(then, other).is_same


def test_policies_see_the_recorded_answer() -> None:
    replayed = replay(recording(), _REDACTING)

    comparison = compare(recording(), replayed.recording)
    assert not comparison.is_same
    assert [line.text for line in comparison.lines if line.kind == "added"] == ["Ask [EMAIL] "]
    assert replayed.recording.interventions[0].policy == "redact"


def test_the_same_text_in_other_events_is_not_the_same_answer() -> None:
    plain = tuple(Piece(0.5, event(text)) for text in ("Ask whoever sits at the desk today: the li", "brarian."))
    comparison = compare(recording(plain + END), replay(recording(plain + END), _REDACTING).recording)

    assert [comparison.is_same, comparison.reads_otherwise, comparison.lines] == [False, False, ()]


def test_a_request_that_is_another_one_is_refused() -> None:
    secret = body(messages=[{"role": "user", "content": "Mail bob@example.com"}])
    made = recording(asked=secret)
    refused = replay(made, _REDACTING)
    anyway = replay(made, _REDACTING, anyway=True)

    assert [refused.recording.entry.outcome, refused.recording.entry.status] == ["client_error", 400]
    assert [str(one) for one in refused.differences] == [
        "messages[0].content was 'Where is Ada?' and is 'Mail [EMAIL]'"
    ]
    assert b"This is not the request that was recorded: messages[0].content was" in refused.recording.answer[0].data
    assert [anyway.recording.entry.outcome, anyway.differences] == ["ok", refused.differences]


def test_no_line_is_left_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        replay(recording(BEGINNING, error_type="upstream_truncated"), _AS_THEY_ARE)

    assert [record for record in caplog.records if record.name != "asyncio"] == []


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (replace(recording(), attempts=()), "never came to a provider"),
        (recording(answer_size=9_999), "is incomplete: 9"),
        (replace(recording(), request=Body((), b"{}", 5)), "is incomplete: a part of the client's request"),
        (recording(asked=b"[]"), "is no request for a model's answer"),
        (recording(path="/else/where"), "was asked at a path that is not served here: /else/where"),
    ],
)
def test_what_cannot_be_replayed_says_why(made: Any, why: str) -> None:
    with pytest.raises(NotReplayable, match=why):
        replay(made, _AS_THEY_ARE)


def test_a_policy_that_is_not_there_is_named() -> None:
    with pytest.raises(PolicyNotLoadable):
        replay(recording(), Settings(policies=(PolicySpec("readct"),)))


def test_an_answer_in_odd_pieces_is_the_same_answer() -> None:
    whole = b"".join(piece.data for piece in BEGINNING + END)
    odd = tuple(Piece(0.2, whole[at : at + 7]) for at in range(0, len(whole), 7))

    assert compare(recording(odd), replay(recording(odd), _AS_THEY_ARE).recording).are_equal
