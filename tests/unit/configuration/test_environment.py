"""References to the environment and to files, and the variables that a file declares."""

import os
from pathlib import Path

import pytest

from app.configuration import Configuration, parse
from app.settings import Key
from tests.unit.configuration.reading import MODEL, SECRET, problems, read, warnings


def with_key(value: str) -> str:
    return MODEL.replace("simulated/echo", f"groq/x, api_key: {value}")


def without_environment(text: str) -> Configuration:
    return parse(text, "f.yaml", {}, needs_environment=False)


def test_environment_variables_of_the_file_are_used_and_win() -> None:
    text = "environment_variables: {A: from-file, N: 5, B: os.environ/C}\n" + MODEL.replace(
        "simulated/echo", "groq/x, api_key: os.environ/A, api_base: os.environ/B"
    )
    configuration = read(text, A="from-process", C="http://c.test")
    assert configuration.settings.deployments[0].params == {"api_key": "from-file", "api_base": "http://c.test"}
    assert configuration.environment == {"A": "from-file", "N": "5", "B": "http://c.test"}


def test_numbers_may_come_from_the_environment() -> None:
    text = MODEL.replace("echo}", "echo, weight: os.environ/W}") + "gateway: {server: {port: os.environ/PORT}}"
    settings = read(text, PORT="8081", W="2.5").settings
    assert (settings.server.port, settings.deployments[0].weight) == (8081, 2.5)


def test_numbers_for_a_provider_stay_numbers() -> None:
    text = with_key("k, temperature: os.environ/T, max_tokens: '512', user: '7'")
    params = read(text, T="0.2").settings.deployments[0].params
    assert params == {"api_key": "k", "temperature": 0.2, "max_tokens": 512, "user": "7"}


def test_booleans_may_be_texts() -> None:
    assert read(
        MODEL + "gateway: {telemetry: {propagate_traceparent: 'true'}}"
    ).settings.telemetry.propagate_traceparent


def test_references_are_resolved_inside_lists_and_mappings() -> None:
    text = with_key("k, extra_headers: {a: os.environ/A}, stop: [os.environ/A]")
    params = read(text + "gateway: {keys: [os.environ/K]}", A="x", K=SECRET).settings.deployments[0].params
    assert (params["extra_headers"], params["stop"]) == ({"a": "x"}, ["x"])


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\n\n"])
def test_a_secret_is_read_from_a_file_without_its_line_end(tmp_path: Path, ending: str) -> None:
    file = tmp_path / "my key"
    file.write_text(f" {SECRET}{ending}", newline="")
    url = file.as_uri()
    assert "%20" in url
    for configuration in (
        read(with_key(url)),
        read(with_key("os.environ/KEY"), KEY_FILE=str(file)),
        read(with_key("os.environ/KEY"), KEY_FILE=url),
        read(with_key("os.environ/KEY"), KEY=url),
        read(MODEL.replace("simulated/echo", "groq/x"), GROQ_API_KEY_FILE=str(file)),
        read(f"environment_variables: {{KEY: '{url}'}}\n" + with_key("os.environ/KEY")),
    ):
        assert configuration.settings.deployments[0].params["api_key"] == f" {SECRET}"


def test_keys_of_callers_are_read_from_files(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{SECRET}\n")
    assert read(MODEL, FLOWSPAN_KEY_FILE=str(file)).settings.keys == (Key.in_clear(SECRET),)
    assert read(MODEL + f"general_settings: {{master_key: '{file.as_uri()}'}}").settings.keys == (
        Key.in_clear(SECRET, "master_key"),
    )
    assert read(MODEL + f"gateway: {{keys: ['{file.as_uri()}']}}").settings.keys == (Key.in_clear(SECRET),)


def test_a_variable_wins_over_its_file(tmp_path: Path) -> None:
    text = with_key("os.environ/KEY")
    assert read(text, KEY="a", KEY_FILE=str(tmp_path / "no")).settings.deployments[0].params["api_key"] == "a"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"a" * 2_000_000, "is longer than 1,048,576 bytes, which no secret is"),
    ],
)
def test_a_file_without_a_secret_is_named(tmp_path: Path, content: bytes | None, reason: str) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    at = "f.yaml:1: model_list[0].litellm_params.api_key"
    assert problems(with_key(file.as_uri())) == [f"{at}: the file {file} {reason}"]
    assert problems(with_key("os.environ/K"), K_FILE=str(file)) == [f"{at}: K_FILE: the file {file} {reason}"]


def test_a_pipe_or_a_folder_is_no_secret(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (problem,) = problems(with_key((tmp_path / "pipe").as_uri()))
    assert problem.endswith(f"{tmp_path / 'pipe'} is no regular file")
    (problem,) = problems(with_key(tmp_path.as_uri()))
    assert "cannot be read: Is a directory" in problem or "is no regular file" in problem


def test_without_an_environment_what_is_missing_is_told_and_no_error(tmp_path: Path) -> None:
    text = f"""\
model_list:
- {{model_name: m, litellm_params: {{model: hosted_vllm/x, api_base: os.environ/BASE, timeout: os.environ/T}}}}
- {{model_name: n, litellm_params: {{model: groq/x, api_key: '{(tmp_path / "no").as_uri()}'}}}}
general_settings: {{master_key: os.environ/KEY}}
gateway: {{keys: [os.environ/KEY], server: {{host: 0.0.0.0, port: os.environ/PORT}}}}
"""
    found = without_environment(text)
    lines = [str(warning) for warning in found.warnings]
    assert len(found.settings.deployments) == 2
    for name in ("BASE", "T", "KEY", "PORT"):
        assert any(line.endswith(f"the environment variable {name} is not set") for line in lines)
    assert any("/no cannot be read" in line for line in lines)


def test_without_an_environment_other_problems_stay_problems() -> None:
    text = with_key("os.environ/K").replace("groq/x", "gorq/x") + "gateway: {server: {host: 0.0.0.0}}\n"
    with pytest.raises(Exception, match="did you mean groq") as refused:
        without_environment(text)
    assert "host" not in str(refused.value)


def test_a_shells_reference_is_pointed_out_and_is_no_key() -> None:
    assert warnings(with_key("'${GROQ_KEY}'")) == [
        "f.yaml:1: model_list[0].litellm_params.api_key: taken as it stands: a variable is written os.environ/NAME"
    ]
    for section in ("general_settings: {master_key: '${LITELLM_MASTER_KEY:-x}'}", "gateway: {keys: ['$MY_KEY']}"):
        (problem,) = problems(MODEL + section)
        assert problem.endswith("would be the key as it stands: a variable is written os.environ/NAME")


@pytest.mark.parametrize(
    "written",
    ["{{ .Values.key }}", "os.environ.KEY", "os.environ['KEY']", "os.environ:KEY", "env/KEY", "os.getenv('KEY')"],
)
def test_references_of_other_programs_and_slips_of_the_pen_are_no_keys(written: str) -> None:
    assert warnings(with_key(f'"{written}"')) == [
        "f.yaml:1: model_list[0].litellm_params.api_key: taken as it stands: a variable is written os.environ/NAME"
    ]
    (problem,) = problems(MODEL + f'general_settings: {{master_key: "{written}"}}')
    assert problem.endswith("would be the key as it stands: a variable is written os.environ/NAME")


@pytest.mark.parametrize("key", ["environment-of-tests-0123", "env-0123456789abcdef", "os.envy-0123456789ab"])
def test_a_key_that_only_begins_like_a_reference_is_one(key: str) -> None:
    assert read(MODEL + f"gateway: {{keys: [{key}]}}").settings.keys == (Key.in_clear(key),)


@pytest.mark.parametrize(
    ("section", "absent"),
    [
        ("general_settings: {master_key: os.environ/K}", "general_settings.master_key"),
        ("gateway: {keys: [os.environ/K]}", "gateway.keys"),
        ("", "FLOWSPAN_KEY"),
        (f"general_settings: {{master_key: {SECRET}}}", ""),
    ],
)
def test_without_an_environment_keys_may_be_elsewhere(section: str, absent: str) -> None:
    assert without_environment(MODEL + section).absent_keys == absent


def test_a_declared_variable_needs_a_name() -> None:
    assert problems(MODEL + "environment_variables: {'a=b': 1, A: [1]}\n") == [
        "f.yaml:2: environment_variables.a=b: no name of a variable",
        "f.yaml:2: environment_variables.A: expected text",
    ]
