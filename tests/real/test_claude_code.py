"""Claude Code, headless, with the gateway in the place of Anthropic's API."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.behaviour.gateway import RunningGateway, configuration, simulated
from tests.real.fetched import node_program
from tests.real.local_model import local_model

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with local_model(tmp_path_factory.mktemp("model")) as address:
        yield address


@pytest.fixture(scope="module")
def gateway(address: str) -> Iterator[RunningGateway]:
    local = [
        f"local-chat: {{model: hosted_vllm/tiny, api_base: '{address}/v1', max_tokens: 60}}",
        f"local-messages: {{model: anthropic/tiny, api_base: '{address}', api_key: none-needed}}",
    ]
    with RunningGateway(configuration([*simulated("lorem-8", "tools", "status-529"), *local])) as running:
        yield running


def run(gateway: RunningGateway, folder: Path, model: str, *options: str) -> tuple[dict[str, Any], str]:
    """Its result, and what it wrote to stderr."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "ANTHROPIC_BASE_URL": gateway.url,
        "ANTHROPIC_AUTH_TOKEN": "any",
        "ANTHROPIC_SMALL_FAST_MODEL": "lorem-8",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS": "60",
        "CLAUDE_CODE_MAX_RETRIES": "0",
        "DISABLE_AUTOUPDATER": "1",
    }
    ended = subprocess.run(
        [*node_program("claude"), "-p", "hello there", "--model", model, "--output-format", "json", *options],
        cwd=folder,
        env=environment,
        capture_output=True,
        timeout=120,
        check=False,
    )
    output = ended.stdout.decode().strip()
    assert output.startswith("{"), (output, ended.stderr.decode())
    return json.loads(output), ended.stderr.decode()


def test_claude_code_talks_to_a_model(gateway: RunningGateway, tmp_path: Path) -> None:
    result, _ = run(gateway, tmp_path, "lorem-8")
    assert (result["subtype"], result["is_error"]) == ("success", False)
    assert result["result"] == "lorem ipsum dolor sit amet consectetur adipiscing elit"
    assert result["usage"]["input_tokens"] > 0


def test_claude_code_runs_a_tool_and_gives_the_model_its_result(gateway: RunningGateway, tmp_path: Path) -> None:
    result, _ = run(gateway, tmp_path, "tools", "--tools", "Read")
    assert result["num_turns"] == 2
    assert result["result"].startswith("The tool said:")


@pytest.mark.parametrize("model", ["local-chat", "local-messages"])
def test_claude_code_reads_a_real_model_in_either_dialect(gateway: RunningGateway, tmp_path: Path, model: str) -> None:
    """Gibberish, until it is stopped by the limit on its tokens."""
    result, _ = run(gateway, tmp_path, model, "--tools", "", "--system-prompt", "Be brief.")
    assert result["modelUsage"][model]["outputTokens"] > 0
    gateway.wait_until_idle()
    ended = [one for one in gateway.transactions() if one["flowspan.model"] == model]
    assert ended
    assert {one.outcome for one in ended} == {"ok"}


def test_claude_code_reports_a_provider_that_is_overloaded(gateway: RunningGateway, tmp_path: Path) -> None:
    result, _ = run(gateway, tmp_path, "status-529")
    assert result["is_error"] is True
    assert "529" in result["result"]
