"""What became of an act, as lines for a terminal that no text of others commands."""

from typing import Any

from app.admin import tables
from app.admin.tables import TABLES, duration, table

KEY: dict[str, Any] = {
    "id": "3a5705eb",
    "name": "ci",
    "team": None,
    "labels": {},
    "expires": None,
    "expired": False,
    "revoked": False,
    "models": ["gpt-*"],
    "policies": [],
    "priority": 0,
    "limits": {"requests_per_minute": 60},
    "budgets": [{"usd": 5.0, "per": "day"}],
    "requests": 3,
    "tokens": 12,
    "cost_usd": 0.25,
}
BREAKER = {"breaker": "east", "state": "open", "reason": "forced", "seconds_left": None, "forced": True}


def test_columns_are_as_wide_as_what_is_in_them() -> None:
    lines = list(table({"a": lambda row: row["a"], "name": lambda row: row["b"]}, [{"a": "long", "b": 1}]))
    assert lines == ["a     name", "long  1"]
    assert list(table({"a": lambda row: row["a"]}, [])) == ["none"]


def test_texts_of_others_command_no_terminal() -> None:
    hostile = "\x1b]0;owned\x07\n\u202e"
    lines = list(tables.keys({"keys": [{**KEY, "name": hostile, "team": hostile}]}))
    assert len(lines) == 3
    assert not any(character in "".join(lines) for character in "\x1b\x07\n\u202e")
    text = "".join(tables.reloaded({"generation": 1, "changed": [hostile], "needs_restart": [], "warnings": []}))
    assert "\x1b" not in text


def test_a_long_text_does_not_push_the_others_aside() -> None:
    (_, line, _) = tables.keys({"keys": [{**KEY, "name": "x" * 500}]})
    assert len(line) < 250


def test_a_key_is_shown_with_its_limits() -> None:
    (_, line, _) = tables.keys({"keys": [KEY]})
    assert "60 requests per minute, 5 USD a day" in line
    assert "good" in line
    assert "revoked" in list(tables.keys({"keys": [{**KEY, "revoked": True}]}))[1]
    assert "expired" in list(tables.keys({"keys": [{**KEY, "expired": True}]}))[1]


def test_one_breaker_is_a_table_of_one() -> None:
    (_, line) = tables.breakers({**BREAKER, "callers_kept_out": 0})
    assert "until released" in line
    (_, line) = tables.breakers({"breakers": [{**BREAKER, "seconds_left": 90.0, "callers_kept_out": 2}]})
    assert "1 min 30 s" in line


def test_usage_has_the_limits_as_they_are_counted() -> None:
    limit = {"scope": "key", "limit": "requests_per_minute", "most": 60.0, "used": 3.0, "resets_at": None}
    lines = list(tables.usage({"key": "ci", "requests": 1, "tokens": 2, "cost_usd": 0.0, "limits": [limit]}))
    assert lines[0] == "ci: 1 request, 2 tokens, 0.0000 USD since the start"
    assert lines[1].split() == ["scope", "limit", "most", "used", "resets_at"]


def test_every_table_is_there_by_its_name() -> None:
    assert {"status", "keys", "audit", "level", "reloaded"} <= set(TABLES)


def test_durations_have_two_units() -> None:
    assert [duration(one) for one in (0.25, 61, 3_700, 90_000)] == ["0.2 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]
