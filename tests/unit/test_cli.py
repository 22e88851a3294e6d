import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner, Result

from app.cli import main
from app.configuration import Configuration, Source
from app.serving.start import Start
from app.settings import Settings

POLICY = "from app.policies import Policy\nclass Mine(Policy): ...\n"
GOOD = "model_list: [{model_name: m, litellm_params: {model: simulated/echo}}]\n"


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("FLOWSPAN_KEY", raising=False)
    path = list(sys.path)
    handlers = {one: signal.getsignal(one) for one in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)}
    yield
    sys.path[:] = path
    for one, handler in handlers.items():
        signal.signal(one, handler)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """What `serve` would have served."""
    found: list[Settings] = []

    def serve(configuration: Configuration, source: Source, address_file: str | None, start: Start) -> int:
        assert source.load().settings == configuration.settings
        found.append(configuration.settings)
        return 3

    module = ModuleType("app.serving.process")
    vars(module)["serve"] = serve
    monkeypatch.setitem(sys.modules, "app.serving.process", module)
    return found


def flowspan(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def written(path: Path, text: str) -> str:
    file = path / "f.yaml"
    file.write_text(text, "utf-8")
    return str(file)


def test_the_version_is_told() -> None:
    assert flowspan("--version").output.startswith("flowspan ")


def test_the_help_says_of_each_command_what_it_does_in_a_whole_sentence() -> None:
    _, _, commands = flowspan("--help").output.partition("Commands:\n")
    assert "..." not in commands
    for command in main.commands.values():
        sentence, _, _ = " ".join((command.help or "").split()).partition(". ")
        assert sentence.rstrip(".") in " ".join(commands.split())


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
    assert "general_settings.database_url: LiteLLM's, not supported here; use gateway.keys" in result.output
    assert (
        """\
2 models, 3 deployments
  a (falls back to b)
    simulated/echo by simulated, order 1, weight 3, no list price
    groq/x by groq, order 2, weight 1, no list price
  b
    simulated/echo by simulated, no list price
1 policy
  redact (fail_open)
1 key with a name
  master_key
limits
  127.0.0.1:8080, metrics on 127.0.0.1:9464, 1 key from the configuration
  request timeout 600 s, 2 retries
  queues of 10,000 items and 8 MiB, 512 MiB in all; body 32 MiB
"""
        in result.output
    )
    assert result.output.endswith(f"{file} is good.\n")
    assert "sk-hidden" not in result.output


def test_check_tells_where_prices_are_from(tmp_path: Path) -> None:
    entries = """\
- {model_name: a, litellm_params: {model: openai/gpt-4o, api_key: sk-hidden}}
- {model_name: b, litellm_params: {model: openai/gpt-4o, api_key: sk-hidden, input_cost_per_token: 0}}
"""
    listed = flowspan("check", written(tmp_path, f"model_list:\n{entries}")).output
    assert "    openai/gpt-4o by openai, list price\n  b\n    openai/gpt-4o by openai, its own price\n" in listed
    assert "  list prices of litellm " in listed
    configured = flowspan("check", written(tmp_path, f"model_list:\n{entries}gateway: {{prices: configured}}")).output
    assert "    openai/gpt-4o by openai, no list price\n" in configured
    assert "list prices of" not in configured


def test_check_warns_of_loopback_without_keys(tmp_path: Path) -> None:
    assert "1 warning\n  no key is set: " in flowspan("check", written(tmp_path, GOOD)).output


def test_check_tells_who_is_asked(tmp_path: Path) -> None:
    azure = "model: azure/gpt-5-prod, api_base: 'https://example.openai.azure.com', api_key: sk-hidden"
    entries = f"""\
- {{model_name: a, litellm_params: {{{azure}}}}}
- {{model_name: b, litellm_params: {{model: gpt-5, api_key: sk-hidden}}}}
- {{model_name: c, litellm_params: {{model: gemini/gemini-x, api_key: sk-hidden}}}}
- {{model_name: d, backend: litellm, litellm_params: {{model: openai/gpt-5, api_key: sk-hidden}}}}
"""
    output = flowspan("check", written(tmp_path, f"model_list:\n{entries}")).output
    for asked in (
        "azure/gpt-5-prod by azure, no list price",
        "gpt-5 by openai, list price",
        "gemini/gemini-x by litellm, no list price",
        "openai/gpt-5 by litellm, list price",
    ):
        assert f"    {asked}\n" in output


def test_check_tells_that_the_key_is_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWSPAN_KEY", "sk-hidden-0123456789")
    output = flowspan("check", written(tmp_path, GOOD)).output
    assert "1 key from FLOWSPAN_KEY\n" in output
    assert "sk-hidden" not in output


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
    assert f"{file}:2: gateway.server.port: expected a whole number or nothing, not text" in result.output
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
    assert set(re.findall(r"flowspan (\w+)", result.output)) == {"serve", "init", "demo", "check"}
    # None but what an installed package has.
    assert "examples/" not in result.output


def test_an_address_of_ipv6_stands_in_brackets(tmp_path: Path) -> None:
    server = "server: {host: '::1', metrics_host: '::1'}"
    result = flowspan("check", written(tmp_path, GOOD + f"gateway: {{{server}}}\n"))
    assert "\n  [::1]:8080, metrics on [::1]:9464, " in result.output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands_options_and_files(shell: str) -> None:
    def completed(*words: str) -> str:
        typed = {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
        if shell == "fish":
            typed["COMP_CWORD"] = words[-1]
        environment = {**typed, "_FLOWSPAN_COMPLETE": f"{shell}_complete"}
        return CliRunner().invoke(main, prog_name="flowspan", env=environment).output

    assert "serve" in completed("flowspan", "ser")
    assert "--metrics-port" in completed("flowspan", "serve", "--metrics-p")
    assert completed("flowspan", "serve", "flow").startswith("file")
    script = CliRunner().invoke(main, prog_name="flowspan", env={"_FLOWSPAN_COMPLETE": f"{shell}_source"}).output
    assert "_FLOWSPAN_COMPLETE" in script


def test_serve_refuses_a_faulty_file(tmp_path: Path, served: list[Settings]) -> None:
    file = written(tmp_path, GOOD + "gatewya: 1\n")
    result = flowspan("serve", "--config", file)
    assert (result.exit_code, result.output) == (2, f"{file}:2: gatewya: unknown section; did you mean gateway?\n")
    assert served == []


def test_a_standard_variable_that_cannot_be_obeyed_stops_every_command(
    tmp_path: Path, served: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "zipkin")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    file = written(tmp_path, GOOD + "environment_variables: {OTEL_TRACE_SAMPLER: always_off}\n")
    for command, status in (("serve", 2), ("check", 1)):
        result = flowspan(command, file)
        assert result.exit_code == status
        assert "environment: OTEL_TRACES_EXPORTER: 'zipkin' is not supported" in result.output
    result = flowspan("demo", "--once")
    assert (result.exit_code, "OTEL_TRACES_EXPORTER" in result.output) == (2, True)
    assert served == []
    # Where it is to run there may be another environment.
    assert flowspan("check", "--no-env", file).exit_code == 0
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    assert "did you mean OTEL_TRACES_SAMPLER" in flowspan("check", file).output


def test_serve_refuses_what_cannot_be_read(served: list[Settings]) -> None:
    assert flowspan("serve", "--config", "/missing.yaml").exit_code == 2
    assert served == []


def test_serve_hands_on_the_settings_with_what_the_command_line_says(tmp_path: Path, served: list[Settings]) -> None:
    file = written(tmp_path, GOOD + "gateway: {keys: [sk-0123456789abc], server: {port: 1, metrics_port: 2}}\n")
    public = ("--host", "0.0.0.0", "--metrics-host", "::")
    result = flowspan("serve", "--config", file, "--port", "8081", *public, "--log-format", "console")
    (server,) = (settings.server for settings in served)
    assert served[0].telemetry.log_format == "console"
    assert result.exit_code == 3
    assert (server.host, server.port) == ("0.0.0.0", 8081)
    assert (server.metrics_host, server.metrics_port) == ("::", 2)


def test_serve_refuses_a_public_host_without_keys(tmp_path: Path, served: list[Settings]) -> None:
    result = flowspan("serve", "--config", written(tmp_path, GOOD), "--host", "0.0.0.0")
    assert result.exit_code == 2
    assert result.output.splitlines()[-1].startswith("--host: 0.0.0.0 can be reached by others and no key is set")
    assert served == []


@pytest.mark.parametrize(
    ("option", "weak", "message"),
    [
        ("--host", "keys: [sk-short]", "and the key is shorter than 16 characters"),
        ("--metrics-host", "server: {metrics_token: short}", "and metrics_token is shorter than 16 characters"),
    ],
)
def test_serve_refuses_a_public_host_with_a_weak_key(
    tmp_path: Path, served: list[Settings], option: str, weak: str, message: str
) -> None:
    result = flowspan("serve", "--config", written(tmp_path, GOOD + f"gateway: {{{weak}}}\n"), option, "0.0.0.0")
    assert result.exit_code == 2
    assert result.output.splitlines()[-1] == f"{option}: 0.0.0.0 can be reached by others {message}"
    assert served == []


def test_serve_warns_and_goes_on(tmp_path: Path, served: list[Settings]) -> None:
    result = flowspan("serve", "--config", written(tmp_path, GOOD + "mcp_servers: [a]\n"))
    assert "warning: " in result.stderr
    assert ":2: mcp_servers: LiteLLM's, not supported here" in result.stderr
    assert len(served) == 1


def test_serve_sets_the_variables_of_the_file(
    tmp_path: Path, served: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGION_OF_THE_TEST", "before")
    flowspan("serve", "--config", written(tmp_path, GOOD + "environment_variables: {REGION_OF_THE_TEST: x}\n"))

    assert os.environ["REGION_OF_THE_TEST"] == "x"


def test_a_policy_in_the_working_directory_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_own_policy.py").write_text(POLICY)
    file = written(tmp_path, GOOD + "gateway: {policies: ['my_own_policy:Mine']}\n")
    assert flowspan("check", file).exit_code == 0


def test_a_policy_beside_the_configuration_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    package = tmp_path / "my_own_policies"
    package.mkdir()
    (package / "shared.py").write_text("WORD = 'shared'\n")
    (package / "loud.py").write_text(f"from .shared import WORD\n{POLICY}")
    file = written(tmp_path, GOOD + "gateway: {policies: ['my_own_policies.loud:Mine']}\n")
    assert flowspan("check", file).exit_code == 0


def test_a_neighbour_that_the_configuration_does_not_name_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_neighbour.py").write_text("raise SystemExit('it was run')\n")
    (tmp_path / "my_other_policy.py").write_text(f"import my_neighbour\n{POLICY}")
    result = flowspan("check", written(tmp_path, GOOD + "gateway: {policies: ['my_other_policy:Mine']}\n"))
    assert result.exit_code == 1
    assert "No module named 'my_neighbour'; there is a my_neighbour beside it, but" in result.output


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


def test_both_commands_take_their_file_as_an_argument_and_as_an_option(tmp_path: Path, served: list[Settings]) -> None:
    file = written(tmp_path, GOOD)
    for command, status in (("check", 0), ("serve", 3)):
        for arguments in ([file], ["--config", file], [file, "--config", file]):
            assert flowspan(command, *arguments).exit_code == status
        two = flowspan(command, file, "--config", "other.yaml")
        assert (two.exit_code, two.output) == (2, f"two configurations are named: {file} and --config other.yaml\n")
    assert len(served) == 3


def test_check_without_a_file_explains() -> None:
    result = flowspan("check")
    assert (result.exit_code, result.output) == (2, "flowspan check needs a configuration: flowspan check FILE\n")


def test_check_without_an_environment_tells_what_has_to_be_there(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "model_list: [{model_name: m, litellm_params: {model: openai/x, api_key: os.environ/NO_SUCH_KEY}}]\n"
        "gateway: {server: {host: 0.0.0.0}}\n",
    )
    assert flowspan("check", file).exit_code == 1
    result = flowspan("check", "--no-env", file)
    assert result.exit_code == 0
    assert f"{file}:1: model_list[0].litellm_params.api_key: the environment variable NO_SUCH_KEY is not set" in (
        result.output
    )
    assert f"{file}:2: gateway.server.host: 0.0.0.0 can be reached by others and no key is set" in result.output
    assert result.output.endswith(f"{file} is good.\n")


@pytest.mark.parametrize(
    ("section", "absent"),
    [("general_settings: {master_key: os.environ/NO_SUCH_KEY}", "general_settings.master_key"), ("", "FLOWSPAN_KEY")],
)
def test_check_without_an_environment_counts_no_keys_that_may_be_elsewhere(
    tmp_path: Path, section: str, absent: str
) -> None:
    file = written(tmp_path, f"model_list: [{{model_name: m, litellm_params: {{model: simulated/echo}}}}]\n{section}\n")
    output = flowspan("check", "--no-env", file).output
    assert f"keys of {absent}, not set here" in output
    assert "no key is set" not in output
    assert "0 keys" not in output


def test_equal_problems_of_many_models_are_one_line(tmp_path: Path) -> None:
    entries = "".join(
        f"- {{model_name: m{n}, litellm_params: {{model: simulated/echo, max_budget: {n + 1}}}}}\n" for n in range(9)
    )
    result = flowspan("check", written(tmp_path, f"model_list:\n{entries}"))
    assert result.exit_code == 1
    assert result.output.startswith("1 problem\n")
    assert "(and 8 more)" in result.output


def test_check_tells_that_a_file_has_no_models(tmp_path: Path) -> None:
    result = flowspan("check", written(tmp_path, "model_list: []\n"))
    assert result.exit_code == 0
    assert "model_list: no models: every request for one will be answered with 404" in result.output
    assert "0 models, 0 deployments" in result.output


def test_init_writes_a_file_that_check_takes_and_writes_over_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-hidden")
    file = str(tmp_path / "mine.yaml")
    result = flowspan("init", file)
    assert (result.exit_code, "anthropic/*  (ANTHROPIC_API_KEY)" in result.output) == (0, True)
    assert flowspan("check", file).exit_code == 0
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    again = flowspan("init", file)
    assert (again.exit_code, again.stderr) == (2, f"{file} is there already; --force writes over it\n")
    assert flowspan("init", "--force", file).exit_code == 0
    assert "sk-ant-hidden" not in result.output + Path(file).read_text()


def test_init_says_why_a_file_cannot_be_written(tmp_path: Path) -> None:
    result = flowspan("init", str(tmp_path / "missing" / "f.yaml"))
    assert result.exit_code == 2
    assert result.stderr.endswith("f.yaml cannot be written: No such file or directory\n")


def test_doctor_ends_with_a_failure_where_the_start_would(tmp_path: Path) -> None:
    file = written(tmp_path, "model_list: [{model_name: m}]\n")
    result = flowspan("doctor", file)
    assert result.exit_code == 1
    assert result.output.endswith("The gateway would not start.\n")
    assert flowspan("doctor", str(tmp_path / "missing.yaml")).exit_code == 2


def test_a_check_says_what_would_change_from_another_file(tmp_path: Path) -> None:
    before, after = tmp_path / "before.yaml", tmp_path / "after.yaml"
    before.write_text(GOOD + "gateway: {server: {port: 8080}, keys: [{name: a, key: canary-0123456789abcdef}]}\n")
    after.write_text(GOOD + "gateway: {server: {port: 8081}, keys: [{name: a, key: canary-0123456789abcdeg}]}\n")

    result = flowspan("check", str(after), "--diff", str(before))
    assert result.exit_code == 3
    assert "1 change\n  key a: 1 new and 1 gone of its keys\n" in result.stdout
    assert "1 change that needs a restart\n  gateway.server.port: 8080 -> 8081\n" in result.stdout
    assert "canary" not in result.output

    same = flowspan("check", str(after), "--diff", str(after))
    assert same.exit_code == 0
    assert "Nothing changes" in same.stdout
    after.write_text("nonsense")
    assert flowspan("check", str(before), "--diff", str(after)).exit_code == 1
    assert flowspan("check", str(before), "--diff", str(tmp_path / "missing.yaml")).exit_code == 2
