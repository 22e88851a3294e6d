"""Policies in files: `use: ./guards/shell.py:NoShell`."""

import sys
import traceback
from pathlib import Path

import pytest

from app.configuration import ConfigurationRefused, load
from app.policies import LoadedPolicy, load_policies
from flowspan.testing import stream_through

SHOUT = """
from flowspan import Policy

class Shout(Policy):
    async def on_content_delta(self, text, ctx):
        await ctx.emit_text(text.upper())
"""
MODELS = "model_list: [{model_name: m, litellm_params: {model: simulated/echo}}]\n"


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def configured(folder: Path, *uses: str) -> tuple[LoadedPolicy, ...]:
    """The policies of a configuration file in `folder`, loaded as `flowspan serve` does: once to check, once to run."""
    entries = "".join(f"\n    - use: {use}" for use in uses)
    (folder / "flowspan.yaml").write_text(f"{MODELS}gateway:\n  policies:{entries}\n", "utf-8")
    return load_policies(load(folder / "flowspan.yaml", environ={}).settings.policies)


def problem(folder: Path, use: str) -> str:
    """What `flowspan check` says of the policy, with line and key."""
    with pytest.raises(ConfigurationRefused) as refused:
        configured(folder, use)
    (found,) = map(str, refused.value.problems)
    return found.removeprefix(str(folder / "flowspan.yaml"))


def test_a_path_is_relative_to_the_configuration_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"guards/shout.py": SHOUT})
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    (policy,) = configured(tmp_path, "./guards/shout.py:Shout")

    assert (policy.name, stream_through(policy.policy, ["hello"])) == ("Shout", ["HELLO"])


@pytest.mark.parametrize("use", ["guards/shout.py:Shout", "{}/guards/shout.py:Shout", "./x/../guards/shout.py:Shout"])
def test_a_path_may_be_written_in_any_way(use: str, tmp_path: Path) -> None:
    write(tmp_path, {"guards/shout.py": SHOUT})

    (policy,) = configured(tmp_path, use.format(tmp_path))

    assert policy.name == "Shout"


def test_a_file_is_run_once_however_many_entries_name_it(tmp_path: Path) -> None:
    count = f"with open({str(tmp_path / 'runs')!r}, 'a') as runs: runs.write('.')"
    write(tmp_path, {"shout.py": f"{count}\n{SHOUT}\nclass Loud(Shout): ..."})

    configured(tmp_path, "./shout.py:Shout", "shout.py:Loud", "./shout.py:Shout")

    assert (tmp_path / "runs").read_text() == "."


def test_files_of_the_same_name_are_different_modules(tmp_path: Path) -> None:
    write(tmp_path, {"a/guard.py": SHOUT, "b/guard.py": SHOUT.replace("upper", "lower")})

    first, second = configured(tmp_path, "a/guard.py:Shout", "b/guard.py:Shout")

    assert stream_through(first.policy, ["Hello"]) == ["HELLO"]
    assert stream_through(second.policy, ["Hello"]) == ["hello"]


@pytest.mark.parametrize("folder", ["app", "telemetry", "json"])
def test_a_folder_may_be_called_as_any_package(folder: str, tmp_path: Path) -> None:
    files = {"__init__.py": "", "words.py": "WORD = 'ok'", "shout.py": f"from .words import WORD\n{SHOUT}"}
    write(tmp_path / folder, files)
    before = sys.modules.get(folder)

    (policy,) = configured(tmp_path, f"./{folder}/shout.py:Shout")

    assert policy.name == "Shout"
    assert sys.modules.get(folder) is before


@pytest.mark.parametrize("name", ["logging", "no-shell", "v1.2"])
def test_a_file_may_be_called_as_any_module(name: str, tmp_path: Path) -> None:
    write(tmp_path, {f"{name}.py": SHOUT})

    (policy,) = configured(tmp_path, f"{name}.py:Shout")

    assert policy.name == "Shout"


def test_neighbours_are_imported_relatively(tmp_path: Path) -> None:
    shout = f"from . import words\nfrom .words import FORBIDDEN\n{SHOUT}"
    write(tmp_path, {"guards/words.py": "FORBIDDEN = 'x'", "guards/shout.py": shout})

    assert configured(tmp_path, "guards/shout.py:Shout")


def test_an_init_of_the_folder_runs_first(tmp_path: Path) -> None:
    write(tmp_path, {"guards/__init__.py": "LIMIT = 3", "guards/shout.py": f"from . import LIMIT\n{SHOUT}"})

    assert configured(tmp_path, "guards/shout.py:Shout")


def test_nothing_of_the_folder_can_pass_for_a_library(tmp_path: Path) -> None:
    write(tmp_path, {"guards/shout.py": SHOUT, "guards/words.py": ""})
    path = list(sys.path)

    configured(tmp_path, "guards/shout.py:Shout")

    assert sys.path == path
    assert "words" not in sys.modules


def test_a_traceback_names_the_file(tmp_path: Path) -> None:
    write(tmp_path, {"guards/shout.py": SHOUT.replace("text.upper()", "text.upper(1)")})
    (policy,) = configured(tmp_path, "guards/shout.py:Shout")

    try:
        stream_through(policy.policy, ["hello"])
    except Exception as error:
        printed = "".join(traceback.format_exception(error))

    assert f'File "{tmp_path / "guards" / "shout.py"}", line 6, in on_content_delta' in printed
    assert "await ctx.emit_text(text.upper(1))" in printed


@pytest.mark.parametrize(
    ("use", "message"),
    [
        ("./guards/shuot.py:Shout", "there is no file {}/guards/shuot.py; did you mean shout.py?"),
        ("./guard/shout.py:Shout", "there is no file {}/guard/shout.py"),
        ("./guards:Shout", "there is no file {}/guards"),
        ("./guards/shout.txt:Shout", "{}/guards/shout.txt is no Python file: its name does not end in .py"),
        ("./guards/null.py:Shout", "cannot import {}/guards/null.py: source code"),
        ("./guards/shout.py", "the class is missing: write ./guards/shout.py:Class"),
        ("./guards/shout.py:Shuot", "{}/guards/shout.py has no Shuot; did you mean Shout?"),
        ("./guards/shout.py:Policy2", "{}/guards/shout.py has no Policy2; did you mean Policy?"),
        ("./guards/shout.py:Text", "Text is not a class derived from flowspan.Policy"),
        ("./guards/typo.py:Shout", "cannot import {}/guards/typo.py: line 2: expected ':'"),
        (
            "./guards/imports_typo.py:Shout",
            "cannot import {0}/guards/imports_typo.py: line 2 of {0}/guards/typo.py: expected",
        ),
        ("./guards/fails.py:Shout", "cannot import {}/guards/fails.py: line 3: ZeroDivisionError: division by zero"),
        (
            "./guards/lonely.py:Shout",
            "cannot import {}/guards/lonely.py: line 1: ModuleNotFoundError: No module named 'shout'",
        ),
        ("./guards/slip.py:Slip", "Slip.on_content_deltas is not a hook; did you mean on_content_delta?"),
    ],
)
def test_what_is_wrong_is_said_with_line_and_key(use: str, message: str, tmp_path: Path) -> None:
    files = {
        "shout.py": f"{SHOUT}\nclass Text: ...",
        "shout.txt": SHOUT,
        "null.py": "\0",
        "typo.py": "\nclass Shout\n",
        "imports_typo.py": "from . import typo",
        "fails.py": "\n\n1 / 0",
        "lonely.py": "import shout",
        "slip.py": "from flowspan import Policy\nclass Slip(Policy):\n    async def on_content_deltas(self, text): ...",
    }
    write(tmp_path / "guards", files)

    found = problem(tmp_path, use)

    assert found.startswith(f":4: gateway.policies[0].use: {message.format(tmp_path)}"), found


def test_who_imports_a_neighbour_by_name_is_told_how(tmp_path: Path) -> None:
    write(tmp_path, {"lonely.py": "import words", "words.py": ""})

    assert problem(tmp_path, "lonely.py:X").endswith("; there is a words beside it: write `from . import words`")
