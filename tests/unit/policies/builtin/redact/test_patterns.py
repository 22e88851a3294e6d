import pytest

from app.policies.builtin.redact.patterns import UnfitPattern, custom_pattern
from app.policies.builtin.redact.stream_redactor import Detector, Redaction, redact


@pytest.mark.parametrize(
    "expression",
    [
        *("^start", "end$", r"\Astart", r"end\Z", r"in\bside", r"a(?=b)", r"a(?!b)", r"(?<=a)b", r"(?<!a)b"),
        *(r"(a)\1", r"(?P<x>a)(?P=x)", "(?i)abc", "a*", "(?:)", "", r"\b", "(", "[a", "a**", r"(?R)", "(*F)a"),
    ],
)
def test_a_pattern_that_cannot_be_searched_for_in_a_stream_is_refused(expression: str) -> None:
    with pytest.raises(UnfitPattern):
        custom_pattern("own", expression, 100, 1)


@pytest.mark.parametrize(
    "expression",
    [r"\bEMP-\d{6}\b", "[$^]x", r"\$\^", "(?i:abc)", "(?P<name>a)b", r"[\]^]a", r"\\bc", r"a{2,3}?b", r"\p{Lu}+x"],
)
def test_a_fit_pattern_is_taken(expression: str) -> None:
    assert custom_pattern("own", expression, 100, 1).name == "own"


def test_a_word_boundary_at_an_end_counts_for_the_whole_pattern() -> None:
    detector = Detector([Redaction(custom_pattern("own", r"\ba|b\b", 100, 1), "-")])
    assert redact("a b ax xa bx xb axb", detector) == "- - ax xa bx xb axb"


def test_an_escaped_backslash_before_b_is_no_word_boundary() -> None:
    detector = Detector([Redaction(custom_pattern("own", r"x\\b", 100, 1), "-")])
    assert redact(r"x\b x\bc", detector) == "- -c"
