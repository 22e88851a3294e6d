"""The gateway, started from a directory that others can write to."""

import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.behaviour.process import COMMAND, SCRIPT, Served

LIBRARIES = ("litellm", "yaml", "telemetry", "uvloop", "regex", "openai", "httpx", "dotenv", "tiktoken")
NOT_INSTALLED = ("orjson", "redis", "boto3", "prisma", "fastapi_sso", "ddtrace", "langfuse", "enterprise")
"""Looked for by libraries that could use them."""
MODEL = """\
model_list: [{model_name: m, backend: litellm, litellm_params: {model: groq/x, api_key: k}}]
gateway: {server: {lame_duck: 0, drain_timeout: 1s}}
"""


@pytest.mark.parametrize("command", [COMMAND, SCRIPT], ids=["python -c", "flowspan"])
def test_nothing_in_it_passes_for_a_library(tmp_path: Path, command: Sequence[str]) -> None:
    ran = tmp_path / "ran"
    for name in (*LIBRARIES, *NOT_INSTALLED):
        (tmp_path / f"{name}.py").write_text(f"open({str(ran)!r}, 'a').write({name!r} + ' ')\n")
    plugin = tmp_path / "plugin-1.0.dist-info"
    plugin.mkdir()
    (plugin / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    (plugin / "entry_points.txt").write_text("[opentelemetry_resource_detector]\notel = redis:Detector\n")
    with Served(tmp_path, MODEL, command, cwd=tmp_path) as served:
        served.send(signal.SIGTERM)
        served.end()
        assert served.process.returncode == 0
    assert not ran.exists(), ran.read_text()
