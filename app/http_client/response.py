"""A response whose head has come, as its reader has it."""

from collections.abc import Awaitable, Callable, Sequence

from multidict import CIMultiDict

from app.http_client.body import DecodedBody, ResponseBody
from app.http_client.heads import RawHeaders, ResponseHead
from app.stages import Taker
from telemetry import AttemptTape


class UpstreamResponse:
    """The reader reads the body with `read_piece` or `pass_to`, and closes the response, which ends the connection if
    anything of the body has not come."""

    __slots__ = ("close", "content", "headers", "pass_to", "raw_headers", "read_piece", "status")

    def __init__(self, head: ResponseHead, content: ResponseBody | DecodedBody) -> None:
        self.status = head.status
        self.raw_headers: RawHeaders = head.raw_headers
        self.headers: CIMultiDict[str] = head.headers
        """Found by names in any case."""
        self.content = content
        self.read_piece: Callable[[], Awaitable[bytes]] = content.read
        """Reads what has come of the body, or waits for more; nothing at its end. Raises HttpError."""
        self.close: Callable[[], None] = content.close
        """Closes the connection if anything of the body has not come."""
        self.pass_to: Callable[[Taker[bytes]], Awaitable[bool]] = content.pass_to
        """Hands on what comes of the body, as `app.stages` says. Raises HttpError."""

    def tape(self, attempt: AttemptTape) -> None:
        """Have the attempt's tape get the head, and what is read of the body from now on."""
        attempt.responded(self.status, self.raw_headers)
        self.read_piece = attempt.reading(self.content.read)
        content = self.content
        self.pass_to = lambda taker: content.pass_to(_Taping(attempt, taker))

    def give_up(self) -> None:
        """Close the connection, whether or not the body has come whole: no later request uses it."""
        self.content.give_up()


class _Taping:
    """Keeps what comes of a body, on its way to a taker."""

    __slots__ = ("_keep", "_taker")

    def __init__(self, tape: AttemptTape, taker: Taker[bytes]) -> None:
        self._keep = tape.answer.add
        self._taker = taker

    def take(self, pieces: Sequence[bytes]) -> bool:
        for piece in pieces:
            self._keep(piece)
        return self._taker.take(pieces)
