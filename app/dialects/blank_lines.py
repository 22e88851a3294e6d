"""The blank line that ends a server-sent event, which the last one of a stream may lack. Pure."""

_BLANK_LINES = (b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\r")
LONGEST_BLANK_LINE = 4
"""Bytes of an event's end that tell whether it lacks its blank line."""


def missing_blank_line(event: bytes) -> bytes:
    """What has to come behind a provider's event before anything else may."""
    return b"" if not event or event.endswith(_BLANK_LINES) else b"\n\n"


def with_blank_line(event: bytes) -> bytes:
    return event + missing_blank_line(event)
