"""What turns a stream's chunks into a client's SSE."""

from typing import Protocol

from app.errors import GatewayError
from app.messages import ModelResponse


class Formatter(Protocol):
    """One stream in a client's dialect, pure. Each call returns bytes to send, possibly none, in a legal order."""

    def format(self, chunk: ModelResponse) -> bytes: ...

    def finish(self) -> bytes:
        """A clean end, whatever came before. After it, and after `fail`, every method gives nothing."""

    def fail(self, error: GatewayError) -> bytes:
        """An error as the stream's end."""

    def keepalive(self) -> bytes:
        """A comment that no client takes for an event."""
