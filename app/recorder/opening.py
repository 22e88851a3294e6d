"""From the setting `recorder.store` to a store."""

import os
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from app.recorder.stores import Store, StoreFailed
from app.recorder.stores.segments import Bounds
from app.recorder.stores.sqlite import SQLiteStore
from app.settings import RecorderSettings

_FORMS = "expected off, memory, sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE"
_HINTS = {
    "postgres": "the scheme is postgresql://",
    "sqlite3": "the scheme is sqlite:///",
    "file": "for a file write sqlite:///FILE",
    "mysql": "of databases there are SQLite and PostgreSQL",
}


class StoreUrl(NamedTuple):
    kind: Literal["off", "memory", "sqlite", "postgresql"]
    file: Path | None = None


def read_store(text: str) -> StoreUrl:
    """What the setting `store` stands for. Raises ValueError that says how it is written; never with a password."""
    if text == "off":
        return StoreUrl("off")
    if text == "memory":
        return StoreUrl("memory")
    scheme, colon, rest = text.partition(":")
    if not colon:
        hint = f"; for a file write sqlite:///{text}" if text.endswith((".db", ".sqlite", ".sqlite3")) else ""
        raise ValueError(_FORMS + hint)
    if scheme == "sqlite":
        if not rest.startswith("///") or not rest.strip("/"):
            raise ValueError("expected sqlite:///FILE, with four slashes for an absolute path")
        if rest.endswith("/") or "?" in rest:
            raise ValueError("expected a file after sqlite:///, without options")
        return StoreUrl("sqlite", Path(rest[3:]))
    if scheme == "postgresql":
        _check_postgresql(text)
        return StoreUrl("postgresql")
    raise ValueError(_FORMS + (f"; {_HINTS[scheme]}" if scheme in _HINTS else ""))


def _check_postgresql(text: str) -> None:
    try:
        parts = urlsplit(text)
        name, _ = parts.path.strip("/"), parts.port
    except ValueError:
        raise ValueError("expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE") from None
    if not text.startswith("postgresql://") or not name:
        raise ValueError("expected postgresql://USER:PASSWORD@HOST/DATABASE, with the name of a database")


def open_store(settings: RecorderSettings, *, writes: bool = True) -> Store:
    """The store of these settings, which is not `off`. Raises StoreFailed. With `writes=False` it can be read alone,
    also while a gateway writes to it; there it has to exist."""
    try:
        url = read_store(settings.store)
    except ValueError as error:
        raise StoreFailed(f"recorder.store: {error}") from None
    match url.kind:
        case "off":
            raise StoreFailed("recorder.store is off")
        case "memory":
            return SQLiteStore(None, Bounds(settings.memory, None))
        case "sqlite":
            assert url.file is not None
            _check_folder(url.file, writes=writes)
            return SQLiteStore(url.file, Bounds(settings.max_size, settings.max_age), writes=writes)
        case "postgresql":
            raise StoreFailed("PostgreSQL is not there yet")


def _check_folder(file: Path, *, writes: bool) -> None:
    folder = file.absolute().parent
    if file.is_dir():
        raise StoreFailed(f"{file}: it is a folder; the store is a file")
    if not folder.is_dir():
        raise StoreFailed(f"{file}: the folder {folder} is not there")
    if writes and not os.access(folder, os.W_OK):
        raise StoreFailed(f"{file}: nothing can be written in the folder {folder}")
    if not writes and not file.exists():
        raise StoreFailed(f"{file}: the file is not there")
