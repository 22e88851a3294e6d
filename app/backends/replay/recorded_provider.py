"""A provider that answers as it was recorded: in place of the connections of a direct backend, which reads its bytes as
it would read those of the provider itself.

The pieces of the answer come at their times, divided by the speed; at the speed 0 they come at once. What went wrong
with the attempt goes wrong again, at its place: a status, a cut, a silence, an unreachable provider.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from multidict import CIMultiDict

from app.errors import (
    BackendError,
    ContentRefused,
    ContextOverflow,
    ModelMissing,
    ProxyFailed,
    UpstreamFailed,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from app.http_client import BodyIncomplete
from app.recorder.recording import RecordedAttempt
from app.stages import Taker, pass_on
from telemetry import Attempt, AttemptTape

Sleep = Callable[[float], Awaitable[None]]

_READ_TO_ITS_END = ("no last word", "no reason to finish", "no event before", "after ", "empty body", "whole answer")
"""How details begin of answers that were cut by a clean end of their body, and not by the loss of a connection."""
_FAILURES: Mapping[str, type[UpstreamFailed]] = {
    kind.error_type: kind for kind in (UpstreamRejected, ContextOverflow, ContentRefused, ModelMissing)
}
_FOR_A_CLIENT_THAT_LEAVES = 5.0
"""Seconds that an answer stays open which was given up before its end, so that whoever gave it up then can do so."""
_HEADERS_OF_THE_CONNECTION = frozenset({"content-encoding", "content-length", "transfer-encoding", "connection"})


class Pace:
    """The clock of a replay: `speed` divides what passes between two moments of a recording."""

    def __init__(self, began: float, speed: float, sleep: Sleep) -> None:
        self._now = began
        self._speed = speed
        self._sleep = sleep

    async def until(self, at: float) -> None:
        """Wait for a moment, in the recording's seconds."""
        if self._speed and at > self._now:
            await self._sleep((at - self._now) / self._speed)
        self._now = max(self._now, at)

    async def end_of(self, attempt: RecordedAttempt) -> None:
        """Wait for the attempt's end, and raise what it failed with, if its bytes alone do not make it fail again."""
        await self.until(attempt.ended)
        if attempt.error_type == "cancelled":
            await asyncio.sleep(_FOR_A_CLIENT_THAT_LEAVES)
        if (failure := failure_of(attempt)) is not None:
            raise failure


class RecordedProvider:
    """Answers each request with one recorded attempt, whatever it asks."""

    def __init__(self, attempt: RecordedAttempt, speed: float, sleep: Sleep) -> None:
        self._recorded = attempt
        self._speed = speed
        self._sleep = sleep

    async def request(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str], attempt: Attempt | None = None
    ) -> "RecordedAnswer":
        """The head of the answer. Raises what the attempt failed with, where it failed before."""
        if attempt is not None:
            attempt.is_sent = True
        recorded = self._recorded
        pace = Pace(recorded.began, self._speed, self._sleep)
        if recorded.status is None and not recorded.answer:
            await pace.end_of(recorded)
        return RecordedAnswer(recorded, pace)

    async def aclose(self) -> None:
        """Do nothing: there are no connections."""


class RecordedAnswer:
    """The recorded answer, read as a direct backend reads a provider's."""

    def __init__(self, attempt: RecordedAttempt, pace: Pace) -> None:
        self.content = self
        self.read_piece: Callable[[], Awaitable[bytes]] = self._read
        self.status = attempt.status or 200
        self.headers: CIMultiDict[str] = CIMultiDict(
            [header for header in attempt.response_headers if header[0] not in _HEADERS_OF_THE_CONNECTION]
        )
        self._recorded = attempt
        self._pace = pace
        self._pieces = iter(attempt.answer)
        self._next = next(self._pieces, None)

    def tape(self, attempt: AttemptTape) -> None:
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self.headers.items()]
        attempt.responded(self.status, headers)
        self.read_piece = attempt.reading(self._read)

    async def pass_to(self, taker: Taker[bytes]) -> bool:
        return await pass_on(self.read_piece, taker)

    async def _read(self) -> bytes:
        """The next piece of the body, at its time; nothing at its end. Raises what the attempt failed with."""
        if (piece := self._next) is not None:
            await self._pace.until(piece.at)
            self._next = next(self._pieces, None)
            return piece.data or await self._read()
        await self._pace.end_of(self._recorded)
        return b""

    def at_eof(self) -> bool:
        return self._next is None

    def close(self) -> None:
        """Do nothing: there is no connection."""

    def give_up(self) -> None:
        """Do nothing: there is no connection."""


def failure_of(attempt: RecordedAttempt) -> BaseException | None:
    """What the attempt failed with, where its bytes alone do not make it fail again."""
    detail = attempt.detail
    is_http = bool(attempt.url)
    match attempt.error_type:
        case "upstream_timeout":
            return _silence(attempt)
        case "upstream_unreachable":
            return UpstreamUnreachable("The provider could not be reached.", detail=detail)
        case "upstream_proxy_failed":
            return ProxyFailed("The proxy on the way to the provider did not connect to it.", detail=detail)
        case "upstream_truncated" if is_http and detail is not None and not detail.startswith(_READ_TO_ITS_END):
            return BodyIncomplete(detail)
        case None | "upstream_truncated" | "cancelled":
            return None
        case _ if is_http and attempt.status is not None:
            return None
        case _:
            return _library_failure(attempt)


def _silence(attempt: RecordedAttempt) -> BackendError:
    detail = attempt.detail or ""
    if detail.endswith("."):
        # The words of one that never began are its detail.
        return UpstreamTimeout(detail)
    return UpstreamTimeout("The provider fell silent.", detail=detail)


def _library_failure(attempt: RecordedAttempt) -> BackendError:
    """What a library or a simulated provider raised. Its words were recorded, as it had no others."""
    words = attempt.detail or "The provider answered with an error."
    kind = _FAILURES.get(attempt.error_type or "", UpstreamFailed)
    return kind(words, upstream_status=attempt.status)
