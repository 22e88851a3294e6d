"""The exchanges that are open now, and how they come to an end when the gateway shuts down."""

import asyncio
from typing import Protocol

from app.errors import Draining, GatewayError


class Stoppable(Protocol):
    def stop(self, error: GatewayError) -> None: ...


class InFlight:
    """`drain` makes the gateway unready at once; what is still open `limit` seconds later ends with `Draining`."""

    def __init__(self) -> None:
        self.draining = False
        self._open: set[Stoppable] = set()

    def __len__(self) -> int:
        return len(self._open)

    def opened(self, exchange: Stoppable) -> None:
        self._open.add(exchange)

    def ended(self, exchange: Stoppable) -> None:
        self._open.discard(exchange)

    def drain(self, limit: float) -> None:
        if not self.draining:
            self.draining = True
            asyncio.get_running_loop().call_later(limit, self._stop_all)

    def _stop_all(self) -> None:
        for exchange in tuple(self._open):
            exchange.stop(Draining("The gateway is shutting down."))
