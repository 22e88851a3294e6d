import os
import signal
import sys

import pytest

from app.run.child import Child, NotStarted


def status_of(program: str) -> int:
    return Child([sys.executable, "-c", program], os.environ).wait()


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("pass", 0),
        ("raise SystemExit(3)", 3),
        ("import os; os.kill(os.getpid(), 9)", 137),
        ("import os; os.abort()", 128 + signal.SIGABRT),
    ],
)
def test_the_exit_status_is_the_programs(program: str, status: int) -> None:
    assert status_of(program) == status


@pytest.mark.parametrize(("program", "status"), [("no-such-program", 127), (__file__, 126), ("/", 126)])
def test_a_program_that_cannot_be_started_has_the_status_of_a_shell(program: str, status: int) -> None:
    with pytest.raises(NotStarted) as refused:
        Child([program], os.environ)
    assert refused.value.status == status


def test_signals_are_as_before_once_the_program_has_ended() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGTSTP)]
    status_of("pass")
    with pytest.raises(NotStarted):
        Child(["no-such-program"], os.environ)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGTSTP)] == before


def test_no_signal_is_kept_from_the_program() -> None:
    blocked = "raise SystemExit(int(open('/proc/self/status').read().partition('SigBlk:')[2].split()[0], 16))"
    assert status_of(blocked) == 0
