"""The one line that each transaction leaves in the log."""

import logging
from collections.abc import Mapping
from time import time

from telemetry.names import ACCESS_LOGGER

_log = logging.getLogger(ACCESS_LOGGER)


class AccessRecord(logging.LogRecord):
    """A log record without the look at the caller's frame, thread and process, which takes longer than all the rest of
    the line. `fields` are known to be clean: numbers, labels, scrubbed text."""

    def __init__(self, message: str, fields: Mapping[str, object]) -> None:
        created = time()
        self.__dict__.update(_SAME, msg=message, created=created, msecs=created % 1 * 1000)
        self.fields = fields


_SAME = vars(logging.LogRecord(ACCESS_LOGGER, logging.INFO, "", 0, "", (), None))
"""What every record has, and all of these have in common."""


def log_access(message: str, fields: Mapping[str, object]) -> None:
    _log.handle(AccessRecord(message, fields))


def is_logged() -> bool:
    return _log.isEnabledFor(logging.INFO)
