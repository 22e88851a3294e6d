"""One transaction that is under way, as an operator sees it who wants to know what it does, or to end it."""

from msgspec import Struct

from telemetry.names import Where


class TransactionView(Struct, frozen=True, kw_only=True):
    transaction_id: str
    api: str
    key: str
    """The name of its caller's key."""
    model: str
    deployment: str | None
    """The deployment that is being asked, or answers; None while none is."""
    conversation: str
    """Empty where it has none."""
    seconds: float
    """Since the head of its request."""
    waiting_for: Where
    bytes_sent: int
    """Bytes of its answer that went to the client."""
    bytes_queued: int
    """Bytes in its queues."""
    stream: bool
