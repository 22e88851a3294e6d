"""What came of a batch that was sent."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Rejection:
    """A batch that did not arrive, or not as a whole. `reason` is for the operator and quotes nothing of the receiver's
    words; `items` is how many spans, records or points were lost, None for all of them."""

    reason: str
    items: int | None = None
    is_transient: bool = False
    """Whether the same bytes may well be taken a moment later."""
    retry_after: float | None = None
    """Seconds that the receiver asks to wait."""


class Delivery(Protocol):
    """A way to a receiver. It has its retries behind it when it gives a batch up."""

    @property
    def name(self) -> str:
        """The receiver, as a log line names it."""

    def send(self, body: bytes) -> Rejection | None:
        """Send an encoded OTLP request. Returns why it did not arrive; None where all of it did."""

    def close(self) -> None:
        """Give up what is under way, and close connections."""
