"""The beginnings of texts."""

from app.console.texts import excerpt


def test_an_excerpt_is_one_short_line() -> None:
    assert excerpt("  two\n\n  words ", 20) == "two words"
    assert excerpt("abcdefghij", 10) == "abcdefghij"
    assert excerpt("abcdefghijk", 10) == "abcdefghi…"
    assert len(excerpt("word " * 1_000_000, 10)) <= 10
