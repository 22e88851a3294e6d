"""A stream that goes out as the provider sent it: what its own bytes leave to watch for.

Events are counted from 0. As long as they come without a gap and nothing else comes between, their bytes are the body.
"""

EDITED = -1
"""In place of the sequence that is expected next: nothing follows byte for byte any more."""
ENDED = -2
"""Nothing follows at all."""

_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\r")


def separator(raw: bytes) -> bytes:
    """What an event of our own needs in front: a provider's last one may lack its blank line."""
    return b"" if not raw or raw.endswith(_ENDS) else b"\n\n"
