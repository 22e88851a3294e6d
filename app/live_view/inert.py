"""Texts of strangers for a terminal: what would command it, or turn a line about, is shown and never passed on."""

import unicodedata

_REPLACED = "\N{REPLACEMENT CHARACTER}"
_FIRST_PICTURE = 0x2400
_DELETE = 0x7F
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINERS = "\N{ZERO WIDTH JOINER}"


class _Visible(dict[int, str]):
    """A table for `str.translate`, filled as characters are met: one for one, so that styles keep their place."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if code < ord(" "):
            visible = chr(_FIRST_PICTURE + code)
        elif code == _DELETE:
            visible = chr(_FIRST_PICTURE + 0x21)
        elif character not in _JOINERS and unicodedata.category(character) in _UNSEEN:
            visible = _REPLACED
        else:
            visible = character
        self[code] = visible
        return visible


_LINE = _Visible()
_TEXT = _Visible({ord("\n"): "\n", ord("\t"): "    "})


def inert(text: str) -> str:
    """One line: control characters as their pictures, those that change the direction of writing as a mark. As long as
    it was."""
    return text if text.isascii() and text.isprintable() else text.translate(_LINE)


def inert_lines(text: str) -> str:
    """A text of several lines without what commands a terminal. Lines stay apart; a tab is four spaces."""
    return text.replace("\r\n", "\n").translate(_TEXT)
