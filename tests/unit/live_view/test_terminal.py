from io import StringIO

import pytest
from rich.console import Console

from app.live_view.screen import draw
from app.live_view.terminal import draws_unicode, has_screen, in_ascii
from tests.unit.live_view.frames import picture


@pytest.mark.parametrize(
    ("encoding", "environment", "expected"),
    [
        ("utf-8", {}, True),
        ("UTF8", {"LANG": "en_US.UTF-8"}, True),
        ("utf-8", {"LANG": "C.UTF-8"}, True),
        # Python writes UTF-8 here, and sets LC_CTYPE itself.
        ("utf-8", {"LANG": "C", "LC_CTYPE": "C.UTF-8"}, False),
        ("utf-8", {"LC_ALL": "POSIX"}, False),
        ("iso8859-1", {"LANG": "de_DE"}, False),
        ("ascii", {}, False),
    ],
)
def test_more_than_ascii_is_for_terminals_that_can_be_expected_to_show_it(
    encoding: str, environment: dict[str, str], expected: bool
) -> None:
    assert draws_unicode(encoding, environment) is expected


def test_a_picture_in_ascii_has_the_same_lines() -> None:
    drawn = draw(picture(), 80, 24)
    before = drawn.plain
    ascii = in_ascii(drawn).plain
    assert ascii.isascii()
    assert [len(line) for line in ascii.split("\n")] == [len(line) for line in before.split("\n")]
    assert "?" not in ascii


def test_a_dumb_terminal_and_a_pipe_have_no_screen() -> None:
    def console(term: str, *, is_terminal: bool) -> Console:
        return Console(file=StringIO(), force_terminal=is_terminal, _environ={"TERM": term})

    assert has_screen(console("xterm-256color", is_terminal=True))
    assert not has_screen(console("dumb", is_terminal=True))
    assert not has_screen(console("xterm-256color", is_terminal=False))
