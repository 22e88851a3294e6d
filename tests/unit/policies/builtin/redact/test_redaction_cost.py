"""No text makes redaction slow: the time goes with the length, whatever the text and however small its pieces."""

import time
from collections.abc import Callable

import pytest

from app.policies.builtin.redact.patterns import BUILTIN, custom_pattern
from app.policies.builtin.redact.stream_redactor import Detector, Redaction, StreamRedactor, redact
from telemetry.key_shapes import SHAPES
from tests.unit.policies.builtin.redact.redacting import CountsHeld, redact_json

ALL = Detector(Redaction(pattern, f"[{pattern.name.upper()}]") for pattern in BUILTIN.values())
HOSTILE = [
    *("(1", "1", "12 ", "123 456 ", "(+", "+1 ", "+49 12", "00 49 ", "0049 1", "0123 456 7", "01 23 45 67 89 "),
    *("555-123-4567 ", "555 123 4567 89 ", "4111 1111 ", "411 411 411 4111 ", "4111-411 ", "4" * 19 + " "),
    *(
        "a.b@",
        "a@a.",
        "a@b.png ",
        "git@b.co ",
        "é@",
        "%4",
        "x" * 64 + "@" + ("y" * 63 + ".") * 8 + "1 ",
        "a@" + "b." * 9,
    ),
    *("-eyJ", "eyJ", ".eyJa", "-eyJabcdefghijkl.", "eyJabcdefghijkl.abc ", "-----BEGIN ", "-----BEGIN PRIVATE KEY"),
    *("-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\n" + "QUJDREVG" * 200, "-----END PRIVATE KEY"),
    *("sk-", "sk-a ", "sk-abc.", "sk-abcdef12 ", "sk-abcdefghijklmno1-", "AKIA1 ", "12345678:AA", "1//0"),
    *(
        "password=",
        "password=a1 ",
        "key:",
        "key: bearer ",
        "key=a1b2c3d.e ",
        "secret=a.b1c2d3 ",
        "token=token=",
        "=",
        "::",
    ),
    *(
        "bearer ",
        "Bearer a1.",
        "basic YWJj.",
        "Basic abcd ",
        "://",
        "://:",
        "://a:b ",
        "://a:b1/",
        "://" + "a" * 64 + ":",
    ),
    *("sk_", "fw_", "SK0", "xoxb-", "SG.", "ya29.", "dapi0"),
]
_LESS, _TIMES = 300, 8
_SLACK = 3
"""What takes time in proportion to the square of the length takes 8 times as long as allowed without it."""


def seconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(2):
        started = time.thread_time()
        work()
        times.append(time.thread_time() - started)
    return min(times)


def cut(unit: str, length: int) -> str:
    return (unit * (length // len(unit) + 1))[:length]


def feed_by_character(text: str, detector: Detector) -> None:
    redactor = StreamRedactor(detector)
    for character in text:
        redactor.feed(character)
    redactor.flush()


def assert_linear(work: Callable[[int], object], length: int = _LESS) -> None:
    less, more = seconds(lambda: work(length)), seconds(lambda: work(_TIMES * length))
    assert more < max(less, 0.0005) * _TIMES * _SLACK


@pytest.mark.parametrize("unit", [*HOSTILE, *(shape.prefix for shape in SHAPES)])
def test_a_whole_text_takes_time_by_its_length(unit: str) -> None:
    assert_linear(lambda length: redact(cut(unit, length), ALL), 1000)
    assert seconds(lambda: redact(cut(unit, 16_000), ALL)) < 0.2


@pytest.mark.parametrize("unit", HOSTILE)
def test_a_stream_of_single_characters_takes_time_by_its_length(unit: str) -> None:
    assert_linear(lambda length: feed_by_character(cut(unit, length), ALL))


@pytest.mark.parametrize(
    "unit", ['"\\u0041"', "\\u0041", '["a","b"],', "1,", "123456,", '{"a":1},', '"\\', '"",', '"(']
)
def test_json_takes_time_by_its_length(unit: str) -> None:
    assert_linear(lambda length: redact_json(cut(unit, length), ALL), 1000)
    assert_linear(lambda length: redact_json('"' + cut(unit, length), ALL), 1000)


def test_what_a_custom_pattern_holds_back_is_not_searched_anew_for_each_character() -> None:
    pattern = custom_pattern("own", "x[a ]*;", 65_536, time_limit=30)
    detector = Detector([Redaction(pattern, "-"), Redaction(BUILTIN["email"], "-")])
    assert_linear(lambda length: feed_by_character("x" + "a" * length, detector), 4000)


def test_a_private_key_is_answered_at_its_first_line_and_holds_nothing_back() -> None:
    redactor = StreamRedactor(ALL)
    counting = CountsHeld(redactor)
    assert counting.feed("-----BEGIN PRIVATE KEY-----") == "[SECRET]"
    for _ in range(1000):
        assert counting.feed("\nQUJDREVGR0hJSktMTU5P") == ""
        assert counting.held == 0
    assert counting.feed("\n-----END PRIVATE KEY-----\nSo. ") == "\nSo. "
    assert redactor.take_replaced() == 1
