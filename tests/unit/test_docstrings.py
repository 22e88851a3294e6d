"""A docstring is read alone, where an editor shows it above a call: none needs the line before it to be understood."""

from scripts.house import leaning
from tests.unit.sources import modules


def test_every_docstring_stands_alone() -> None:
    found = [f"{path}:{docstring}" for path, tree in modules() for docstring in leaning(tree)]

    assert found == []
