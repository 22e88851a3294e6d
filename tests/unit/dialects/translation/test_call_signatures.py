"""Gemini's signatures on their way behind the ids of calls."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.dialects.translation.call_signatures import LONGEST, SignedId, split, split_litellm, with_signature
from app.messages import ToolCall

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)


@given(st.from_regex(r"[a-zA-Z0-9_-]{0,40}", fullmatch=True), _TEXTS)
def test_any_signature_comes_back_and_its_id_is_legal(id: str, signature: str) -> None:
    signed = with_signature(ToolCall(id=id, thought_signature=signature))
    assert re.fullmatch(r"[a-zA-Z0-9_-]+", signed)
    assert split(signed) == SignedId(id, signature)


@given(st.text(max_size=100))
def test_an_id_of_anybody_elses_stays_as_it_is(id: str) -> None:
    assert split(id) == SignedId(id, None) or "__signed_" in id


def test_what_is_no_signature_behind_the_mark_is_part_of_the_id() -> None:
    assert split("call__signed_!") == SignedId("call__signed_!", None)
    assert split("call__signed__w") == SignedId("call__signed__w", None)


def test_a_signature_of_any_length_would_be_no_id() -> None:
    assert with_signature(ToolCall(id="a", thought_signature="s" * (LONGEST + 1))) == "a"


@pytest.mark.parametrize(
    ("id", "parts"), [("call_1__thought__a+/=", ("call_1", "a+/=")), ("call_1", ("call_1", None)), (None, (None, None))]
)
def test_litellm_has_it_in_the_id_too(id: str | None, parts: tuple[str | None, str | None]) -> None:
    assert split_litellm(id) == parts
