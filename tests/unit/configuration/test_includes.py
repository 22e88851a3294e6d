"""Files that a configuration includes."""

from pathlib import Path

import pytest

from app.configuration import ConfigurationRefused, load
from app.settings import Settings

ENTRY = "{{model_name: {0}, litellm_params: {{model: {1}}}}}"


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder / "main.yaml"


def settings_of(file: Path) -> Settings:
    return load(file, {}).settings


def refused(file: Path) -> list[str]:
    with pytest.raises(ConfigurationRefused) as error:
        load(file, {})
    return [str(problem) for problem in error.value.problems]


def models(*names: str, model: str = "simulated/echo") -> str:
    return "model_list:\n" + "".join(f"- {ENTRY.format(name, model)}\n" for name in names)


def test_lists_go_on_and_sections_are_taken_over(tmp_path: Path) -> None:
    main = written(
        tmp_path,
        main="include: [a.yaml, sub/b.yaml]\n" + models("m") + "litellm_settings: {num_retries: 1}\n",
        a=models("n") + "litellm_settings: {num_retries: 5}\n",
    )
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.yaml").write_text("include: [c.yaml]\n")
    (tmp_path / "sub" / "c.yaml").write_text(models("o"))
    settings = settings_of(main)
    assert [one.model_name for one in settings.deployments] == ["m", "n", "o"]
    assert settings.router.num_retries == 5


def test_a_file_is_read_once_however_often_it_is_named(tmp_path: Path) -> None:
    main = written(tmp_path, main="include: [a.yaml, ./a.yaml, main.yaml]\n", a="include: [a.yaml]\n" + models("m"))
    assert [one.model_name for one in settings_of(main).deployments] == ["m"]


def test_problems_have_the_file_and_the_line_where_they_stand(tmp_path: Path) -> None:
    main = written(
        tmp_path,
        main="include: [a.yaml]\n" + models("m", model="opnai/x"),
        a="# first\n" + models("n", model="gorq/x") + "general_settings: {custom_auth: a.b}\n",
    )
    found = refused(main)
    assert [line.split(": ")[0] for line in found] == [f"{main}:3", f"{tmp_path}/a.yaml:3", f"{tmp_path}/a.yaml:4"]
    assert "did you mean groq?" in found[1]


def test_what_an_included_file_would_drop_is_a_problem(tmp_path: Path) -> None:
    main = written(
        tmp_path,
        main="include: [a.yaml]\n" + models("m") + "general_settings: {master_key: sk-0123456789abcdef}\n",
        a="general_settings: {alerting: [slack]}\n",
    )
    (problem,) = refused(main)
    assert problem == (
        f"{main}:1: include[0]: its general_settings takes the place of the one before, and master_key would be lost"
    )


@pytest.mark.parametrize(
    ("include", "message"),
    [
        ("[no.yaml]", "include[0]: the file {0}/no.yaml cannot be read: No such file or directory"),
        ("a.yaml", "include: expected a list of files"),
        ("[5]", "include: expected a list of files"),
        ("[list.yaml]", "include[0]: the file {0}/list.yaml is no mapping of sections"),
    ],
)
def test_a_file_that_cannot_be_included_is_named(tmp_path: Path, include: str, message: str) -> None:
    main = written(tmp_path, main=f"include: {include}\n" + models("m"), list="- a\n")
    assert refused(main) == [f"{main}:1: {message.format(tmp_path)}"]


def test_an_included_file_that_is_no_yaml_is_refused_with_its_own_line(tmp_path: Path) -> None:
    main = written(tmp_path, main="include: [a.yaml]\n" + models("m"), a="a: 1\n\tb: 2\n")
    (problem,) = refused(main)
    assert problem.startswith(f"{tmp_path}/a.yaml:2: include[0]: a tab; YAML is indented")
