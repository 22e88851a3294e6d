"""Whether the store of recordings can be opened."""

import os
from pathlib import Path

from app.doctor.findings import Finding
from app.recorder.opening import open_store
from app.recorder.stores import StoreFailed
from app.settings import RecorderSettings

_SQLITE = "sqlite:///"


def look_at_store(settings: RecorderSettings) -> Finding:
    match settings.store:
        case "off":
            return Finding("note", "nothing is recorded; `recorder: memory` in the section `gateway` does so")
        case "memory":
            return Finding("good", f"kept in memory, {settings.memory / 2**20:.0f} MiB at most")
    file = Path(settings.store.removeprefix(_SQLITE)) if settings.store.startswith(_SQLITE) else None
    if file is not None and not file.exists():
        return _new_file(file)
    try:
        # As the start does it, which makes tables where there are none.
        store = open_store(settings)
        try:
            figures = store.figures()
        finally:
            store.close()
    except StoreFailed as error:
        return Finding("fault", str(error))
    return Finding("good", f"{figures.recordings:,} recordings, {figures.bytes / 2**20:.1f} MiB, can be added to")


def _new_file(file: Path) -> Finding:
    folder = file.absolute().parent
    if not folder.is_dir():
        return Finding("fault", f"{file}: the folder {folder} is not there")
    if not os.access(folder, os.W_OK):
        return Finding("fault", f"{file}: nothing can be written in the folder {folder}")
    return Finding("good", f"{file} is made at the start")
