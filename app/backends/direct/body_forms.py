"""A good answer of which the first bytes have come: they, and not its content type, say what form it has.

Servers and the proxies before them send a stream as `text/plain`, a whole answer where a stream was asked for, and the
other way round, or a line of JSON for each event; some send blank lines for minutes before the JSON of a whole answer
(DeepSeek documents that).
"""

import re
from typing import Literal, NamedTuple

from app.backends.direct.bodies import first_bytes
from app.backends.direct.errors import connection_lost, unexpected_body
from app.backends.direct.odd_framing import is_line_of_chunks
from app.backends.direct.provider_connection import ProviderResponse
from app.backends.error_bodies import Scrub
from app.http_client import HttpError

BodyForm = Literal["json", "events", "lines"]
_TYPES: dict[str, BodyForm] = {"application/json": "json", "text/event-stream": "events"}
_MEDIA_TYPES: dict[BodyForm, str] = {form: name for name, form in _TYPES.items()}
_BLANK = b" \t\r\n\xef\xbb\xbf"
"""Whitespace, and the bytes of a mark of byte order."""
_FIELD = re.compile(rb"(?:data|event|id|retry)[:\r\n]")
_FIELDS = (b"data:", b"event:", b"id:", b"retry:")
_START_LIMIT = 64 * 1024
"""Bytes."""
_BEFORE_THE_DELTA = 512
"""Bytes of a line by which it shows whether it is a chunk of a stream."""


class UpstreamBody(NamedTuple):
    """`start` is what has been read of the body."""

    response: ProviderResponse
    form: BodyForm
    start: bytes


def form_of(start: bytes) -> BodyForm | Literal["other"] | None:
    """What a body is by its first bytes; None where these do not tell yet."""
    begun = start.lstrip(_BLANK)
    if not begun:
        return None
    if begun.startswith((b"{", b"[")):
        return "json"
    if begun.startswith(b":") or _FIELD.match(begun):
        return "events"
    return None if any(field.startswith(begun) for field in _FIELDS) else "other"


def may_be_lines(start: bytes) -> bool:
    """Whether more has to come before a body of JSON is known to be one object, and not one in each line."""
    begun = start.lstrip(_BLANK)
    if b"\n" in begun or len(start) >= _START_LIMIT or not begun.startswith(b"{"):
        return False
    return b'"delta"' in begun or (len(begun) < _BEFORE_THE_DELTA and not begun.endswith(b"}"))


async def opened_body(response: ProviderResponse, wanted: BodyForm, scrub: Scrub) -> UpstreamBody:
    """Read the first bytes of a good answer. Raises a `BackendError` where they and its content type are neither JSON
    nor an event stream."""
    try:
        start = await response.read_piece()
        data = start
        while (form := form_of(start)) is None and data and len(start) < _START_LIMIT:
            data = await response.read_piece()
            start += data
        while form == "json" and may_be_lines(start) and (data := await response.read_piece()):
            start += data
    except (HttpError, TimeoutError, OSError) as error:
        raise connection_lost(error, scrub, begun=True) from error
    if form == "json" and b'"delta"' in start and is_line_of_chunks(start):
        return UpstreamBody(response, "lines", start)
    if form == "json" or form == "events":
        return UpstreamBody(response, form, start)
    found = response.headers.get("content-type", _MEDIA_TYPES[wanted]).partition(";")[0].strip().lower()
    declared = "json" if found.endswith("+json") else _TYPES.get(found)
    if declared is not None and (declared == wanted or form is not None):
        # The reader of that form says what is wrong with it.
        return UpstreamBody(response, declared, start)
    body = start + await first_bytes(response)
    response.give_up()
    what = f"{found[:100] or 'no type'} instead of {_MEDIA_TYPES[wanted]}"
    raise unexpected_body(what if body.strip() else f"an empty body, {what}", body, scrub, found)
