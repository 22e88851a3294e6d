"""The project's own Python files, parsed, for the tests that read them."""

import ast
from collections.abc import ItemsView
from functools import cache
from pathlib import Path

from scripts.house import ALL, parsed

_ROOT = Path(__file__).parents[2]


def modules() -> ItemsView[str, ast.Module]:
    """Path and tree of every module."""
    return _all_modules().items()


@cache
def _all_modules() -> dict[str, ast.Module]:
    return parsed(_ROOT, ALL)
