"""What a direct backend needs of the way to a provider: `connections` for a real one, a recording for one replayed."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from app.stages import Taker
from telemetry import Attempt, AttemptTape


class ProviderBody(Protocol):
    def at_eof(self) -> bool: ...


class ProviderResponse(Protocol):
    """A response whose head has come."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]:
        """Found by names in any case."""

    @property
    def content(self) -> ProviderBody: ...
    @property
    def read_piece(self) -> Callable[[], Awaitable[bytes]]:
        """Reads what has come of the body, or waits for more; nothing at its end. Raises HttpError, OSError."""

    @property
    def pass_to(self) -> Callable[[Taker[bytes]], Awaitable[bool]]:
        """Hands on what comes of the body, as `app.stages` says. Raises as `read_piece` does."""

    def tape(self, attempt: AttemptTape) -> None:
        """Have the attempt's tape get the head, and what is read of the body from now on."""

    def close(self) -> object:
        """End the connection if anything is left unread."""

    def give_up(self) -> None:
        """End the connection, whether or not the body was read to its end."""


class ProviderConnection(Protocol):
    async def request(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str], attempt: Attempt | None = None
    ) -> ProviderResponse:
        """Send a request and return the head of its response, which the caller closes. The attempt is told when the
        body goes out. Raises HttpError, OSError, and those of `app.errors`."""

    async def aclose(self) -> None: ...
