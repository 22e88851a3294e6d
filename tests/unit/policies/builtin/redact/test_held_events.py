"""What goes on of a text is that of the redactor alone, and an event that came goes on only where it says just that."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.messages import Choice, Message, ModelResponse
from app.policies.builtin.redact.held_events import Certain, HeldEvents
from app.policies.builtin.redact.patterns import BUILTIN
from app.policies.builtin.redact.stream_redactor import Detector, Redaction, StreamRedactor, redact

ALL = Detector(Redaction(pattern, f"[{pattern.name.upper()}]") for pattern in BUILTIN.values())
PEM = "-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----"
PIECES = ["a", " word", "bob", "@", "x.org", " ", ". ", "+49 170", " 1234567", "12", "sk-", "é", PEM[:30], PEM[30:]]
PIECES += ["x" * 70, "it is well known, and said by all, that "]


def event(text: str) -> ModelResponse:
    return ModelResponse(choices=(Choice(delta=Message(content=text)),))


def text_of(one: ModelResponse | str) -> str:
    return one if isinstance(one, str) else str(one.choices[0].delta and one.choices[0].delta.content)


def take(held: HeldEvents, one: ModelResponse) -> Certain:
    return held.take(one, text_of(one), held.redactor.pieces(text_of(one)))


@given(st.lists(st.sampled_from(PIECES), max_size=30))
def test_what_goes_on_is_the_redacted_text(texts: list[str]) -> None:
    held = HeldEvents(StreamRedactor(ALL))
    out = [one for text in texts for one in take(held, event(text))] + held.flush()
    assert "".join(map(text_of, out)) == redact("".join(texts), ALL)


@given(
    st.lists(st.sampled_from(["The", " fox", " jumps", ",", " and", " so", " on", ".", "\n\n", " It's"]), max_size=40)
)
def test_where_nothing_is_found_all_events_go_on_in_their_order(texts: list[str]) -> None:
    held = HeldEvents(StreamRedactor(ALL))
    came = [event(text) for text in texts]
    out = [one for each in came for one in take(held, each)] + held.flush()
    assert [id(one) for one in out] == [id(one) for one in came]


def test_an_event_waits_for_its_last_word_and_no_longer() -> None:
    held = HeldEvents(StreamRedactor(ALL))
    first, second = event("The quick"), event(" fox!")
    assert take(held, first) == []
    assert take(held, second) == [first, second]


def test_what_stood_before_a_match_goes_on_with_it_and_what_stands_behind_it_in_its_event() -> None:
    held = HeldEvents(StreamRedactor(ALL))
    behind = event(" and Eve. ")
    assert [one for text in ("to bob", "@x.org") for one in take(held, event(text))] == []
    assert take(held, behind) == ["to [EMAIL]", behind]


@pytest.mark.parametrize("count", [16, 17, 60])
def test_a_long_word_in_many_events_goes_on_as_these_or_as_one_text(count: int) -> None:
    held = HeldEvents(StreamRedactor(ALL))
    out = [one for _ in range(count) for one in take(held, event("x"))] + held.flush()
    assert "".join(map(text_of, out)) == "x" * count
    assert (len(out) == count) is (count <= 16)


def test_it_is_as_new_after_a_flush() -> None:
    held = HeldEvents(StreamRedactor(ALL))
    one, other = event("bob"), event("@x.org.")
    assert take(held, one) + held.flush() == [one]
    assert take(held, other) + held.flush() == [other]
