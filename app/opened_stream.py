"""A provider's stream that has begun: what the backends hand to the pipeline."""

from collections.abc import AsyncGenerator

from app.messages import Batch


class OpenedStream:
    """The first chunks of a response, and the stream of those that follow. Closing `rest` closes the connection to the
    provider; it has been started, so that closing it has an effect even if nothing more is read."""

    __slots__ = ("first", "rest")

    def __init__(self, first: Batch, rest: AsyncGenerator[Batch, None]) -> None:
        self.first = first
        self.rest = rest

    def take_first(self) -> Batch:
        """Return the first chunks and keep them no longer: a whole answer may have come at once."""
        first, self.first = self.first, ()
        return first
