"""What a form sent: URL-encoded fields, bounded."""

from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request

_LIMIT = 1024**2
"""Bytes."""
_FIELDS = 64


async def fields_of(request: Request) -> dict[str, str]:
    """The fields of a form. Raises HTTPException for one that is too large or cannot be read."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _LIMIT:
            raise HTTPException(413, "The form is too large.")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_FIELDS, errors="strict"))
    except ValueError as error:
        raise HTTPException(400, "The form cannot be read.") from error
