"""The list of models, as Anthropic's `GET /v1/models` shows it: in pages, by cursor."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from app.errors import InvalidRequest

_DEFAULT_LIMIT = 20
_MAX_LIMIT = 1000


def render_models(names: Sequence[str], created: int, query: Mapping[str, str]) -> dict[str, Any]:
    """The page that `query` asks for by `limit`, and `after_id` or `before_id`."""
    limit = _limit(query.get("limit"))
    start, end = _range(names, limit, query)
    page = [render_model(name, created) for name in names[start:end]]
    return {
        "data": page,
        "has_more": start > 0 if "before_id" in query else end < len(names),
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
    }


def render_model(name: str, created: int) -> dict[str, Any]:
    at = datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": "model", "id": name, "display_name": name, "created_at": at}


def _range(names: Sequence[str], limit: int, query: Mapping[str, str]) -> tuple[int, int]:
    if "before_id" in query and "after_id" in query:
        raise InvalidRequest("before_id and after_id exclude each other.", param="before_id")
    if "before_id" in query:
        end = _position(names, query, "before_id")
        return max(0, end - limit), end
    start = _position(names, query, "after_id") + 1 if "after_id" in query else 0
    return start, min(start + limit, len(names))


def _position(names: Sequence[str], query: Mapping[str, str], cursor: str) -> int:
    try:
        return names.index(query[cursor])
    except ValueError:
        raise InvalidRequest(f"{cursor}: no such model.", param=cursor) from None


def _limit(text: str | None) -> int:
    if text is None:
        return _DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= _MAX_LIMIT):
        raise InvalidRequest(f"limit: a number from 1 to {_MAX_LIMIT} is needed.", param="limit")
    return int(text)
