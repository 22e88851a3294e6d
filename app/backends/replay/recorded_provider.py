"""A provider that answers as it was recorded: in place of the connections of a direct backend, which reads its bytes as
it would read those of the provider itself.

The pieces of the answer come at their times, divided by the speed; at the speed 0 they come at once. What went wrong
with the attempt goes wrong again, at its place: a status, a cut, a silence, an unreachable provider.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping

import aiohttp
from multidict import CIMultiDict

from app.errors import BackendError, UpstreamFailed, UpstreamTimeout, UpstreamUnreachable
from app.recorder.recording import Piece, RecordedAttempt
from telemetry import Attempt, AttemptTape

Sleep = Callable[[float], Awaitable[None]]

_READ_TO_ITS_END = ("no last word", "no reason to finish", "no event before", "after ", "empty body", "whole answer")
"""How details begin of answers that were cut by a clean end of their body, and not by the loss of a connection."""
_FOR_A_CLIENT_THAT_LEAVES = 5.0
"""Seconds that an answer stays open which was given up before its end, so that whoever gave it up then can do so."""
_HEADERS_OF_THE_CONNECTION = frozenset({"content-encoding", "content-length", "transfer-encoding", "connection"})


class RecordedProvider:
    """Answers each request with one recorded attempt, whatever it asks."""

    def __init__(self, attempt: RecordedAttempt, *, stream: bool, speed: float, sleep: Sleep) -> None:
        self._recorded = attempt
        self._stream = stream
        self._speed = speed
        self._sleep = sleep

    async def request(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str], attempt: Attempt | None = None
    ) -> "RecordedAnswer":
        """The head of the answer. Raises what the attempt failed with, where it failed before."""
        if attempt is not None:
            attempt.sent()
        recorded = self._recorded
        answer = RecordedAnswer(recorded, self._stream, self._speed, self._sleep)
        if recorded.status is None and not recorded.answer:
            await answer.pause_until(recorded.ended)
            if (failure := failure_of(recorded)) is not None:
                raise failure
        return answer

    async def aclose(self) -> None:
        """Do nothing: there are no connections."""


class RecordedAnswer:
    """The recorded answer, read as a direct backend reads a provider's."""

    def __init__(self, attempt: RecordedAttempt, stream: bool, speed: float, sleep: Sleep) -> None:
        self.content = self
        self.read_piece: Callable[[], Awaitable[bytes]] = self._read
        self.status = attempt.status or 200
        self.headers: CIMultiDict[str] = CIMultiDict(_head(attempt, stream))
        self._recorded = attempt
        self._pieces = _framed(attempt, stream)
        self._next = next(self._pieces, None)
        self._speed = speed
        self._sleep = sleep
        self._now = attempt.began
        """The time in the recording, in its seconds."""

    def tape(self, attempt: AttemptTape) -> None:
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self.headers.items()]
        attempt.responded(self.status, headers)
        self.read_piece = attempt.reading(self._read)

    async def _read(self) -> bytes:
        """The next piece of the body, at its time; nothing at its end. Raises what the attempt failed with."""
        if (piece := self._next) is not None:
            await self.pause_until(piece.at)
            self._next = next(self._pieces, None)
            return piece.data or await self._read()
        await self.pause_until(self._recorded.ended)
        if self._recorded.error_type == "cancelled":
            await asyncio.sleep(_FOR_A_CLIENT_THAT_LEAVES)
        if (failure := failure_of(self._recorded)) is not None:
            raise failure
        return b""

    def at_eof(self) -> bool:
        return self._next is None

    def close(self) -> None:
        """Do nothing: there is no connection."""

    def give_up(self) -> None:
        """Do nothing: there is no connection."""

    async def pause_until(self, at: float) -> None:
        if self._speed and at > self._now:
            await self._sleep((at - self._now) / self._speed)
        self._now = max(self._now, at)


def failure_of(attempt: RecordedAttempt) -> BaseException | None:
    """What the attempt failed with, where its bytes alone do not make it fail again."""
    detail = attempt.detail
    is_http = bool(attempt.url)
    match attempt.error_type:
        case "upstream_timeout":
            return _silence(attempt)
        case "upstream_unreachable":
            return UpstreamUnreachable("The provider could not be reached.", detail=detail)
        case "upstream_truncated" if is_http and detail is not None and not detail.startswith(_READ_TO_ITS_END):
            return aiohttp.ClientPayloadError(detail)
        case None | "upstream_truncated" | "cancelled":
            return None
        case _ if is_http and attempt.status is not None:
            return None
        case _:
            return _library_failure(attempt)


def _silence(attempt: RecordedAttempt) -> BackendError:
    silent = round(attempt.ended - (attempt.answer[-1].at if attempt.answer else attempt.began), 1)
    if attempt.answer:
        return UpstreamTimeout(f"The model sent nothing for {silent:g} s.", detail=attempt.detail)
    return UpstreamTimeout(f"The provider did not answer within {silent:g} seconds.", detail=attempt.detail)


def _library_failure(attempt: RecordedAttempt) -> BackendError:
    """An error of which only type and status are known: a library or a simulated provider raised it."""
    what = f"answered {attempt.status}" if attempt.status is not None else "reported an error in its stream"
    who = "simulated" if attempt.provider == "simulated" else "replayed"
    return UpstreamFailed(f"The provider {what}: {who}.", upstream_status=attempt.status, detail=attempt.detail)


def _head(attempt: RecordedAttempt, stream: bool) -> list[tuple[str, str]]:
    if attempt.url:
        return [header for header in attempt.response_headers if header[0] not in _HEADERS_OF_THE_CONNECTION]
    return [("content-type", "text/event-stream" if stream else "application/json")]


def _framed(attempt: RecordedAttempt, stream: bool) -> Iterator[Piece]:
    """The pieces of the answer's body. The chunks of a library become events of chat completions."""
    if attempt.url or not stream:
        yield from attempt.answer
        return
    for piece in attempt.answer:
        yield Piece(piece.at, b"data: %b\n\n" % piece.data)
    if attempt.error_type is None:
        yield Piece(attempt.ended, b"data: [DONE]\n\n")
