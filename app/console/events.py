"""Server-sent events: pieces of a page, sent for as long as somebody looks."""

import re
from collections.abc import AsyncIterator

from starlette.responses import StreamingResponse

_LINE_END = re.compile(r"\r\n|\r|\n")


def event(name: str, data: str) -> str:
    """One event. Its data may have several lines, parted by what parts the lines of an event: `str.splitlines` knows
    more line ends, which may stand in a text."""
    lines = "".join(f"data: {line}\n" for line in _LINE_END.split(data))
    return f"event: {name}\n{lines}\n"


class EventStream(StreamingResponse):
    """A response of events."""

    def __init__(self, events: AsyncIterator[str]) -> None:
        super().__init__(
            events,
            media_type="text/event-stream",
            # A proxy that gathers a response would show nothing until its end.
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )
