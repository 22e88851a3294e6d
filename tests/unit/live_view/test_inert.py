from hypothesis import given
from hypothesis import strategies as st

from app.live_view.inert import inert, inert_lines


@given(st.text())
def test_a_line_has_nothing_that_commands_a_terminal_and_keeps_its_length(text: str) -> None:
    visible = inert(text)
    assert len(visible) == len(text)
    assert all(character.isprintable() or character in "\u200d " or character.isspace() for character in visible)
    assert not set(visible) & set("\x1b\x9b\n\r\x07\u202e\u2066\u200f")


def test_what_was_there_can_be_seen() -> None:
    assert inert("\x1b[2Ja\x00\x7f\u202eb") == "␛[2Ja␀␡\ufffdb"
    assert inert("Grüße 日本 🎉") == "Grüße 日本 🎉"


def test_lines_stay_apart() -> None:
    assert inert_lines("a\r\n\tb\rc\x1b") == "a\n    b␍c␛"
