"""What providers write at the head of a response in another form than their API's: ids as numbers, times as texts."""

from typing import Any


def id_in(value: Any) -> str:
    """An id as text; empty where there is none."""
    return "" if value is None else str(value)


def unix_time(value: Any) -> int:
    """Unix seconds; 0 for a time in another form, of which nobody has any use."""
    try:
        return int(value or 0)
    except (TypeError, ValueError, OverflowError):
        return 0
