"""Addresses of SQLite's files in settings: `sqlite:///FILE`. Pure."""

from pathlib import Path

_ENDINGS = (".db", ".sqlite", ".sqlite3")
HINTS = {"sqlite3": "the scheme is sqlite:///", "file": "for a file write sqlite:///FILE"}
"""What is meant, by schemes that are written in place of `sqlite`."""


def sqlite_file(rest: str) -> Path:
    """The file of an address, of which `rest` is what follows `sqlite:`. Raises ValueError that says how an address is
    written."""
    if not rest.startswith("///") or not rest.strip("/"):
        raise ValueError("expected sqlite:///FILE, with four slashes for an absolute path")
    if rest.endswith("/") or "?" in rest:
        raise ValueError("expected a file after sqlite:///, without options")
    return Path(rest[3:])


def without_scheme(text: str, forms: str) -> ValueError:
    """The error for a text that has no scheme where one of `forms` is expected."""
    return ValueError(f"{forms}; for a file write sqlite:///FILE" if text.endswith(_ENDINGS) else forms)
