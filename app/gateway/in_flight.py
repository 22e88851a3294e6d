"""The open exchanges, and how they end when the gateway shuts down: first it is unready (`leave`), so that clients are
sent elsewhere; later the exchanges that are still open get a limit (`drain`)."""

import asyncio
from typing import Protocol

from app.errors import Cancelled, Draining, GatewayError, Overloaded
from telemetry import TransactionView

_RETRY_AFTER = 1.0
"""Seconds after which a request that there was no room for may be sent again."""


class Stoppable(Protocol):
    """An exchange, to those who may end it."""

    def stop(self, error: GatewayError) -> None: ...

    def view(self) -> TransactionView: ...


class Users:
    """The requests that work with one configuration: it is closed when the last of them has ended."""

    def __init__(self) -> None:
        self._number = 0
        self._none_left: asyncio.Event | None = None
        """What `wait_until_none` waits for."""

    def __len__(self) -> int:
        return self._number

    def came(self) -> None:
        self._number += 1

    def went(self) -> None:
        self._number -= 1
        if not self._number and self._none_left is not None:
            self._none_left.set()

    async def wait_until_none(self) -> None:
        """Wait until there is none, at a time when no new ones come."""
        self._none_left = none_left = asyncio.Event()
        while self._number:
            none_left.clear()
            await none_left.wait()


class InFlight:
    """The open exchanges of the process."""

    def __init__(self) -> None:
        self.leaving = False
        """Whether the gateway is unready because it will shut down. It still serves every request."""
        self._draining = False
        self._open: set[Stoppable] = set()

    def __len__(self) -> int:
        return len(self._open)

    def opened(self, exchange: Stoppable, most: int) -> None:
        """Count an exchange until it has `ended`. Raises Overloaded where `most` are open."""
        if len(self._open) >= most:
            raise Overloaded(
                "The gateway has as many requests open as it may; try again later.",
                detail=f"{len(self._open)} requests are open, of {most}",
                retry_after=_RETRY_AFTER,
            )
        self._open.add(exchange)

    def ended(self, exchange: Stoppable) -> None:
        self._open.discard(exchange)

    def views(self) -> list[TransactionView]:
        """What each open exchange does at this moment, the oldest first."""
        return sorted([exchange.view() for exchange in self._open], key=lambda view: -view.seconds)

    def cancel(self, *, transaction_id: str | None = None, key: str | None = None) -> int:
        """End the exchange of a transaction, or all of callers with a key of this name, with `Cancelled`. Returns how
        many there were."""
        views = {exchange: exchange.view() for exchange in self._open}
        found = [one for one, view in views.items() if view.transaction_id == transaction_id or view.key == key]
        for exchange in found:
            exchange.stop(Cancelled("An operator of the gateway has cancelled this request."))
        return len(found)

    def leave(self) -> None:
        """Make the gateway unready."""
        self.leaving = True

    def drain(self, limit: float) -> None:
        """End the exchanges that are still open in `limit` seconds with `Draining`. Only the first call counts."""
        self.leave()
        if not self._draining:
            self._draining = True
            asyncio.get_running_loop().call_later(limit, self._stop_all)

    def _stop_all(self) -> None:
        for exchange in tuple(self._open):
            exchange.stop(Draining("The gateway is shutting down."))
