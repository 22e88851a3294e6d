"""The limits of a process that was told to end, each in a process of its own."""

import signal
import subprocess
import sys

WITHOUT_END = "while True: pass"


def ended(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)


def test_code_that_lets_nothing_else_run_is_ended_and_shown() -> None:
    process = ended(
        f"from app.serving.process_end import end_within\nend_within(1)\ndef hanging():\n  {WITHOUT_END}\nhanging()"
    )
    assert process.returncode == -signal.SIGALRM
    assert "in hanging" in process.stderr


def test_a_second_limit_does_not_put_the_end_off() -> None:
    process = ended(f"from app.serving.process_end import end_within\nend_within(1)\nend_within(3600)\n{WITHOUT_END}")
    assert process.returncode == -signal.SIGALRM


def test_threads_that_hang_are_not_waited_for() -> None:
    process = ended(
        "import threading\nfrom app.serving.process_end import do_not_wait_for_threads\n"
        "threading.Thread(target=threading.Event().wait, name='hanging').start()\ndo_not_wait_for_threads(0.2)"
    )
    assert (process.returncode, process.stderr) == (0, "ended without waiting for threads: hanging\n")


def test_without_such_threads_the_end_is_pythons_own() -> None:
    process = ended(
        "from app.serving.process_end import do_not_wait_for_threads\ndo_not_wait_for_threads(3600)\nprint('end')"
    )
    assert (process.returncode, process.stdout, process.stderr) == (0, "end\n", "")
