import pytest

from telemetry.key_shapes import SHAPES, is_words
from telemetry.redact import MARK, scrub
from tests.unit.telemetry.key_samples import ENCRYPTED_JWT, JWT, PEM, PGP, PREFIXED, TOO_SHORT, WORDS


@pytest.mark.parametrize("prefix", PREFIXED)
def test_a_key_of_each_shape_is_scrubbed(prefix: str) -> None:
    key = PREFIXED[prefix]
    for before, after in (("", ""), ('{"x": "', '"}'), ("line\\n", " "), ("a=%22", "%22"), ("(", ")")):
        clean = scrub(f"{before}{key}{after}")
        assert MARK in clean
        assert key[len(prefix) :][-20:] not in clean
        assert clean.startswith(before)


@pytest.mark.parametrize("text", [*TOO_SHORT.values(), *WORDS.values()])
def test_what_only_begins_like_a_key_stays(text: str) -> None:
    assert scrub(text) == text


@pytest.mark.parametrize("key", [JWT, ENCRYPTED_JWT, PEM, PGP])
def test_a_key_of_a_known_form_is_scrubbed_whole(key: str) -> None:
    assert scrub(f"see {key} after") == f"see {MARK} after"


def test_each_prefix_stands_in_the_table_once() -> None:
    prefixes = [shape.prefix for shape in SHAPES]
    assert len(prefixes) == len(set(prefixes))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("button-primary-2xl", True),
        ("formControlLabel_root", True),
        ("API_KEY_2", True),
        ("abcdefghijklmnopqrst", False),
        ("aB3dE6gH", False),
        ("proj-1234567890", False),
        ("-".join(["word"] * 40), False),
    ],
)
def test_words_are_told_from_what_is_random(text: str, words: bool) -> None:
    assert is_words(text) is words
    assert not words or all(is_words(text[:length]) for length in range(len(text)))
