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


def modules_in(*folders: str) -> dict[str, ast.Module]:
    """Tree of every module below these folders, by its path."""
    below = tuple(f"{folder}/" for folder in folders)
    return {path: tree for path, tree in modules() if path.startswith(below)}


@cache
def _all_modules() -> dict[str, ast.Module]:
    return parsed(_ROOT, ALL)
