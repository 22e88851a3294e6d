"""Characters that nobody sees, made visible, so that a page hides nothing and steers no reader's eye. Pure.

HTML is no concern of this module: templates escape all they are given. What is left are controls (a terminal's
escapes), changes of direction, which let a text read otherwise than it is, and characters without a picture, in which
instructions to a model are smuggled.
"""

import re

_UNSEEN = re.compile(
    "\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028\u2029\u202a-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)


def inert(text: str) -> str:
    """The text with a visible sign for each character that is unseen; line ends and tabs stay."""
    return _UNSEEN.sub(_sign, text)


def _sign(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"⟨U+{code:04X}⟩"
