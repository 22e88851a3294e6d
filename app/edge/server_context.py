"""What the connections of one server share: the application, its limits, the certificate, and whether it ends."""

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import Any

from uvicorn._types import ASGI3Application
from uvicorn.server import ServerState


@dataclass(frozen=True)
class Limits:
    """Limits of one connection; times in seconds, sizes in bytes."""

    header_size: int
    """All bytes of one request that are no body."""
    header_timeout: float
    keep_alive: float
    """The time between two requests."""
    linger_timeout: float
    linger_size: int
    stall: float
    """How long a client may leave unread what it is sent."""


@dataclass
class ServerContext:
    """What the connections of one server share. Each goes by the `limits` that there are at its beginning."""

    app: ASGI3Application
    state: ServerState
    app_state: dict[str, Any]
    limits: Limits
    tls: ssl.SSLContext | None = None
    """What connections by a port are encrypted with, those that are made from now on; None for plain HTTP."""
    is_draining: bool = False
    """Whether the server ends: a connection that was being made closes after its first response."""
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
