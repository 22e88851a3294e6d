"""An error as its provider sent it, for clients that read the provider's form: its bytes, unless they hold a key. Pure.

What passes is bounded by what is read of an error at all. A key is looked for in the bytes, and in the texts that they
hold once decoded: JSON has many ways to write a letter.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from app.backends.error_reports import first_object
from app.errors import ErrorBody

RELAYED = ("retry-after", "x-ratelimit-", "ratelimit", "anthropic-ratelimit-", "anthropic-priority-", "anthropic-fast-")
"""How the names of those headers begin that tell a client of a provider's rate limits."""
_MOST_HEADERS = 64
_LONGEST_HEADER = 256
_DEEPEST = 100

Scrub = Callable[[str], str]


def error_body(data: bytes, scrub: Scrub, *, event: bytes = b"", status: int | None = None) -> ErrorBody | None:
    """The JSON object in `data`, or the first one of a list of them; None for anything else. `event`: the bytes of the
    event that carried it; `status`: the HTTP status that clients may get with it."""
    try:
        text = data.decode()
        payload = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    if (found := first_object(payload)) is None:
        return None
    clean = _scrubbed(found, scrub, _DEEPEST)
    if found is payload and clean == payload and scrub(text) == text and scrub(framing := _text(event)) == framing:
        return ErrorBody(found, data, event, status)
    return _without_keys(scrub(msgspec.json.encode(clean).decode()), status)


def _without_keys(text: str, status: int | None) -> ErrorBody | None:
    """A body of which keys were blotted out; None if it is no JSON without them."""
    try:
        payload = msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return None
    return ErrorBody(payload, text.encode(), status=status) if isinstance(payload, dict) else None


def limit_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """What a provider's headers say of its rate limits, under lower-case names; nothing that is no single line of
    visible ASCII."""
    found = [(name.lower(), value) for name, value in headers.items() if name.lower().startswith(RELAYED)]
    visible = ((name, value) for name, value in found if value.isascii() and value.isprintable())
    return dict([(name, value) for name, value in visible if len(value) <= _LONGEST_HEADER][:_MOST_HEADERS])


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _scrubbed(value: Any, scrub: Scrub, depth: int) -> Any:
    if isinstance(value, str):
        return scrub(value)
    if depth and isinstance(value, dict):
        return {scrub(name): _scrubbed(inner, scrub, depth - 1) for name, inner in value.items()}
    if depth and isinstance(value, list):
        return [_scrubbed(inner, scrub, depth - 1) for inner in value]
    # What is nested deeper than any error is not looked into, and left out.
    return value if depth or not isinstance(value, dict | list) else None
