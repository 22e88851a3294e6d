"""A mask stands for any text, and nothing else does."""

import pytest

from app.recorder.masks import is_same_behind_masks


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("mail *** now", "mail [EMAIL] now", True),
        ("mail [EMAIL] now", "mail ***** now", True),
        ("*** and ***", "a and b and c", True),
        ("***", "", True),
        ("mail *** now", "mail bob@example.com then", False),
        ("ab***ba", "aba", False),
        ("a **bold** word", "a **brave** word", False),
        ("same", "same", True),
        ("one", "other", False),
    ],
)
def test_texts_are_compared_where_neither_is_masked(one: str, other: str, same: bool) -> None:
    assert is_same_behind_masks(one, other) is same
