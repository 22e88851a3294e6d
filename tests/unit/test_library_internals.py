"""Private parts of libraries that the project stands on: all of them are on this list, each with a test that it works.

An update of a library that changes one fails here, with the name of the place, and not in production.
"""

import inspect
import logging
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import app
import telemetry
from app.recorder.secrets import SecretMask
from telemetry.logs.records import AccessRecord
from telemetry.redact import Scrubber

_PLAIN = ("app", "telemetry", "builtins", "typing", "abc", "enum", "msgspec")
ROOT = Path(__file__).parents[2]
HERE = "tests/unit/test_library_internals.py"
_EXPOSED = "tests/unit/telemetry/metrics/test_rendering.py::test_a_scrape_says_what_the_librarys_own_would"
_CREATED = "tests/unit/telemetry/metrics/test_rendering.py::test_created_timestamps_are_told_where_they_are_asked_for"
_MODES = "tests/unit/telemetry/metrics/test_merged.py::test_a_gauge_is_that_of_the_workers_that_live_by_its_mode"
_REMOVED = "tests/unit/telemetry/metrics/test_merged.py::test_a_gauge_that_was_removed_is_exposed_no_more"
INTERNALS = {
    ("LeanCounter", "_created"): _CREATED,
    ("LeanGauge", "_is_most_recent"): _MODES,
    ("LeanGauge", "_lock"): _REMOVED,
    ("LeanGauge", "_metrics"): _REMOVED,
    ("LoopHistogram", "_upper_bounds"): _EXPOSED,
    ("LoopHistogram", "_created"): _CREATED,
    ("_Parent", "_kwargs"): _EXPOSED,
    ("_Parent", "_labelnames"): _EXPOSED,
    ("_Parent", "_labelvalues"): _EXPOSED,
    ("_Parent", "_lock"): _EXPOSED,
    ("_Parent", "_metrics"): _EXPOSED,
}
"""By our class and the attribute: the test that fails where it is gone."""


def test_the_list_is_complete() -> None:
    found = {use for package in (app, telemetry) for cls in classes(package) for use in internals(cls)}
    assert found == set(INTERNALS)


@pytest.mark.parametrize("test", sorted(set(INTERNALS.values())))
def test_each_has_a_test(test: str) -> None:
    path, _, name = test.partition("::")
    assert f"def {name}" in (ROOT / path).read_text()


def test_an_access_record_is_a_whole_log_record() -> None:
    """Not an attribute but the way in: it fills `LogRecord.__dict__` itself, for a third of the price."""
    usual = logging.LogRecord("flowspan.access", logging.INFO, "", 0, "hello", (), None)
    record = AccessRecord("hello", {"status": 200})
    assert vars(record).keys() == vars(usual).keys() | {"fields"}
    assert logging.Formatter("%(name)s %(levelname)s %(message)s").format(record) == "flowspan.access INFO hello"


def classes(package: ModuleType) -> Iterator[type]:
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if module.name.startswith("app.backends.litellm."):
            continue  # Imports LiteLLM, which takes seconds, and extends none of its classes.
        for cls in vars(import_module(module.name)).values():
            if isinstance(cls, type) and cls.__module__ == module.name:
                yield cls


def internals(cls: type) -> set[tuple[str, str]]:
    """The private attributes of foreign bases that a class of ours uses."""
    foreign = [base for base in cls.__mro__ if base.__module__.partition(".")[0] not in _PLAIN]
    if not foreign:
        return set()
    theirs = {name for base in foreign for name in private_names(base)}
    return {(cls.__name__, name) for name in private_names(cls) & theirs}


@cache
def private_names(cls: type) -> frozenset[str]:
    try:
        return frozenset(re.findall(r"\bself\.(_(?!_)\w+)", inspect.getsource(cls)))
    except (OSError, TypeError):
        return frozenset()  # Written in C.


def test_python_keeps_no_pattern_of_secrets() -> None:
    """Its cache would hold those of hundreds of configurations that are gone."""
    scrub, mask = Scrubber(["secret-of-a-configuration"]), SecretMask([f"secret-number-{one}" for one in range(100)])
    assert scrub("secret-of-a-configuration") == "[redacted]"
    assert mask(b"{secret-number-7}") == b"{***************}"
    assert not any("secret-" in str(key) for key in vars(re)["_cache"])
