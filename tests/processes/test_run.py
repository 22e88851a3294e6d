"""`flowspan run -- PROGRAM`, as somebody at a terminal would start it."""

import os
import pty
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.behaviour.gateway import until
from tests.behaviour.provider import Provider
from tests.oddities.table import messages_events
from tests.upstream import Body

_COMMAND = [sys.executable, "-c", "from app.cli import main; main()", "run"]
KEY = "sk-ant-canary-0123456789abcdef"
_TIMEOUT = 30
_ASKS = """
import json, os, sys, urllib.request
body = {"model": "claude-opus-4-8", "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "hi"}]}
request = urllib.request.Request(
    os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages", json.dumps(body).encode(), {"x-api-key": os.environ["KEY"]}
)
sys.stdout.buffer.write(urllib.request.urlopen(request).read())
sys.exit(7)
"""
_ANSWER = messages_events(
    ({"type": "text", "text": ""}, [{"type": "text_delta", "text": "hello"}]),
    ({"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {}}, []),
    stop="tool_use",
)


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider() as running:
        running.play(_ANSWER)
        yield running


def environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    left_out = ("OTEL_", "ANTHROPIC_", "OPENAI_", "FLOWSPAN_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return {**kept, **(variables or {})}


def flowspan_run(
    *arguments: str, variables: Mapping[str, str] | None = None, folder: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*_COMMAND, *arguments],
        env=environment(variables),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_TIMEOUT,
        check=False,
    )


def test_a_program_asks_its_provider_through_the_gateway_with_its_own_key(provider: Provider, tmp_path: Path) -> None:
    variables = {"ANTHROPIC_BASE_URL": provider.url, "KEY": KEY, "TMPDIR": str(tmp_path)}
    done = flowspan_run("--", sys.executable, "-c", _ASKS, variables=variables)
    printed = done.stderr.decode()
    assert done.returncode == 7, printed
    assert done.stdout == b"".join(step.data for step in _ANSWER if isinstance(step, Body))
    assert provider.received().headers["x-api-key"] == KEY
    assert re.search(r"see it at http://127\.0\.0\.1:\d+\n", printed)
    assert "set for the program: ANTHROPIC_BASE_URL, OPENAI_BASE_URL, OPENAI_API_BASE\n" in printed
    assert re.search(r"ran for .*: 1 request in 1 conversation\n  models   claude-opus-4-8 1\n", printed)
    assert "  tools    Read 1\n" in printed
    assert KEY not in printed
    # Nothing went wrong, so no log is left.
    assert list(tmp_path.iterdir()) == []


def test_a_failure_is_in_the_summary_and_its_log_is_kept(tmp_path: Path) -> None:
    variables = {"ANTHROPIC_BASE_URL": "http://127.0.0.1:1", "KEY": KEY, "TMPDIR": str(tmp_path)}
    done = flowspan_run("--no-console", sys.executable, "-c", _ASKS, variables=variables)
    printed = done.stderr.decode()
    assert done.returncode == 1
    assert "failed   1 x the provider failed (" in printed
    assert "could not be reached" in printed
    assert "flowspan: runs without a console\n" in printed
    (log,) = tmp_path.iterdir()
    assert f"the gateway's log: {log}\n" in printed
    assert KEY not in log.read_text()


def test_models_of_a_file_are_asked_with_its_keys_and_one_that_only_the_program_has(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_text("model_list: [{model_name: claude-opus-4-8, litellm_params: {model: simulated/echo}}]\n")
    asks = _ASKS.replace('"KEY"', '"ANTHROPIC_AUTH_TOKEN"')
    done = flowspan_run("--config", str(file), sys.executable, "-c", asks, variables={"ANTHROPIC_API_KEY": KEY})
    assert (done.returncode, b"message_stop" in done.stdout) == (7, True), done.stderr.decode()


def test_a_program_that_is_not_there_is_told_so() -> None:
    done = flowspan_run("--quiet", "--no-console", "no-such-program")
    assert (done.returncode, done.stderr) == (127, b"flowspan run: no-such-program: no such program is found\n")


_WAITS = """
import os, signal, sys
def leave(number, frame):
    os.write(1, f"signal {number}\\n".encode())
    sys.exit(5)
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, leave)
os.write(1, f"ready {os.getpid()}\\n".encode())
while True:
    signal.pause()
"""


class Terminal:
    """A process that leads the session of a terminal of its own."""

    def __init__(self, command: Sequence[str]) -> None:
        self.pid, self._terminal = pty.fork()
        if not self.pid:
            os.execvpe(command[0], list(command), environment())
        self._printed = b""

    def type(self, keys: bytes) -> None:
        os.write(self._terminal, keys)

    def wait_for(self, pattern: str) -> re.Match[str]:
        def found() -> re.Match[str] | None:
            with suppress(OSError):
                self._printed += os.read(self._terminal, 4096)
            return re.search(pattern, self._printed.decode(errors="replace"))

        match: re.Match[str] = until(found, f"{pattern} is printed", _TIMEOUT)
        return match

    def status(self, options: int = 0) -> int:
        return os.waitpid(self.pid, options)[1]

    def close(self) -> None:
        with suppress(ProcessLookupError, ChildProcessError):
            os.killpg(self.pid, signal.SIGKILL)
        os.close(self._terminal)


@contextmanager
def terminal(*command: str) -> Iterator[Terminal]:
    opened = Terminal([*_COMMAND, *(command or ("--quiet", "--no-console", sys.executable, "-c", _WAITS))])
    try:
        yield opened
    finally:
        opened.close()


def test_a_program_on_a_terminal_stops_goes_on_and_gets_ctrl_c_once() -> None:
    with terminal() as opened:
        program = int(opened.wait_for(r"ready (\d+)")[1])
        os.kill(program, signal.SIGSTOP)
        assert os.WIFSTOPPED(opened.status(os.WUNTRACED))
        os.killpg(opened.pid, signal.SIGCONT)
        opened.type(b"\x03")
        opened.wait_for(r"signal 2\r\n")
        assert os.waitstatus_to_exitcode(opened.status()) == 5


def test_what_is_sent_to_the_command_alone_reaches_the_program() -> None:
    with terminal() as opened:
        opened.wait_for("ready")
        os.kill(opened.pid, signal.SIGTERM)
        opened.wait_for(r"signal 15\r\n")
        assert os.waitstatus_to_exitcode(opened.status()) == 5


def test_the_console_stays_until_ctrl_c_where_that_is_asked_for() -> None:
    with terminal("--keep", sys.executable, "-c", "raise SystemExit(3)") as opened:
        address = opened.wait_for(r"the console stays at (http://\S+) until you press Ctrl-C")[1]
        with urllib.request.urlopen(address, timeout=_TIMEOUT) as page:
            assert page.status == 200
        opened.type(b"\x03")
        assert os.waitstatus_to_exitcode(opened.status()) == 3
