"""Exceptions without their messages, which may quote a prompt or a response: types, and where they were raised.

Only the operating system's errors keep their text.
"""

import traceback
from collections.abc import Iterator
from pathlib import Path

_FRAMES = 20
_LINKS = 16


def name_of(error: BaseException) -> str:
    """The type of an error; of an operating system's error also its number and the system's text."""
    kind = type(error).__qualname__
    if isinstance(error, OSError) and error.strerror and isinstance(error.errno, int):
        return f"{kind}: [Errno {error.errno}] {error.strerror}"
    return kind


def summary_of(error: BaseException) -> str:
    """The type of an error and the line that raised it, as in `ValueError in decode (sse.py:31)`."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return name_of(error)
    last = frames[-1]
    return f"{name_of(error)} in {last.name} ({Path(last.filename).name}:{last.lineno})"


def stack_of(error: BaseException) -> str:
    """The stack of an error and of each error behind it, the first cause first; no messages."""
    parts = []
    for link in reversed(list(chain_of(error))):
        frames = "".join(traceback.format_list(traceback.extract_tb(link.__traceback__, -_FRAMES)))
        parts.append(f"Traceback (most recent call last):\n{frames}{name_of(link)}\n")
    return "\n".join(parts)


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those behind it, 16 at most, outermost first: its cause, or the error that it was raised in
    handling, even `from None`; the members of a group; and what libraries keep as `original_exception` or `os_error`.
    """
    seen: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting and len(seen) < _LINKS:
        link = waiting.pop(0)
        if not isinstance(link, BaseException) or any(link is one for one in seen):
            continue
        seen.append(link)
        yield link
        kept = (getattr(link, "original_exception", None), getattr(link, "os_error", None))
        members = link.exceptions if isinstance(link, BaseExceptionGroup) else ()
        waiting += [*kept, link.__cause__ or link.__context__, *members]
