import sys
from pathlib import Path

import pytest

from app.policies import BUILTIN, HOOKS, Policy, PolicyNotLoadable, load_policies, load_policy, loaded, overridden
from app.policies.builtin.noop import Noop
from app.policies.builtin.redact import Redact
from app.settings import PolicySpec, Seconds

MODULE = """
from pathlib import Path
from typing import Literal
from app.policies import OptionError, Policy
from app.settings import ByteSize, Seconds

class Plain(Policy):
    async def on_content_delta(self, text, ctx): ...

class Choosy(Policy):
    name = "choosy"
    def __init__(self, *, words: list[str], after: Seconds = Seconds(1), size: ByteSize = ByteSize(1),
                 mode: Literal["a", "b"] = "a", limits: dict[str, int] | None = None) -> None:
        self.options = (words, after, size, mode, limits)
        if not words:
            raise OptionError("words", "expected at least one")

class Broken(Policy):
    def __init__(self) -> None:
        raise RuntimeError("no database")

class Slip(Policy):
    async def on_content_deltas(self, text, ctx): ...

class Blocking(Policy):
    def on_content_delta(self, text, ctx): ...

class Vague(Policy):
    def __init__(self, **options) -> None: ...

class Unreadable(Policy):
    def __init__(self, *, option: "Nowhere") -> None: ...

class Demanding(Policy):
    def __init__(self, *, where: Path = Path("x")) -> None: ...

class Other: ...
"""


@pytest.fixture(autouse=True)
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_policies.py").write_text(MODULE)
    (tmp_path / "my_broken_module.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_policies", raising=False)


def faults(use: str, config: dict[str, object] | None = None) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(PolicyNotLoadable) as error:
        load_policy(PolicySpec(use, config or {}))
    return [(fault.path, fault.message) for fault in error.value.faults]


def test_built_in_policies_are_loaded_by_name() -> None:
    assert [type(each.policy) for each in load_policies([PolicySpec(name) for name in BUILTIN])] == [Noop, Redact]


def test_ones_own_policy_is_loaded_by_module_and_class() -> None:
    policy = load_policy(PolicySpec("my_policies:Plain", on_error="fail_open"))
    assert (policy.name, sorted(policy.hooks), policy.on_error) == ("Plain", ["on_content_delta"], "fail_open")


def test_options_arrive_with_the_types_of_the_constructor() -> None:
    config = {"words": ["x"], "after": "2m", "size": "1KiB", "limits": {"a": 1}}
    policy = load_policy(PolicySpec("my_policies:Choosy", config))
    assert policy.name == "choosy"
    assert vars(policy.policy)["options"] == (["x"], Seconds(120), 1024, "a", {"a": 1})


@pytest.mark.parametrize(
    ("use", "message"),
    [
        ("redacted", "unknown policy; did you mean redact?; built in are noop, redact, others are written "),
        ("my_policies:Plian", "my_policies has no Plian; did you mean Plain?"),
        ("no_such_module:X", "cannot import no_such_module: ModuleNotFoundError: "),
        ("my_broken_module:X", "cannot import my_broken_module: ZeroDivisionError: division by zero"),
        ("my_policies:Other", "Other is not a class derived from flowspan.Policy"),
        ("my_policies:Literal", "Literal is not a class derived from flowspan.Policy"),
        ("my_policies:Slip", "Slip.on_content_deltas is not a hook; did you mean on_content_delta?"),
        ("my_policies:Blocking", "Blocking.on_content_delta is not `async def`"),
        ("my_policies:Vague", "Vague.__init__ must name its options: **options cannot be checked"),
        ("my_policies:Unreadable", "the annotations of Unreadable.__init__ cannot be read: "),
        (":", "cannot import"),
    ],
)
def test_what_cannot_be_used_is_said_of_use(use: str, message: str) -> None:
    ((path, text),) = faults(use)
    assert path == ("use",)
    assert text.startswith(message)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, (("config", "words"), "missing")),
        ({"words": []}, (("config", "words"), "expected at least one")),
        ({"words": "x"}, (("config", "words"), "expected a list, not text")),
        ({"words": ["x", 1]}, (("config", "words", 1), "expected text, not a whole number")),
        ({"words": ["x"], "mode": "c"}, (("config", "mode"), "expected one of a, b")),
        (
            {"words": ["x"], "after": "soon"},
            (("config", "after"), "expected a duration such as 30, 30s, 500ms, 2m or 1h"),
        ),
        ({"words": ["x"], "moed": "a"}, (("config", "moed"), "unknown option; did you mean mode?")),
    ],
)
def test_a_bad_option_is_named(config: dict[str, object], expected: tuple[tuple[str | int, ...], str]) -> None:
    assert faults("my_policies:Choosy", config) == [expected]


def test_all_bad_options_are_named_at_once() -> None:
    assert len(faults("my_policies:Choosy", {"words": 1, "mode": 2, "x": 3})) == 3


def test_a_constructor_that_fails_is_said_of_config() -> None:
    assert faults("my_policies:Broken") == [(("config",), "Broken: no database")]


def test_an_option_of_a_type_that_no_file_can_hold_is_named() -> None:
    ((path, message),) = faults("my_policies:Demanding", {"where": "/tmp"})
    assert path == ("config", "where")
    assert "no option can be of type Path" in message


def test_a_policy_without_options_takes_none() -> None:
    assert faults("noop", {"x": 1}) == [(("config", "x"), "unknown option")]


def test_hooks_that_are_not_overridden_are_not_called() -> None:
    assert overridden(Noop()) == frozenset()
    assert loaded(Noop()).streaming_hooks == frozenset()


def test_hooks_that_an_object_has_no_use_for_are_not_called() -> None:
    assert overridden(Redact(apply_to=("requests",))) == {"on_request"}
    assert "on_request" not in overridden(Redact(apply_to=("responses",)))


def test_every_hook_is_a_method_of_policy() -> None:
    assert [name for name in vars(Policy) if name.startswith("on_")] == list(HOOKS)
