from typing import Any

from app.live_view.speech import (
    ConversationFound,
    Speech,
    SpeechEvent,
    TurnBegan,
    TurnEnded,
    TurnLost,
    decode_event,
    encode_event,
)
from app.live_view.transcript import Transcript


def began(turn: str = "a", agent: str | None = None) -> TurnBegan:
    return TurnBegan(turn=turn, at=1000.0, model="claude", agent=agent)


def speech(text: str, block: int = 0, turn: str = "a", **changes: Any) -> Speech:
    return Speech(**{"turn": turn, "block": block, "role": "assistant", "kind": "text", "text": text, **changes})


def ended(turn: str = "a", **changes: Any) -> TurnEnded:
    figures = {"duration_s": 12.34, "input_tokens": 4210, "cached_tokens": 3900, "output_tokens": 380}
    return TurnEnded(**{"turn": turn, "outcome": "ok", "cost_usd": 0.0123, **figures, **changes})


def written(*events: SpeechEvent, now: float = 0.0) -> str:
    transcript = Transcript()
    return "".join(transcript.add(event, now).plain for event in events)


def test_a_turn_is_written_as_it_is_said() -> None:
    text = written(
        ConversationFound(conversation="c1"),
        began(agent="x1"),
        speech("Fix it.", 0, role="user"),
        speech("Let me", 1, kind="thinking"),
        speech(" look.", 1, kind="thinking"),
        speech("I run it.\n", 2),
        speech('command="pytest"', 3, kind="call", name="Bash"),
        speech("3 failed", 4, kind="result", name="Bash"),
        ended(),
    )
    _, _, heading, *lines = text.splitlines()
    assert heading.endswith("claude  agent x1")
    assert lines == [
        "user Fix it.",
        "thinking Let me look.",
        "assistant I run it.",
        '→ Bash command="pytest"',
        "← Bash 3 failed",
        "── ok  12.3 s, 4,210 tokens in (3,900 from a cache), 380 out, $0.0123",
    ]


def test_a_failure_says_what_went_wrong() -> None:
    lines = written(began(), ended(outcome="upstream_error", detail="it was cut")).splitlines()
    assert lines[-2].startswith("── upstream_error  12.3 s")
    assert lines[-1] == "   it was cut"
    assert "the recorder kept nothing" in written(began(), TurnLost(turn="a"))


def test_lines_are_broken_between_words_wherever_pieces_end() -> None:
    transcript = Transcript(width=24)
    text = "".join(
        transcript.add(event, 0).plain
        for event in (began(), speech("one two "), speech("three four five"), speech("\n    indented"), ended())
    )
    lines = text.splitlines()[2:]
    assert [line.rstrip() for line in lines[:3]] == ["assistant one two three", "four five", "    indented"]


def test_a_turns_figures_stand_below_its_outcome_where_a_line_is_too_short() -> None:
    transcript = Transcript(width=40)
    text = transcript.add(began(), 0).plain + transcript.add(ended(), 0).plain
    _, _, outcome, *figures = text.splitlines()
    assert outcome == "── ok"
    assert max(map(len, figures)) <= 40
    assert " ".join(line.strip() for line in figures).startswith("12.3 s, 4,210 tokens in (3,900 from a cache)")


def test_thinking_is_dimmed() -> None:
    transcript = Transcript()
    transcript.add(began(), 0)
    assert "dim" in str(transcript.add(speech("hm", kind="thinking"), 0).spans)


def test_one_speaks_at_a_time_and_the_others_wait() -> None:
    other = (began("b"), speech("three", turn="b"))
    text = written(began("a"), speech("one"), *other, speech(" two"), ended(), ended("b"))
    lines = [line for line in text.splitlines() if line and not line.startswith("──")]
    assert lines == ["assistant one two", "assistant three"]


def test_who_is_silent_for_long_lets_others_speak_and_goes_on_afterwards() -> None:
    transcript = Transcript()
    events: list[tuple[SpeechEvent, float]] = [
        (began("a"), 0.0),
        (speech("one"), 0.0),
        (began("b"), 1.0),
        (speech("three", turn="b"), 1.0),
    ]
    text = "".join(transcript.add(event, now).plain for event, now in events)
    assert "three" not in text
    text = transcript.pause(9.0).plain
    text += "".join(transcript.add(event, 9.5).plain for event in (ended("b"), speech("two"), ended("a")))
    assert text.index("three") < text.index("goes on") < text.index("two")


def test_what_a_console_repeats_after_it_was_away_is_written_once() -> None:
    assert written(began(), speech("one"), ended(), began(), speech("one"), ended()).count("one") == 1


def test_hostile_content_is_inert() -> None:
    hostile = "\x1b]52;c;aGVsbG8=\x07\x1b[2J\u202egpj.exe\x9b31m"
    text = written(
        ConversationFound(conversation=hostile),
        began(agent=hostile),
        speech(hostile, role=hostile),
        speech(hostile, 1, kind="call", name=hostile),
        ended(detail=hostile, outcome="timeout"),
    )
    assert not set(text) & set("\x1b\x07\x9b\u202e")
    assert "␛]52;c;aGVsbG8=" in text


def test_events_are_the_same_after_their_way() -> None:
    for event in (ConversationFound(conversation="c"), began(), speech("x"), ended(), TurnLost(turn="a")):
        assert decode_event(encode_event(event)) == event
