"""A view of a list is its address: what the form's fields mean, and which pages follow."""

from urllib.parse import parse_qsl

import pytest

from app.console.queries import BadQuery, cursor_of, filter_of, next_page, with_fields
from app.recorder.stores import Cursor, Filter

NOW = 1_000_000.0


def test_the_fields_of_the_form_are_the_filter() -> None:
    query = {
        "q": " rate limit ",
        "model": "chat",
        "key": "alice",
        "team": "",
        "outcome": "failures",
        "intervened": "1",
        "pinned": "0",
        "cost": "$0.05",
        "since": "1h",
    }
    assert filter_of(query, NOW) == Filter(
        text="rate limit",
        model="chat",
        key="alice",
        outcome="failures",
        intervened=True,
        least_cost_usd=0.05,
        since=NOW - 3600,
    )
    assert filter_of({}, NOW) == Filter()


@pytest.mark.parametrize("query", [{"outcome": "nice"}, {"cost": "much"}, {"since": "yesterday"}, {"until": "99999-1"}])
def test_a_field_that_cannot_be_read_is_named(query: dict[str, str]) -> None:
    with pytest.raises(BadQuery):
        filter_of(query, NOW)


@pytest.mark.parametrize("id", ["abc", "with ~ tilde & amp", "ünï 🎉", ""])
def test_the_link_to_the_next_page_keeps_the_view(id: str) -> None:
    cursor = Cursor(1764460800.123457, id)
    query = dict(parse_qsl(next_page({"model": "chat", "q": "", "after": "1.0~old"}, cursor), keep_blank_values=True))

    assert cursor_of(query) == cursor
    assert {name: value for name, value in query.items() if name != "after"} == {"model": "chat"}
    assert with_fields(query, model="") == ""


def test_a_broken_link_is_told() -> None:
    assert cursor_of({}) is None
    for after in ("soon~abc", "nan~abc", "inf~x"):
        with pytest.raises(BadQuery):
            cursor_of({"after": after})
