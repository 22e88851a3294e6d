import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner, Result

from app.cli import main
from app.settings import Settings

GOOD = "model_list: [{model_name: m, litellm_params: {model: simulated/echo}}]\n"


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("FLOWSPAN_KEY", raising=False)
    path = list(sys.path)
    yield
    sys.path[:] = path


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """What `serve` would have served."""
    found: list[Settings] = []

    def serve(settings: Settings) -> int:
        found.append(settings)
        return 3

    module = ModuleType("app.server")
    vars(module)["serve"] = serve
    monkeypatch.setitem(sys.modules, "app.server", module)
    return found


def flowspan(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def written(path: Path, text: str) -> str:
    file = path / "f.yaml"
    file.write_text(text, "utf-8")
    return str(file)


def test_the_version_is_told() -> None:
    assert flowspan("--version").output.startswith("flowspan ")


def test_check_tells_what_a_good_file_sets_up(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        """\
model_list:
  - {model_name: a, litellm_params: {model: groq/x, api_key: sk-hidden, order: 2}}
  - {model_name: a, litellm_params: {model: simulated/echo, weight: 3}}
  - {model_name: b, litellm_params: {model: simulated/echo}}
general_settings: {master_key: sk-hidden, database_url: sk-hidden}
litellm_settings: {fallbacks: [{a: [b]}]}
gateway:
  policies: [{use: redact, on_error: fail_open}]
""",
    )
    result = flowspan("check", file)
    assert result.exit_code == 0
    assert "general_settings.database_url: LiteLLM's, not supported here; it changes nothing" in result.output
    assert (
        """\
2 models, 3 deployments
  a (falls back to b)
    simulated/echo by simulated, order 1, weight 3
    groq/x by openai, order 2, weight 1
  b
    simulated/echo by simulated
1 policy
  redact (fail_open)
limits
  127.0.0.1:8080, metrics on 9464, 1 key
  request timeout 600 s, 2 retries
  queues of 10,000 items and 8 MiB, 512 MiB in all; body 32 MiB
"""
        in result.output
    )
    assert result.output.endswith(f"{file} is good.\n")
    assert "sk-hidden" not in result.output


def test_check_warns_of_loopback_without_keys(tmp_path: Path) -> None:
    assert "1 warning\n  no key is set: " in flowspan("check", written(tmp_path, GOOD)).output


def test_check_shows_some_of_very_many_models(tmp_path: Path) -> None:
    entries = "".join(f"- {{model_name: m{n}, litellm_params: {{model: simulated/echo}}}}\n" for n in range(1100))
    output = flowspan("check", written(tmp_path, f"model_list:\n{entries}")).output
    assert "1,100 models, 1,100 deployments" in output
    assert "  and 1,080 more\n" in output


def test_check_tells_all_problems_and_ends_with_1(tmp_path: Path) -> None:
    file = written(tmp_path, GOOD + "gateway: {pipelin: 1, server: {port: x}}\n")
    result = flowspan("check", file)
    assert result.exit_code == 1
    assert f"{file}:2: gateway.pipelin: unknown option; did you mean pipeline?" in result.output
    assert f"{file}:2: gateway.server.port: expected a whole number, not text" in result.output
    assert result.output.endswith(f"{file} is refused.\n")


def test_check_ends_with_2_for_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"a: \xff")
    for file, reason in (
        ("missing", "No such file or directory"),
        ("latin", "not UTF-8 text"),
        (".", "Is a directory"),
    ):
        result = flowspan("check", str(tmp_path / file))
        assert (result.exit_code, result.output) == (2, f"{tmp_path / file} cannot be read: {reason}\n")


def test_serve_without_a_file_explains() -> None:
    result = flowspan("serve")
    assert result.exit_code == 2
    assert "examples/flowspan.yaml" in result.output


def test_serve_refuses_a_faulty_file(tmp_path: Path, served: list[Settings]) -> None:
    file = written(tmp_path, GOOD + "typo: 1\n")
    result = flowspan("serve", "--config", file)
    assert (result.exit_code, result.output) == (2, f"{file}:2: typo: unknown section\n")
    assert served == []


def test_serve_refuses_what_cannot_be_read(served: list[Settings]) -> None:
    assert flowspan("serve", "--config", "/missing.yaml").exit_code == 2
    assert served == []


def test_serve_hands_on_the_settings_with_what_the_command_line_says(tmp_path: Path, served: list[Settings]) -> None:
    file = written(tmp_path, GOOD + "gateway: {keys: [k], server: {port: 1, metrics_port: 2}}\n")
    result = flowspan("serve", "--config", file, "--host", "0.0.0.0", "--port", "8081")
    (settings,) = served
    assert result.exit_code == 3
    assert (settings.server.host, settings.server.port, settings.server.metrics_port) == ("0.0.0.0", 8081, 2)


def test_serve_refuses_a_public_host_without_keys(tmp_path: Path, served: list[Settings]) -> None:
    result = flowspan("serve", "--config", written(tmp_path, GOOD), "--host", "0.0.0.0")
    assert result.exit_code == 2
    assert result.output.splitlines()[-1].startswith("--host: 0.0.0.0 can be reached by others and no key is set")
    assert served == []


def test_serve_warns_and_goes_on(tmp_path: Path, served: list[Settings]) -> None:
    result = flowspan("serve", "--config", written(tmp_path, GOOD + "guardrails: []\n"))
    assert "warning: " in result.stderr
    assert ":2: guardrails: LiteLLM's, not supported here" in result.stderr
    assert len(served) == 1


def test_serve_sets_the_variables_of_the_file(
    tmp_path: Path, served: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGION_OF_THE_TEST", "before")
    flowspan("serve", "--config", written(tmp_path, GOOD + "environment_variables: {REGION_OF_THE_TEST: x}\n"))

    assert os.environ["REGION_OF_THE_TEST"] == "x"


def test_a_policy_in_the_working_directory_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_own_policy.py").write_text("from app.policies.base import Policy\nclass Mine(Policy): ...\n")
    file = written(tmp_path, GOOD + "gateway: {policies: ['my_own_policy:Mine']}\n")
    assert flowspan("check", file).exit_code == 0


def test_demo_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def run_demo(once: bool) -> int:
        asked.append(once)
        return 0

    module = ModuleType("app.demo")
    vars(module)["run_demo"] = run_demo
    monkeypatch.setitem(sys.modules, "app.demo", module)
    assert flowspan("demo", "--once").exit_code == 0
    assert asked == [True]
