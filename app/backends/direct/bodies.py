"""A provider's answer that comes whole: its body read, within bounds, and its JSON, which is not always JSON."""

import asyncio
from typing import Any

import msgspec

from app.backends.direct.errors import connection_lost, unexpected_body
from app.backends.direct.provider_connection import ProviderResponse
from app.backends.error_bodies import Scrub
from app.backends.error_reports import is_error
from app.bodies import Held
from app.bodies.halves import LENIENT_LIMIT, read_leniently, without_halves
from app.bodies.json_decoding import TooDeep, TooManyValues, decode
from app.errors import UpstreamTruncated
from app.http_client import HttpError

BODY_LIMIT = 64 * 1024**2
"""Bytes of an answer; more are an error of the provider's."""
_FOR_AN_ERROR = 5.0
"""Seconds for the body of an error."""
_ERROR_BODY = 64 * 1024
_LOOKED_AT = 4096
NOT_JSON = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""Errors that `decode_json` raises."""

_DEPTH_LIMIT = 500
_VALUES_LIMIT = 10_000_000

decode_json = msgspec.json.Decoder().decode


async def read_body(response: ProviderResponse, limit: int, scrub: Scrub, held: Held, start: bytes = b"") -> bytes:
    """Read the whole body, of which `start` has been read, or the first `limit + 1` bytes of a longer one. Raises
    `Overloaded` where `held` has no room for it."""
    held.grow(len(start))
    pieces = [start]
    try:
        while held.size <= limit and (data := await response.read_piece()):
            held.grow(len(data))
            pieces.append(data)
    except (HttpError, TimeoutError, OSError) as error:
        raise connection_lost(error, scrub, begun=True) from error
    return b"".join(pieces)[: limit + 1]


async def first_bytes(response: ProviderResponse) -> bytes:
    """Read the beginning of a body that only explains an error, for a short while."""
    body = bytearray()
    try:
        async with asyncio.timeout(_FOR_AN_ERROR):
            while len(body) < _ERROR_BODY and (data := await response.read_piece()):
                body += data
    except (HttpError, TimeoutError, OSError):
        pass
    return bytes(body[:_ERROR_BODY])


def parse_body(body: bytes, scrub: Scrub) -> dict[str, Any]:
    """Decode an answer's JSON object. Raises a `BackendError` for a body that is none, or that is an error."""
    if len(body) > BODY_LIMIT:
        raise unexpected_body(f"an answer of more than {BODY_LIMIT} bytes", body[:_LOOKED_AT], scrub)
    if not body.strip():
        raise UpstreamTruncated("The provider's answer was empty.", detail="empty body")
    try:
        answer = decode_large(body)
    except NOT_JSON:
        answer = _decode_leniently(body, scrub)
    if not isinstance(answer, dict) or is_error(answer):
        raise unexpected_body("an answer that is not a JSON object", body, scrub)
    return answer


def is_plain_json(body: bytes) -> bool:
    """Whether any client can read an answer that was read here, perhaps leniently."""
    return len(body) > LENIENT_LIMIT or not _may_be_odd(body) or is_json(body)


def _may_be_odd(body: bytes) -> bool:
    """Whether a body has one of the marks of all that Python's own reader takes and others may not: halves of surrogate
    pairs, escaped or not, numbers that are none, marks of byte order, UTF-16."""
    return (
        b"\\ud" in body
        or b"\\uD" in body
        or b"\xed" in body
        or b"NaN" in body
        or b"Infinity" in body
        or b"\xef\xbb\xbf" in body
        or b"\0" in body
    )


def decode_large(data: bytes) -> Any:
    """Decode a whole answer's JSON, letting other threads run in between where it takes long."""
    try:
        return decode(data, _DEPTH_LIMIT, _VALUES_LIMIT)
    except (TooDeep, TooManyValues) as error:
        raise msgspec.DecodeError("more JSON than an answer has") from error


def is_json(data: bytes) -> bool:
    try:
        decode_json(data)
    except NOT_JSON:
        return False
    return True


def _decode_leniently(data: bytes, scrub: Scrub) -> Any:
    """Decode JSON with Python's own reader: it accepts half of an emoji, as tokenizers cut them (U+FFFD comes out), and
    `NaN` (None). Raises `UpstreamFailed` for what it does not accept, either."""
    try:
        return without_halves(read_leniently(data))
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise unexpected_body("something that is not JSON", data, scrub) from error
