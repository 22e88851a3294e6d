"""A provider's stream that has begun: what the backends hand to the pipeline."""

from app.messages import Batch, Received
from app.stages import Source


class OpenedStream:
    """The first chunks of a response, and the source of those that follow. Closing `rest` closes the connection to the
    provider, even if nothing more was read."""

    __slots__ = ("first", "rest")

    def __init__(self, first: Batch, rest: Source[Received]) -> None:
        self.first = first
        self.rest = rest

    def take_first(self) -> Batch:
        """Return the first chunks and keep them no longer: a whole answer may have come at once."""
        first, self.first = self.first, ()
        return first
