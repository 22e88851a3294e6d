"""Keeps defects of telemetry out of the data path: counted, logged once per place, never raised.

Only the choke points are guarded (a transaction's public calls, the sampler's turn), not every function.
"""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

_log = logging.getLogger(__name__)


class Defects:
    """`count` is called for each; the log has the first of each place only, so that a hot path cannot flood it."""

    def __init__(self, count: Callable[[], None]) -> None:
        self._count = count
        self._seen: set[str] = set()

    def note(self, place: str, error: Exception | None = None) -> None:
        self._count()
        if place not in self._seen:
            self._seen.add(place)
            _log.error("telemetry failed: %s", place, exc_info=error)


class _HasDefects(Protocol):
    @property
    def defects(self) -> Defects: ...


Self = TypeVar("Self", bound=_HasDefects)
P = ParamSpec("P")


def guarded(method: Callable[Concatenate[Self, P], None]) -> Callable[Concatenate[Self, P], None]:
    """For methods that only tell telemetry something: the caller goes on as if nothing had happened."""

    @wraps(method)
    def call(self: Self, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(self, *args, **kwargs)
        except Exception as error:
            self.defects.note(method.__qualname__, error)

    return call
