"""llama.cpp with a tiny random model, as a process beside the tests."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.real.fetched import python_with_models

_SCRIPT = Path(__file__).with_name("model_server.py")


@contextmanager
def local_model(folder: Path) -> Iterator[str]:
    """Its address. It speaks OpenAI's chat, completions and embeddings, and Anthropic's messages."""
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [python_with_models(), _SCRIPT, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
        )
        try:
            assert process.stdout is not None
            address = process.stdout.readline().decode().strip()
            if not address:
                pytest.fail((folder / "server.log").read_text()[-2000:])
            yield address
        finally:
            process.kill()
            process.communicate()
