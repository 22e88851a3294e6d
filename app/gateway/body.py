"""A request's body from ASGI messages: bounded in size while it is read, bounded in the wait for each piece."""

from starlette.types import Message, Receive

from app.errors import ClientDisconnected, InvalidRequest, RequestTimeout, RequestTooLarge
from app.limits import Limit


async def read_body(receive: Receive, headers: dict[str, str], limit: int, patience: float) -> bytes:
    """Raises RequestTooLarge as soon as more than `limit` bytes are announced or have come. `patience` in seconds."""
    if headers.get("content-encoding", "identity") != "identity":
        raise InvalidRequest("The request's content-encoding is not supported: send the body as it is.")
    if _announced(headers) > limit:
        raise _too_large(limit)
    pieces: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await _next(receive, patience)
        if message["type"] == "http.disconnect":
            raise ClientDisconnected("The client left before its request was complete.")
        piece: bytes = message.get("body", b"")
        size += len(piece)
        if size > limit:
            raise _too_large(limit)
        pieces.append(piece)
        more = message.get("more_body", False)
    return b"".join(pieces)


async def _next(receive: Receive, patience: float) -> Message:
    try:
        with Limit(patience):
            return await receive()
    except TimeoutError:
        raise RequestTimeout(f"No more of the request arrived within {patience:g} s.") from None


def _announced(headers: dict[str, str]) -> int:
    """`content-length`; 0 where there is none."""
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit():
        raise InvalidRequest("The content-length header is not a number.")
    return int(length[:20])


def _too_large(limit: int) -> RequestTooLarge:
    return RequestTooLarge(f"The request is larger than {limit} bytes.")
