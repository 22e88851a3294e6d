"""`flowspan demo --once` and `flowspan demo`, as a colleague would start them."""

import os
import signal
import subprocess
import sys
from time import monotonic

from tests.receivers import OtlpReceiver

_COMMAND = [sys.executable, "-c", "from app.cli import main; main()", "demo"]
_LIMIT = 30


def _environment() -> dict[str, str]:
    """Nothing of the caller's that would change colours, width or where spans go."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "FORCE_", "COLUMNS"))}
    return {**kept, "PYTHONWARNINGS": "default"}


def test_one_incident_keeps_every_promise_within_half_a_minute_and_an_own_collector_gets_its_spans() -> None:
    began = monotonic()
    with OtlpReceiver() as collector:
        environment = {**_environment(), "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}
        done = subprocess.run([*_COMMAND, "--once"], capture_output=True, text=True, timeout=55, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        assert monotonic() - began < _LIMIT
        exported = {span.trace_id for span in collector.spans()}
    assert len(exported) == _printed_total(done.stdout)
    _check_report(done.stdout)
    assert done.stderr == ""


def _printed_total(printed: str) -> int:
    [*_, clients, traces, metrics] = next(line for line in printed.splitlines() if line.startswith("in all")).split()
    assert clients == traces == metrics
    return int(clients)


def _check_report(printed: str) -> None:
    for part in (
        "POST /v1/chat/completions",
        "├ stage policy_executor",
        "queue sse",
        "◆ policy.decision redacted",
        "Where the time went",
        "half-open -> closed",
        "promises kept.",
    ):
        assert part in printed
    assert "✗" not in printed
    assert "\x1b" not in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_without_a_terminal_the_demo_tells_a_line_a_second_until_it_is_interrupted() -> None:
    with subprocess.Popen(_COMMAND, stdout=subprocess.PIPE, text=True, env=_environment()) as running:
        assert running.stdout is not None
        first = running.stdout.readline()
        lines = [running.stdout.readline() for _ in range(2)]
        running.send_signal(signal.SIGINT)
        rest, _ = running.communicate(timeout=20)
    assert first.startswith("gateway http://127.0.0.1:")
    assert all("in flight" in line for line in lines)
    assert rest.splitlines()[-1].startswith(tuple("0123456789"))
    assert "requests ended in" in rest
    assert running.returncode == 0
