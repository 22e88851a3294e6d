"""The code of docs/writing-policies.md and of examples/, run."""

import importlib
import re
from pathlib import Path

import pytest

from app.configuration import load, parse
from app.policies import load_policies
from flowspan import HOOKS, Function, Message, ToolCall
from flowspan.testing import answer_through, stream_through

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "writing-policies.md").read_text("utf-8")
MODULES = dict(re.findall(r"```python\n(?=# (\w+)\.py\n)(.*?)```", GUIDE, re.DOTALL))
YAML = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)


@pytest.fixture
def guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, code in MODULES.items():
        (tmp_path / f"{name}.py").write_text(code, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("guide")
@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("test_")])
def test_the_tests_of_the_guide_pass(name: str) -> None:
    tests = [value for key, value in vars(importlib.import_module(name)).items() if key.startswith("test_")]
    assert tests
    for test in tests:
        test()


@pytest.mark.usefixtures("guide")
def test_the_budget_of_the_guide_cuts_and_says_so() -> None:
    budget = importlib.import_module("budget").Budget(words=2)
    assert stream_through(budget, ["one ", "two ", "three ", "four"]) == ["one ", "two "]


@pytest.mark.usefixtures("guide")
def test_the_configuration_of_the_guide_is_good(tmp_path: Path) -> None:
    assert YAML
    for text in YAML:
        model = "model_list: [{model_name: m, litellm_params: {model: simulated/echo}}]\n"
        assert parse(model + text, str(tmp_path / "f.yaml"), environ={"FLOWSPAN_KEY": "k"}).warnings == ()


def test_the_guide_has_every_hook_in_its_table() -> None:
    assert re.findall(r"^\| `(on_\w+)`", GUIDE, re.MULTILINE) == list(HOOKS)


def test_the_first_policy_and_its_test_are_under_thirty_lines() -> None:
    assert sum(len(MODULES[name].splitlines()) for name in ("shout", "test_shout")) < 30


@pytest.mark.parametrize("file", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda file: file.name)
def test_the_examples_are_good(file: Path) -> None:
    keys = dict.fromkeys(("OPENAI_API_KEY", "ANTHROPIC_API_KEY"), "k") | {"FLOWSPAN_KEY": "sk-0123456789abcdef"}

    assert load(file, environ=keys).settings.deployments


def test_the_guard_of_the_examples_takes_a_shell_out() -> None:
    (guard,) = load_policies(load(ROOT / "examples" / "guarded.yaml", environ={}).settings.policies)
    calls = [
        ToolCall(index=index, id=name, function=Function(name, "{}")) for index, name in enumerate(("run", "read"))
    ]

    answer = answer_through(guard.policy, Message(tool_calls=tuple(calls)))

    assert ([call.id for call in answer.tool_calls], answer.content) == (["read"], "[A call of run was removed.]")
