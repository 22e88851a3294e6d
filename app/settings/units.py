"""The types of settings that have a unit or a range."""

from typing import Annotated

from msgspec import Meta

Count = Annotated[int, Meta(ge=1)]
Port = Annotated[int, Meta(ge=0, le=65535)]
Share = Annotated[float, Meta(ge=0, le=1)]


class Seconds(float):
    """A duration; written `30`, `30s`, `500ms`, `2m` or `1h`."""


class FileMode(int):
    """Permissions of a file; written as text of octal digits: `"0660"`."""


class ByteSize(int):
    """A size in bytes; written `1024`, `64KiB`, `8MiB` or `1GiB` (`KB`, `MB`, `GB` count thousands)."""
