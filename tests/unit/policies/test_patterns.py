import pytest

from app.policies.builtin.patterns import UnfitPattern, own_pattern


@pytest.mark.parametrize(
    "expression",
    [
        *("^start", "end$", r"\Astart", r"end\Z", r"in\bside", r"a(?=b)", r"a(?!b)", r"(?<=a)b", r"(?<!a)b"),
        *(r"(a)\1", r"(?P<x>a)(?P=x)", "(?i)abc", "a*", "(?:)", "", r"\b", "(", "[a", "a**", r"(?R)", "(*F)a"),
    ],
)
def test_a_pattern_that_cannot_be_searched_for_in_a_stream_is_refused(expression: str) -> None:
    with pytest.raises(UnfitPattern):
        own_pattern("own", expression, 100, 1)


@pytest.mark.parametrize(
    "expression",
    [r"\bEMP-\d{6}\b", "[$^]x", r"\$\^", "(?i:abc)", "(?P<name>a)b", r"[\]^]a", r"\\bc", r"a{2,3}?b", r"\p{Lu}+x"],
)
def test_a_fit_pattern_is_taken(expression: str) -> None:
    assert own_pattern("own", expression, 100, 1).name == "own"


def test_a_word_boundary_at_an_end_counts_for_the_whole_pattern() -> None:
    pattern = own_pattern("own", r"\ba|b\b", 100, 1)
    assert (pattern.before, pattern.body, pattern.after) == (r"\b", "a|b", r"\b")


def test_an_escaped_backslash_before_b_is_no_word_boundary() -> None:
    assert own_pattern("own", r"x\\b", 100, 1).body == r"x\\b"
