"""`flowspan run -- AGENT`: coding agents as npm has them, with nothing configured but their key and where to ask."""

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec
import pytest

from app.recorder.opening import open_store
from app.recorder.recording import Recording
from app.recorder.stores import Filter
from app.settings import RecorderSettings
from tests.behaviour.gateway import until
from tests.behaviour.provider import Provider
from tests.real.agents import Model, Turn
from tests.real.fetched import node_program
from tests.upstream import Body, Received, Script, anthropic_error, json_reply

pytestmark = pytest.mark.timeout(200)
_COMMAND = [sys.executable, "-c", "from app.cli import main; main()", "run"]
_KEYS = {"ANTHROPIC_API_KEY": "sk-ant-canary-0123456789abcdef", "OPENAI_API_KEY": "sk-canary-0123456789abcdef"}
_WORD = "canary-4711"
_QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CLAUDE_CODE_MAX_RETRIES": "0",
    "DISABLE_AUTOUPDATER": "1",
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
}


class World:
    """A scripted provider of both APIs, and a folder with a file for an agent to read."""

    def __init__(self, provider: Provider, folder: Path) -> None:
        self._provider = provider
        self.folder = folder
        self.turns: list[Turn] = []
        self.sent: list[bytes] = []
        """The bytes of each answer's body, as the provider sent them."""
        (folder / "short.txt").write_text(f"{_WORD}\n")

    def script(self, model: Model) -> None:
        def play(number: int, received: Received) -> Script:
            if "count_tokens" in received.path:
                return json_reply({"input_tokens": 100})
            turn = Turn(number, received)
            self.turns.append(turn)
            script = list(model(turn))
            self.sent.append(b"".join(step.data for step in script if isinstance(step, Body)))
            return script

        self._provider.play(play)

    def recordings(self) -> list[Recording]:
        """What `--record sqlite:///session.db` has kept, the oldest first."""
        settings = RecorderSettings(store=f"sqlite:///{self.folder / 'session.db'}")
        store = open_store(settings, writes=False)
        try:
            entries = reversed(store.entries(Filter()))
            found = [store.recording(entry.transaction_id) for entry in entries]
        finally:
            store.close()
        return [recording for recording in found if recording is not None]

    def environment(self) -> dict[str, str]:
        """What an agent needs: its keys, and where to ask."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        bases = {"ANTHROPIC_BASE_URL": self._provider.url, "OPENAI_BASE_URL": f"{self._provider.url}/v1"}
        return {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(home), **_KEYS, **_QUIET, **bases}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`flowspan run` in the folder, with these arguments."""
        return subprocess.run(
            [*_COMMAND, *arguments],
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with Provider() as provider:
        yield World(provider, tmp_path)


def agent(name: str) -> tuple[Sequence[str], str, dict[str, Any]]:
    """The command for one prompt, the tool by which this agent reads a file, and the arguments of its call."""
    program = node_program(name)
    match name:
        case "claude":
            command = ["-p", "hello there", "--model", "claude-opus-4-8", "--allowedTools", "Read"]
            return [*program, *command], "Read", {"file_path": "short.txt"}
        case "codex":
            command = ["exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "hello there"]
            return [*program, *command, "-m", "gpt-5"], "exec_command", {"cmd": "cat short.txt"}
        case _:
            command = ["run", "-m", "anthropic/claude-opus-4-8", "hello there"]
            return [*program, *command], "read", {"filePath": "short.txt"}


def _reads(world: World, tool: str, arguments: dict[str, Any]) -> Model:
    path = {name: str(world.folder / value) if "ath" in name else value for name, value in arguments.items()}

    def model(turn: Turn) -> Script:
        if tool not in turn.tools:  # A title for the session, say.
            return turn.text("A title")
        if not turn.has_results:
            return turn.call(tool, path)
        return turn.text(f"It says {_WORD}." if _WORD in turn.conversation else "It says nothing.")

    return model


@pytest.mark.parametrize("name", ["claude", "codex", "opencode"])
def test_an_agent_runs_with_nothing_configured(world: World, name: str) -> None:
    command, tool, arguments = agent(name)
    world.script(_reads(world, tool, arguments))
    done = world.run("--record", "sqlite:///session.db", "--", *command)
    assert done.returncode == 0, done.stderr
    assert f"It says {_WORD}." in done.stdout
    key = _KEYS["OPENAI_API_KEY" if name == "codex" else "ANTHROPIC_API_KEY"]
    for turn in world.turns:
        headers = turn.received.headers
        assert key in (headers.get("x-api-key", ""), headers.get("authorization", "").removeprefix("Bearer "))
    assert f"{name} ran for " in done.stderr
    assert f": {len(world.turns)} requests in " in done.stderr
    assert f"  tools    {tool} 1\n" in done.stderr
    recordings = world.recordings()
    # Of two requests at the same time either may have been answered first.
    assert Counter(map(_from_provider, recordings)) == Counter(world.sent)
    assert Counter(map(_to_client, recordings)) == Counter(world.sent)
    kept = (msgspec.msgpack.encode(recordings) + (world.folder / "session.db").read_bytes()).decode("latin-1")
    assert not any(key in done.stdout + done.stderr + kept for key in _KEYS.values())


def _from_provider(recording: Recording) -> bytes:
    (attempt,) = recording.attempts
    return b"".join(piece.data for piece in attempt.answer)


def _to_client(recording: Recording) -> bytes:
    return b"".join(piece.data for piece in recording.answer)


def test_the_exit_status_of_an_agent_that_failed_is_handed_on_and_the_summary_says_why(world: World) -> None:
    world.script(lambda turn: anthropic_error(529, "overloaded_error", "Overloaded"))
    command, _, _ = agent("claude")
    done = world.run("--", *command, "--output-format", "json")
    result = json.loads(done.stdout)
    assert (done.returncode, result["is_error"], "529" in result["result"]) == (1, True, True)
    assert "failed   1 x the provider failed (529" in done.stderr


def test_the_prompt_is_seen_in_the_console_seconds_after_the_one_command(
    world: World, record_testsuite_property: Callable[[str, object], None]
) -> None:
    world.script(lambda turn: turn.text("hello"))
    command, _, _ = agent("claude")
    began = monotonic()
    with subprocess.Popen(
        [*_COMMAND, "--keep", "--", *command],
        cwd=world.folder,
        env=world.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            assert running.stderr is not None
            url = running.stderr.readline().split()[-1]
            conversation = until(
                lambda: re.search(r"/conversations/[\w-]{8,}", _page(f"{url}/conversations")), "it", 60
            )
            until(lambda: "hello there" in _page(url + conversation[0]), "the prompt is shown", 60)
            record_testsuite_property("seconds_until_the_prompt_is_seen", round(monotonic() - began, 1))
            assert "You are" in _page(url + conversation[0])
        finally:
            running.terminate()


def _page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as page:
        return str(page.read().decode())
