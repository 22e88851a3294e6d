"""The end of the process, whatever still runs in it: an operator who told it to stop need not kill it."""

import faulthandler
import logging
import os
import signal
import sys
import threading
import time

_log = logging.getLogger("flowspan")


def end_within(limit: float) -> None:
    """Let the system end the process in `limit` seconds, and show a moment earlier where it hangs: nothing in Python
    could, where code keeps the event loop for itself, or the interpreter's lock. The first limit counts."""
    if not any(signal.getitimer(signal.ITIMER_REAL)):
        signal.setitimer(signal.ITIMER_REAL, limit)
        if sys.stderr is not None:
            faulthandler.dump_traceback_later(max(limit - 1, limit * 0.9))


def do_not_wait_for_threads(timeout: float) -> None:
    """End the process in `timeout` seconds, as a success. Python by itself would wait for the last of its threads: one
    in which the code of a policy hangs would keep the process for ever."""
    threading.Thread(target=_end, args=(timeout,), name="flowspan-end", daemon=True).start()


def _end(timeout: float) -> None:
    time.sleep(timeout)
    main = threading.main_thread()
    running = [thread.name for thread in threading.enumerate() if not (thread.daemon or thread is main)]
    if running:
        _log.warning("ended without waiting for threads: %s", ", ".join(running))
    logging.shutdown()
    os._exit(0)
