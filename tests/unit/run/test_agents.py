import json
import tomllib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from app.run.agents import Launch, Unsupported, agent_of, launch, refuse_unsupported
from app.run.codex import CodexSettings

URL = "http://127.0.0.1:4242"


def launched(command: Sequence[str], environ: Mapping[str, str] | None = None, key: str | None = None) -> Launch:
    return launch(command, agent_of(command), URL, environ or {}, key, CodexSettings())


@pytest.mark.parametrize(
    ("command", "agent", "at"),
    [
        (["claude", "-p", "codex"], "claude", 1),
        (["/opt/bin/codex", "exec"], "codex", 1),
        (["npx", "-y", "@anthropic-ai/claude-code@latest", "-p", "x"], "claude", 3),
        (["node", "node_modules/@openai/codex/bin/codex.js", "exec"], "codex", 2),
        (["uvx", "--from", "aider-chat", "aider"], "aider", 4),
        (["npm", "exec", "--", "codex", "exec"], "codex", 4),
        (["env", "A=b", "codex", "exec"], "codex", 3),
        (["python3", "agent.py", "codex"], None, 1),
        (["curl", "https://host/claude"], None, 1),
        (["gemini.cmd"], "gemini", 1),
    ],
)
def test_a_program_is_known_by_its_name_or_its_package(command: list[str], agent: str | None, at: int) -> None:
    assert agent_of(command) == (agent, at)


def test_any_program_gets_the_addresses_in_its_environment_and_keeps_its_keys() -> None:
    environ = {"OPENAI_API_KEY": "sk-1", "ANTHROPIC_BASE_URL": "http://before"}
    found = launched(["python3", "agent.py"], environ).environment(environ)
    assert found == {
        "OPENAI_API_KEY": "sk-1",
        "ANTHROPIC_BASE_URL": URL,
        "OPENAI_BASE_URL": f"{URL}/v1",
        "OPENAI_API_BASE": f"{URL}/v1",
    }


def test_with_a_key_of_the_gateways_the_program_gets_it_in_place_of_its_own() -> None:
    environ = {"ANTHROPIC_API_KEY": "sk-ant-1", "OPENAI_API_KEY": "sk-1"}
    found = launched(["claude"], environ, key="gateway-key").environment(environ)
    assert (found["ANTHROPIC_AUTH_TOKEN"], found["OPENAI_API_KEY"]) == ("gateway-key", "gateway-key")
    assert "ANTHROPIC_API_KEY" not in found


def test_a_proxy_does_not_stand_between_the_program_and_the_gateway() -> None:
    environ = {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "example.com"}
    assert launched(["claude"], environ).variables["NO_PROXY"] == "example.com,127.0.0.1,localhost"
    assert "NO_PROXY" not in launched(["claude"]).variables
    assert "HTTPS_PROXY is set" in launched(["claude"], environ).warnings[0]


def test_gemini_is_refused_with_the_reason() -> None:
    with pytest.raises(Unsupported, match="speaks Gemini's own API"):
        refuse_unsupported(agent_of(["npx", "@google/gemini-cli"])[0])


def test_what_leads_claude_code_past_the_gateway_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"env": {"ANTHROPIC_BASE_URL": "http://proxy"}}))
    environ = {"CLAUDE_CONFIG_DIR": str(tmp_path), "CLAUDE_CODE_USE_BEDROCK": "1", "CLAUDE_CODE_USE_VERTEX": "0"}
    (file, switch) = launched(["claude"], environ).warnings
    assert file == f"{settings} sets ANTHROPIC_BASE_URL: Claude Code obeys it, and goes past the gateway"
    assert switch.startswith("CLAUDE_CODE_USE_BEDROCK is set")
    settings.write_text("no JSON")
    assert launched(["claude"], {"CLAUDE_CONFIG_DIR": str(tmp_path)}).warnings == ()


def test_opencode_gets_its_settings_in_a_variable_with_what_stands_there() -> None:
    before = {"theme": "dark", "provider": {"anthropic": {"options": {"timeout": 5}}}}
    found = launched(["opencode"], {"OPENCODE_CONFIG_CONTENT": json.dumps(before)})
    settings = json.loads(found.variables["OPENCODE_CONFIG_CONTENT"])
    assert settings["theme"] == "dark"
    assert settings["provider"]["anthropic"]["options"] == {"timeout": 5, "baseURL": f"{URL}/v1"}
    assert settings["provider"]["openai"]["options"] == {"baseURL": f"{URL}/v1"}


def overrides(command: Sequence[str]) -> dict[str, object]:
    """What the options `-c` of a command say, as Codex reads them."""
    values = [after for option, after in pairwise(command) if option == "-c"]
    return tomllib.loads("\n".join(values))


def test_codex_is_told_on_its_command_line_before_its_own_arguments() -> None:
    found = launched(["npx", "@openai/codex", "exec", "hello"])
    assert found.command[:2] == ("npx", "@openai/codex")
    assert found.command[-2:] == ("exec", "hello")
    provider = {"base_url": f"{URL}/v1", "name": "flowspan", "wire_api": "responses", "env_key": "OPENAI_API_KEY"}
    assert overrides(found.command) == {"model_provider": "flowspan", "model_providers": {"flowspan": provider}}


def codex_home(folder: Path, config: str = "", login: object = None) -> CodexSettings:
    (folder / "config.toml").write_text(config)
    if login is not None:
        (folder / "auth.json").write_text(json.dumps(login))
    return CodexSettings.read({"CODEX_HOME": str(folder)})


def options(codex: CodexSettings, has_key: bool = False) -> dict[str, object]:
    found = overrides(codex.overrides(f"{URL}/v1", has_key))
    name, providers = found["model_provider"], found["model_providers"]
    assert isinstance(name, str)
    assert isinstance(providers, dict)
    return {"name_of_it": name, **providers[name]}


def test_codex_keeps_the_login_that_it_has(tmp_path: Path) -> None:
    codex = codex_home(tmp_path, login={"tokens": {"access_token": "x"}, "OPENAI_API_KEY": None})
    assert codex.base_url == "https://chatgpt.com/backend-api/codex"
    assert options(codex)["requires_openai_auth"] is True
    codex = codex_home(tmp_path, login={"OPENAI_API_KEY": "sk-1", "auth_mode": "apikey"})
    assert (codex.base_url, options(codex)["requires_openai_auth"]) == (None, True)


def test_codex_keeps_the_provider_that_its_file_chooses(tmp_path: Path) -> None:
    file = 'model_provider = "mine"\n[model_providers.mine]\nbase_url = "http://mine/v1"\nenv_key = "MY_KEY"\n'
    codex = codex_home(tmp_path, file)
    assert codex.base_url == "http://mine/v1"
    assert options(codex) == {"name_of_it": "mine", "base_url": f"{URL}/v1"}
    assert options(codex, has_key=True)["env_key"] == "OPENAI_API_KEY"


def test_a_server_of_codexs_that_wants_no_key_gets_none_that_means_anything(tmp_path: Path) -> None:
    codex = codex_home(tmp_path, 'model_provider = "ollama"\n')
    assert codex.base_url == "http://localhost:11434/v1"
    assert options(codex)["env_key"] == "FLOWSPAN_RUN_NO_KEY"


def test_files_of_codexs_that_cannot_be_read_are_its_own_matter(tmp_path: Path) -> None:
    codex = codex_home(tmp_path, "not = toml = at all")
    assert codex == CodexSettings()
