"""What a list is asked for: the fields of its form, which stand in its address, so that a view is a link. Pure."""

from collections.abc import Mapping
from datetime import datetime
from math import isfinite, nan
from urllib.parse import urlencode

from msgspec.structs import replace

from app.recorder.stores import Cursor, Filter
from telemetry.names import OUTCOMES

SPANS = (("15m", "15 minutes"), ("1h", "an hour"), ("24h", "a day"), ("7d", "a week"))
"""Spans back from now that a list may be confined to, and their names."""
_SECONDS = {"15m": 900.0, "1h": 3600.0, "24h": 86400.0, "7d": 604800.0}
OUTCOME_CHOICES = ("failures", *OUTCOMES)
_BROKEN = "The link to this page of the list is broken."
_TEXTS = ("model", "key", "team", "conversation", "agent")


class BadQuery(Exception):
    """A field that cannot be read; the text says which."""


def filter_of(query: Mapping[str, str], now: float) -> Filter:
    """What is wanted. Raises BadQuery."""
    outcome = query.get("outcome", "").strip() or None
    if outcome is not None and outcome not in OUTCOME_CHOICES:
        raise BadQuery(f"There is no outcome {outcome!r}.")
    wanted = Filter(
        text=query.get("q", "").strip(),
        outcome=outcome,
        intervened=query.get("intervened") == "1",
        pinned=query.get("pinned") == "1",
        least_cost_usd=_cost(query.get("cost", "")),
        since=_moment(query.get("since", ""), now),
        until=_moment(query.get("until", ""), now),
    )
    return replace(wanted, **{name: query.get(name, "").strip() or None for name in _TEXTS})


def cursor_of(query: Mapping[str, str]) -> Cursor | None:
    """Behind which one the page begins; None for the first page. Raises BadQuery."""
    if not (text := query.get("after", "")):
        return None
    at, _, id = text.partition("~")
    try:
        cursor = Cursor(float(at), id)
    except ValueError:
        raise BadQuery(_BROKEN) from None
    if not isfinite(cursor.at):
        raise BadQuery(_BROKEN)
    return cursor


def next_page(query: Mapping[str, str], cursor: Cursor) -> str:
    """The query of the page behind `cursor`."""
    return urlencode({**_filled(query), "after": f"{cursor.at!r}~{cursor.id}"})


def with_fields(query: Mapping[str, str], **fields: str) -> str:
    """The query of the first page, with other fields; an empty one is taken out."""
    return urlencode(_filled({**query, **fields, "after": ""}))


def _filled(query: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in query.items() if value}


def _cost(text: str) -> float | None:
    if not text.strip():
        return None
    try:
        cost = float(text.strip().removeprefix("$"))
    except ValueError:
        cost = nan
    if not isfinite(cost):
        raise BadQuery("The cost is a number of dollars, such as 0.05.")
    return cost


def _moment(text: str, now: float) -> float | None:
    """Unix seconds of a span back from now, or of a date with or without a time."""
    if not (text := text.strip()):
        return None
    if text in _SECONDS:
        return now - _SECONDS[text]
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise BadQuery("A time is 15m, 1h, 24h, 7d or a date such as 2026-05-01T14:00.") from None
