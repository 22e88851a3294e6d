"""The log of a run: to a file, since the program has the terminal; what its lines come to is counted as they pass."""

import logging
import os
import tempfile
from pathlib import Path

from app.run.summary import Totals
from telemetry.logs.records import CleanRecord
from telemetry.names import ACCESS_LOGGER


class RunLog(logging.Handler):
    """Counts the transactions that end. `stream` is where lines are written to."""

    def __init__(self) -> None:
        super().__init__()
        handle, name = tempfile.mkstemp(prefix="flowspan-run-", suffix=".log")
        self.path = Path(name)
        self.stream = os.fdopen(handle, "w", encoding="utf-8", errors="replace")
        self.totals = Totals()
        self._faults = 0

    def install(self) -> None:
        """To be called once telemetry has taken over the process's logging."""
        logging.getLogger().addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            self._faults += 1
        if record.name == ACCESS_LOGGER and isinstance(record, CleanRecord):
            self.totals.add(record.fields)

    def finish(self) -> Path | None:
        """The file where there is something in it that should not be; else it is removed."""
        logging.getLogger().removeHandler(self)
        self.stream.close()
        if self._faults:
            return self.path
        self.path.unlink(missing_ok=True)
        return None
