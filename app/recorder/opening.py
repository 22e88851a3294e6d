"""From the setting `recorder.store` to a store."""

import os
from pathlib import Path

from app.recorder.store_urls import read_store
from app.recorder.stores import Store, StoreFailed
from app.recorder.stores.segments import Bounds
from app.recorder.stores.sqlite import SQLiteStore
from app.settings import RecorderSettings


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
            return _open_postgresql(settings, writes=writes)


def _open_postgresql(settings: RecorderSettings, *, writes: bool) -> Store:
    try:
        from app.recorder.stores.postgresql import PostgreSQLStore
    except ImportError:
        raise StoreFailed("postgresql:// needs psycopg: pip install 'psycopg[binary]>=3.2'") from None
    return PostgreSQLStore(settings.store, Bounds(settings.max_size, settings.max_age), writes=writes)


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
