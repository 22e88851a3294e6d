import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.policies.builtin.redact.patterns import BUILTIN, custom_pattern
from app.policies.builtin.redact.stream_redactor import Detector, Redaction, StreamRedactor, redact
from tests.unit.policies.builtin.redact.redacting import CountsHeld

ALL = Detector(Redaction(pattern, f"[{pattern.name.upper()}]") for pattern in BUILTIN.values())
PEM = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIabc+/=\n-----END RSA PRIVATE KEY-----"


def custom(expression: str, max_length: int = 256) -> Detector:
    return Detector([Redaction(custom_pattern("custom", expression, max_length, time_limit=5), "<custom>")])


CUSTOM = {
    name: custom(expression, max_length)
    for name, expression, max_length in (
        ("employee", r"\bEMP-\d{4}\b", 256),
        ("endless", r"[ab]+", 5),
        ("optional tail", r"ab(?:c(?:de)?)?", 256),
        ("optional tail cut short", r"ab(?:c(?:de)*)?", 4),
        ("lazy", r"a.*?e", 6),
        ("alternatives", r"abc|b|cdea", 256),
        ("words", r"\b[a-e]+-[a-e]+\b", 7),
        ("case", r"(?i:AB)c", 256),
        ("starred inside", r"(?:a|b|ab)*d", 8),
    )
}

fragments = st.sampled_from(
    [
        *(
            "bob@example.org",
            "a.b+c@x.co.uk",
            "@",
            "x.or",
            "bob",
            "+49 170 1234567",
            "(555) 123-4567",
            "4111 1111 1111 1111",
        ),
        *(
            "5500005555555559",
            "12",
            "/26 ",
            "2024-01-01",
            "sk-proj-abcdefghijklmnop",
            "AKIAABCDEFGHIJKLMNOP",
            "sk-",
            PEM,
        ),
        *(
            "-----BEGIN ",
            "ghp_abcdefghijklmnopqrstuv",
            ".",
            ",",
            " ",
            "\n",
            "-",
            "word",
            "é",
            "日本語",
            "\U0010ffff",
            "0",
        ),
        *("password", "=", ": ", "hunter2", "Bearer ", "a1b2c3d4e5f6a7b8", "eyJhbGciOiJIUzI1NiJ9", "://", "user:"),
        *(
            "hf_",
            "AKIA",
            "12345678:AA",
            "-----END RSA PRIVATE KEY-----",
            "0049 170 12345",
            "git@",
            "@2x.png",
            "\\n",
            "%2",
        ),
    ]
)
texts = st.one_of(st.lists(fragments, max_size=8).map("".join), st.text("ab@.x0123456789 -+(", max_size=40))


@st.composite
def texts_in_pieces(draw: st.DrawFn, whole: st.SearchStrategy[str]) -> list[str]:
    text = draw(whole)
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=12)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def redact_pieces(pieces: list[str], detector: Detector) -> str:
    redactor = StreamRedactor(detector)
    return "".join(redactor.feed(piece) for piece in pieces) + redactor.flush()


@given(texts_in_pieces(texts))
@example(list("mail bob@x.co.uk. now"))
@example(list(f"key: {PEM} end"))
def test_however_a_text_is_cut_the_built_in_patterns_find_the_same(pieces: list[str]) -> None:
    assert redact_pieces(pieces, ALL) == redact("".join(pieces), ALL)


@pytest.mark.parametrize("name", CUSTOM)
@given(pieces=texts_in_pieces(st.one_of(st.text("abcde- \n", max_size=24), st.text("EMP-0123 ", max_size=24))))
def test_however_a_text_is_cut_own_patterns_find_the_same(name: str, pieces: list[str]) -> None:
    assert redact_pieces(pieces, CUSTOM[name]) == redact("".join(pieces), CUSTOM[name])


@given(texts)
def test_nothing_is_lost_or_said_twice(text: str) -> None:
    redactor = StreamRedactor(ALL)
    pieces = [piece for character in text for piece in redactor.pieces(character)] + redactor.pieces("", final=True)
    assert "".join(piece.original for piece in pieces) == text


@given(texts_in_pieces(st.text("ab", max_size=200)))
def test_what_is_held_is_bounded_by_the_longest_match(pieces: list[str]) -> None:
    redactor = CountsHeld(StreamRedactor(CUSTOM["endless"]))
    for piece in pieces:
        redactor.feed(piece)
        assert redactor.held < 5


@given(texts)
def test_after_prose_that_ends_with_a_space_nothing_is_held(text: str) -> None:
    redactor = CountsHeld(StreamRedactor(ALL))
    redactor.feed(text)
    redactor.feed(" this is plain; prose! ")
    assert redactor.held == 0 or "-----BEGIN " in text


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("Hello wor", 3),
        ("Hello world!", 0),
        ("Hello world ", 0),
        ("Hello world.\n", 0),
        ("日本語のテキスト", 0),
        ("it costs $", 0),
        ("call +49 ", 4),
        ("see the -----BEGI", 9),
        ("see the ---- ", 0),
        ("write to bob@example.or", 14),
    ],
)
def test_only_what_could_become_a_match_is_held(text: str, held: int) -> None:
    redactor = CountsHeld(StreamRedactor(ALL))
    redactor.feed(text)
    assert redactor.held == held


def test_a_word_too_long_to_start_an_address_is_let_go() -> None:
    redactor = CountsHeld(StreamRedactor(ALL))
    redactor.feed("x" * 1000)
    assert redactor.held <= 64


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("mail bob@x.org, please", "mail [EMAIL], please"),
        ("bob.smith+tag@mail.example.co.uk.", "[EMAIL]."),
        ("not an address: bob@localhost", "not an address: bob@localhost"),
        ("card 4111 1111 1111 1111 12/26", "card [CARD] 12/26"),
        ("12 4111-1111-1111-1111", "12 [CARD]"),
        ("card 4111111111111112 fails its check", "card 4111111111111112 fails its check"),
        ("pi is 3.4111111111111111", "pi is 3.4111111111111111"),
        ("+49 (170) 123 45 67", "[PHONE]"),
        ("call (555) 123-4567 2 times", "call [PHONE] 2 times"),
        ("1-555-123-4567", "[PHONE]"),
        ("06 12 34 56 78", "[PHONE]"),
        ("on 2024-01-01 10:30", "on 2024-01-01 10:30"),
        ("at 192.168.100.200", "at 192.168.100.200"),
        ("order 1234567890", "order 1234567890"),
        ("sk-ant-" + "a1" * 10, "[SECRET]"),
        ("(AKIAABCDEFGHIJKLMNOP)", "([SECRET])"),
        ("xoxb-1234567890-abcdef", "[SECRET]"),
        ("a risk-taking-and-long-word-indeed", "a risk-taking-and-long-word-indeed"),
        (PEM, "[SECRET]"),
        ("-----BEGIN PRIVATE KEY-----\nMIIabc", "[SECRET]"),
    ],
)
def test_what_the_built_in_patterns_mean(text: str, redacted: str) -> None:
    assert redact(text, ALL) == redacted


def test_a_match_longer_than_allowed_is_redacted_in_parts_and_not_let_through() -> None:
    assert redact("ab" * 6, CUSTOM["endless"]) == "<custom><custom><custom>"


@pytest.mark.parametrize(
    "text",
    ["1", "12 ", "123 456 ", "4111 1111 ", "a.b@", "-eyJ", "-eyJabcdefghijkl.", "-----BEGIN PRIVATE KEY", "sk-", "(+"],
)
def test_no_text_can_make_the_search_slow(text: str) -> None:
    long = text * (100_000 // len(text))
    started = time.process_time()
    redact(long, ALL)
    assert time.process_time() - started < 3


def test_replaced_matches_are_counted_once() -> None:
    redactor = StreamRedactor(ALL)
    redactor.feed("bob@x.org and eve@x.org ")
    assert (redactor.take_replaced(), redactor.take_replaced()) == (2, 0)


def test_a_redactor_is_as_new_after_a_flush() -> None:
    redactor = StreamRedactor(CUSTOM["employee"])
    assert redactor.feed("x") + redactor.flush() == "x"
    assert redactor.feed("EMP-1234") + redactor.flush() == "<custom>"


def test_a_pattern_that_explodes_is_stopped() -> None:
    exploding = Detector([Redaction(custom_pattern("custom", r"(?:a|a)*(?:a|a)*[cd]", 65_536, time_limit=0.05), "-")])
    with pytest.raises(TimeoutError):
        redact("a" * 5000 + "b", exploding)
