"""Texts that would hide something, or steer a reader's eye, are visible for what they are."""

import pytest

from app.unseen import inert


@pytest.mark.parametrize(
    ("text", "visible"),
    [
        ("plain text\n\twith lines\r\n", "plain text\n\twith lines\r\n"),
        ("\x1b[31mred\x1b]52;c;aGk=\x07", "␛[31mred␛]52;c;aGk=␇"),
        ("over\rwritten", "over␍written"),
        ("nul\x00 del\x7f c1\x9b", "nul␀ del␡ c1⟨U+009B⟩"),
        ("abc\u202edef\u2066ghi", "abc⟨U+202E⟩def⟨U+2066⟩ghi"),
        ("zero\u200bwidth\ufeff", "zero⟨U+200B⟩width⟨U+FEFF⟩"),
        ("half \ud83d of a pair", "half ⟨U+D83D⟩ of a pair"),
        ("tags \U000e0041\U000e0042", "tags ⟨U+E0041⟩⟨U+E0042⟩"),
        ("👩‍👩‍👧 क्षि naïve 漢字", "👩‍👩‍👧 क्षि naïve 漢字"),
    ],
)
def test_unseen_characters_become_signs(text: str, visible: str) -> None:
    assert inert(text) == visible
