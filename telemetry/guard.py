"""Keeps defects of telemetry out of the data path: counted, logged once per place, never raised.

Only the choke points are guarded (a transaction's public calls, the sampler's turn), not every function. What every
request calls has its `try` in place, as the decorator is one more call.
"""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

_log = logging.getLogger(__name__)


class Defects:
    """Counts failures of telemetry itself by calling `count`, and logs the first of each kind: a hot path cannot flood
    the log."""

    def __init__(self, count: Callable[[], None]) -> None:
        self._count = count
        self._seen: set[str] = set()

    def note(self, what: str, error: Exception | None = None) -> None:
        self._count()
        if what not in self._seen:
            self._seen.add(what)
            _log.error("telemetry failed: %s", what, exc_info=error)


class _HasDefects(Protocol):
    @property
    def defects(self) -> Defects: ...


Self = TypeVar("Self", bound=_HasDefects)
P = ParamSpec("P")


def guarded(method: Callable[Concatenate[Self, P], None]) -> Callable[Concatenate[Self, P], None]:
    """Decorate a method that only records: what it raises is noted in `self.defects`, and the caller goes on."""

    @wraps(method)
    def call(self: Self, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(self, *args, **kwargs)
        except Exception as error:
            self.defects.note(method.__qualname__, error)

    return call
