"""A test over all recordings as one item of pytest per source: thousands of items cost more than what they test."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import pytest


class Named(Protocol):
    @property
    def name(self) -> str: ...


R = TypeVar("R", bound=Named)
_TIMEOUT = 300
"""Seconds for the hundreds of recordings of one source, also while coverage is measured."""
_ABSENT = pytest.param("", marks=pytest.mark.skip(reason="no recorded streams beside the repository"))


def each_of(recordings: Sequence[R]) -> Callable[[Callable[[R], None]], Callable[[str], None]]:
    """Have the decorated test called with each of them. All that fail are told, by their names."""
    by_source: dict[str, list[R]] = {}
    for recording in recordings:
        by_source.setdefault(recording.name.partition("/")[0], []).append(recording)

    def decorate(test: Callable[[R], None]) -> Callable[[str], None]:
        def over_source(source: str) -> None:
            failures = [failure for one in by_source[source] if (failure := _failure_of(test, one)) is not None]
            if failures:
                raise ExceptionGroup(f"{len(failures)} of {len(by_source[source])} recordings", failures)

        over_source.__name__, over_source.__doc__, over_source.__module__ = test.__name__, test.__doc__, test.__module__
        over = pytest.mark.parametrize("source", list(by_source) or [_ABSENT])
        return pytest.mark.timeout(_TIMEOUT)(over(over_source))

    return decorate


def _failure_of(test: Callable[[R], None], recording: R) -> Exception | None:
    try:
        test(recording)
    except Exception as failure:
        failure.add_note(recording.name)
        return failure
    return None
