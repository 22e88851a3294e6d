"""A provider's answer that comes whole: its body read, within bounds, and its JSON."""

import asyncio
from typing import Any

import aiohttp

from app.backends.direct.errors import Scrub, is_error, lost, no_answer
from app.backends.direct.json_reading import NOT_JSON, decode_json, decode_leniently
from app.errors import UpstreamTruncated

BODY_LIMIT = 64 * 1024**2
"""Bytes of an answer."""
_FOR_AN_ERROR = 5.0
"""Seconds for the body of an error."""
_ERROR_BODY = 64 * 1024
_LOOKED_AT = 4096


async def read_body(response: aiohttp.ClientResponse, limit: int, scrub: Scrub) -> bytes:
    """The whole body; one above `limit` bytes is cut off one byte after it."""
    body = bytearray()
    try:
        while len(body) <= limit and (data := await response.content.readany()):
            body += data
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise lost(error, scrub, begun=True) from error
    return bytes(body[: limit + 1])


async def first_bytes(response: aiohttp.ClientResponse) -> bytes:
    """What there is, soon, of a body that is only looked at."""
    body = bytearray()
    try:
        async with asyncio.timeout(_FOR_AN_ERROR):
            while len(body) < _ERROR_BODY and (data := await response.content.readany()):
                body += data
    except (aiohttp.ClientError, TimeoutError, OSError):
        pass
    return bytes(body[:_ERROR_BODY])


def parse_body(body: bytes, scrub: Scrub) -> dict[str, Any]:
    """An answer's JSON, or the error that it is: a `BackendError`."""
    if len(body) > BODY_LIMIT:
        raise no_answer(f"an answer of more than {BODY_LIMIT} bytes", body[:_LOOKED_AT], scrub)
    if not body.strip():
        raise UpstreamTruncated("The provider's answer was empty.", detail="empty body")
    try:
        said = decode_json(body)
    except NOT_JSON:
        said = decode_leniently(body, scrub)
    if not isinstance(said, dict) or is_error(said):
        raise no_answer("an answer that is not a JSON object", body, scrub)
    return said
