"""The program that is run. It has the terminal as if nobody stood between: the same process group, the signals that a
terminal sends, stops and continues; its exit status is handed on."""

import os
import signal
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from types import FrameType

NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""The exit statuses of shells and `env` for a program that cannot be started."""
_HANDED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_OF_TERMINALS = (signal.SIGINT, signal.SIGQUIT)
_HANDLED = (*_HANDED_ON, *_OF_TERMINALS, signal.SIGTSTP, signal.SIGTTIN)
_RESTORED = (signal.SIGPIPE, signal.SIGXFSZ)
"""Python ignores these, and a program that is started inherits what is ignored."""


class NotStarted(Exception):
    """A program could not be started; `status` is the exit status that says so."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Child:
    """A running program. From its start to its end the signals of this process are meant for it."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """To be called in the main thread. Raises NotStarted."""
        # What comes while it is started is handled once it is there.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
        try:
            self._pid = _spawned(command, environment, mask)
            # What is ignored here is ignored by the program, too, as under `nohup`.
            self._before = {number: signal.getsignal(number) for number in _HANDLED}
            for number, handler in self._before.items():
                if handler is not signal.SIG_IGN:
                    signal.signal(number, self._handle)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def wait(self) -> int:
        """Wait for the program's end, and return its exit status: 128 and the signal's number where a signal ended it.

        A terminal sends Ctrl-C to all processes of the group, so the program has it already; what is sent to this
        process alone is handed on. When the program stops, this process stops as well, as the shell looks at it."""
        try:
            while True:
                _, status = os.waitpid(self._pid, os.WUNTRACED)
                if not os.WIFSTOPPED(status):
                    code = os.waitstatus_to_exitcode(status)
                    return code if code >= 0 else 128 - code
                os.kill(os.getpid(), signal.SIGSTOP)
                os.kill(self._pid, signal.SIGCONT)
        finally:
            for number, handler in self._before.items():
                signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if number in _HANDED_ON or (number in _OF_TERMINALS and not _has_terminal()):
            # It may just have ended.
            with suppress(ProcessLookupError):
                os.kill(self._pid, number)


def _spawned(command: Sequence[str], environment: Mapping[str, str], mask: Iterable[int]) -> int:
    try:
        return os.posix_spawnp(command[0], list(command), environment, setsigdef=_RESTORED, setsigmask=mask)
    except FileNotFoundError:
        raise NotStarted(f"{command[0]}: no such program is found", NOT_FOUND) from None
    except OSError as error:
        raise NotStarted(f"{command[0]} cannot be run: {error.strerror}", NOT_EXECUTABLE) from None


def _has_terminal() -> bool:
    """Whether this process is in the foreground of a terminal, so that Ctrl-C comes from there."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
