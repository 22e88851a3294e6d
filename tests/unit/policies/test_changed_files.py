"""Policies of files that change while a gateway runs."""

import asyncio
from pathlib import Path

import pytest

from app.messages import Request
from app.policies import LoadedPolicy, Policy, PolicyContext, PolicyNotLoadable, load_policies
from app.settings import PolicySpec

GUARD = """
from flowspan import Policy
from . import words

class Guard(Policy):
    async def on_content_delta(self, text, ctx):
        return words.WORD + "A"
"""


@pytest.fixture
def guard(tmp_path: Path) -> PolicySpec:
    (tmp_path / "guard.py").write_text(GUARD)
    (tmp_path / "words.py").write_text('WORD = "one"')
    return PolicySpec(f"{tmp_path}/guard.py:Guard")


def text_of(loaded: LoadedPolicy) -> object:
    request = Request(dialect="openai_chat", model="m", messages=())
    context = PolicyContext("t", request)
    policy: Policy = loaded.policy
    return asyncio.run(policy.on_content_delta("", context))  # type: ignore[arg-type]


def test_a_policy_whose_files_are_as_they_were_goes_on_as_the_same_object(guard: PolicySpec) -> None:
    specs = [guard, guard, PolicySpec("noop")]
    before = load_policies(specs)
    after = load_policies(specs, zip(specs, before, strict=True))

    assert [one.policy for one in after] == [one.policy for one in before]
    assert after[0].policy is not after[1].policy


@pytest.mark.parametrize("changed", [("guard.py", '"A"', '"B"'), ("words.py", "one", "two")])
def test_a_changed_file_is_read_anew_with_its_neighbours(
    guard: PolicySpec, tmp_path: Path, changed: tuple[str, str, str]
) -> None:
    file, old, new = changed
    [before] = load_policies([guard])
    # In the same second, and of the same size.
    (tmp_path / file).write_text((tmp_path / file).read_text().replace(old, new))
    [after] = load_policies([guard], [(guard, before)])

    assert text_of(before) == "oneA"
    assert text_of(after) == ("oneB" if file == "guard.py" else "twoA")


def test_another_entry_makes_another_object(guard: PolicySpec) -> None:
    lenient = PolicySpec(guard.use, on_error="fail_open")
    [before] = load_policies([guard])
    [after] = load_policies([lenient], [(guard, before)])

    assert after.policy is not before.policy
    assert after.on_error == "fail_open"


def test_what_cannot_be_loaded_leaves_the_one_before_at_work(guard: PolicySpec, tmp_path: Path) -> None:
    [before] = load_policies([guard])
    (tmp_path / "guard.py").write_text("1 / 0")
    with pytest.raises(PolicyNotLoadable):
        load_policies([guard], [(guard, before)])
    assert text_of(before) == "oneA"

    (tmp_path / "guard.py").write_text(GUARD)
    [after] = load_policies([guard], [(guard, before)])
    assert text_of(after) == "oneA"
