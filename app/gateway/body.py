"""The body of a request: read, parsed and decoded within the limits that hold for it.

It is bounded while it is read and decompressed: in size, in the wait for each piece, in all its time, and in what all
bodies of the process may hold together. Each form of it (bytes, JSON, the common form) is counted while in memory.
"""

from collections.abc import Mapping
from time import monotonic
from typing import Any

from msgspec.structs import replace

from app.bodies import SMALL, Bodies, Held
from app.bodies.decompression import Decompression, codings_of
from app.bodies.json_decoding import structure
from app.bodies.request_body import check_counts, parse_body
from app.dialects import RequestDialect
from app.errors import ClientDisconnected, RequestBytesExceeded, RequestTimeout, RequestTooLarge
from app.gateway.authentication import BodyLimit, Caller
from app.gateway.client_connection import ClientConnection
from app.gateway.denials import whose
from app.limits import Limit
from app.messages import ClientCredential, Request
from app.settings import ServerSettings
from telemetry import Tape

_LEAST_RATE = 16 * 1024
"""Bytes per second that a body has to arrive with, after the first wait."""
_SHORTEST_WAIT = 0.001
"""Seconds; for a `Limit`, none at all is no bound."""
_FILES = 1024**2
"""Bytes from which on a body is taken to hold a file in base64, whose text is held twice: by itself and in its data
URL."""
_VALUE = 64
"""Bytes of memory that a value of a decoded body takes, beside its text."""


class RequestBody:
    """One request's body. What it holds is counted in `held`, which is given back with the exchange."""

    def __init__(
        self,
        dialect: RequestDialect,
        headers: Mapping[str, str],
        bodies: Bodies,
        held: Held,
        limits: ServerSettings,
        callers: BodyLimit | None = None,
    ) -> None:
        """`callers` is the caller's own limit of bytes, if it has one."""
        self._dialect = dialect
        self._headers = headers
        self._bodies = bodies
        self._held = held
        self._limits = limits
        self._callers = callers if callers is not None and callers.most < limits.body_limit else None
        self._raw = b""
        """The received bytes; empty before, and again when only the decoded form is needed."""

    async def read(self, connection: ClientConnection, tape: Tape | None = None) -> None:
        """Read all of it, and decompress it; `tape` gets it. Raises as `read_pieces` and `decompressed` do, and
        RequestBytesExceeded where it is the caller's own limit that is in the way."""
        limits, held = self._limits, self._held
        limit = limits.body_limit if self._callers is None else self._callers.most
        codings = codings_of(self._headers) if "content-encoding" in self._headers else ()
        try:
            pieces = await read_pieces(connection, limit, limits.body_timeout, held)
            self._raw = pieces[0] if len(pieces) == 1 else await self._bodies.work(held.size, b"".join, pieces)
            if codings and self._raw:
                self._raw = await decompressed(self._raw, codings, limit, self._bodies, held)
        except RequestTooLarge as error:
            if self._callers is None:
                raise
            raise _beyond(self._callers) from error
        if tape is not None:
            tape.body(self._raw)

    async def parsed(self) -> dict[str, Any]:
        """Its JSON, within the limits of what a request may have; raises InvalidRequest and Overloaded."""
        size, limits = len(self._raw), self._limits
        values = await self._bodies.work(size, structure, self._raw)
        self._held.grow(max(size if size < _FILES else 2 * size, min(values, limits.json_values_limit) * _VALUE))
        return await self._bodies.work(size, _parsed, self._raw, values, self._dialect, limits)

    async def decoded(
        self, body: dict[str, Any], caller: Caller, query: str, credential: ClientCredential | None
    ) -> Request:
        """The request in the common form; `body` is the JSON that `parsed` returned, or made of it. `caller`,
        `query` and `credential` are those of the exchange."""
        size = len(self._raw)
        request = await self._bodies.work(size, self._dialect.decode_request, body, self._headers)
        request = replace(
            request, caller=caller.id, priority=caller.priority, query=query, credential=credential, size=size
        )
        if request.operation != "chat":
            return request.with_raw(self._raw)
        self._held.resize(self._held.size - size)
        self._raw = b""
        return request

    def drop(self) -> None:
        """Free the bytes."""
        self._raw = b""


async def read_pieces(connection: ClientConnection, limit: int, piece_timeout: float, held: Held) -> list[bytes]:
    """The pieces of a body: those that are there, and those that come. `piece_timeout` is in seconds. Raises
    RequestTooLarge as soon as more than `limit` bytes are announced or have come, Overloaded as soon as `held` cannot
    take them."""
    announced = connection.announced
    if announced > limit:
        raise _too_large(limit)
    begun = monotonic()
    pieces: list[bytes] = []
    size = 0
    more = True
    while more:
        came = connection.received()
        if came is None:
            if not pieces:
                held.check(announced)
            left = begun + piece_timeout + size / _LEAST_RATE - monotonic()
            came = await _next(connection, min(piece_timeout, max(left, _SHORTEST_WAIT)))
        piece, more = came
        size += len(piece)
        if size > limit:
            raise _too_large(limit)
        held.grow(len(piece))
        pieces.append(piece)
        if size > SMALL:
            await held.pace(len(piece))
    return pieces


async def decompressed(raw: bytes, codings: tuple[str, ...], limit: int, bodies: Bodies, held: Held) -> bytes:
    """What `raw` stands for, of at most `limit` bytes; `held` counts it in place of `raw`. A small body is decompressed
    at once, a large one step by step beside the event loop. Raises RequestTooLarge and Overloaded as soon as there is
    too much, InvalidRequest for what is not in these codings."""
    decompression = Decompression(raw, codings, limit)
    pieces: list[bytes] = []
    size = 0
    with Held(bodies) as held_by_decoders:
        while (piece := await bodies.work(len(raw) + size, decompression.step)) is not None:
            size += len(piece)
            held.grow(len(piece))
            pieces.append(piece)
            if len(raw) + size > SMALL:
                # It outlives this step. Until then it was made and used in one turn of the event loop.
                held_by_decoders.resize(decompression.holds)
    held.resize(held.size - len(raw))
    return await bodies.work(held.size, b"".join, pieces)


async def _next(connection: ClientConnection, seconds: float) -> tuple[bytes, bool]:
    """The next piece, and whether more is to come."""
    try:
        with Limit(seconds):
            message = await connection.receive()
    except TimeoutError:
        raise RequestTimeout("The request did not arrive in time.") from None
    if message["type"] == "http.disconnect":
        raise ClientDisconnected("The client left before its request was complete.")
    return message.get("body", b""), message.get("more_body", False)


def _beyond(limit: BodyLimit) -> RequestBytesExceeded:
    return RequestBytesExceeded(
        f"The request is larger than {limit.most} bytes, the most that {whose(limit.scope, limit.holder)} may send in "
        "one (request_bytes).",
        scope=limit.scope,
        holder=limit.holder,
        limit="request_bytes",
    )


def _too_large(limit: int) -> RequestTooLarge:
    return RequestTooLarge(f"The request is larger than {limit} bytes.")


def _parsed(raw: bytes, values: int, dialect: RequestDialect, limits: ServerSettings) -> dict[str, Any]:
    body = parse_body(raw, limits.json_depth_limit, limits.json_values_limit, values)
    check_counts(body, values, dialect.lists, limits)
    return body
