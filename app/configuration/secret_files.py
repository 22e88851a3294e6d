"""A secret in a file of its own, as Docker and Kubernetes mount it."""

import os
import stat

_LONGEST = 1024**2
"""Bytes. A secret is short; a longer file is another one than was meant."""


class NotReadable(Exception):
    """The file has no secret to read. The text names the file and the reason, and shows nothing of its content."""


def read_secret(file: str) -> str:
    """The text of a file without the line ends behind it. Raises NotReadable."""
    try:
        with open(file, "rb", opener=_without_waiting) as opened:
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                raise NotReadable(f"{file} is no regular file")
            content = opened.read(_LONGEST + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no name of a file"
        raise NotReadable(f"the file {file} cannot be read: {reason}") from None
    if len(content) > _LONGEST:
        raise NotReadable(f"the file {file} is longer than {_LONGEST:,} bytes, which no secret is")
    try:
        text = content.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise NotReadable(f"the file {file} is not UTF-8 text") from None
    if not text:
        raise NotReadable(f"the file {file} is empty")
    return text


def _without_waiting(file: str, flags: int) -> int:
    # A pipe without a writer would hold the start for ever.
    return os.open(file, flags | os.O_NONBLOCK)
