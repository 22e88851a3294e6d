"""The table of rooms in docs/ARCHITECTURE.md is true: who imports whom, and only what stands further down."""

import ast
import re
from collections import defaultdict
from pathlib import Path
from typing import TypeGuard

import pytest

from scripts.house import importers
from tests.unit.sources import modules_in

ROOT = Path(__file__).parents[2]
_ROW = re.compile(r"\| `([\w.]+)` \| [^|]+ \| ([^|]*) \|")


def _documented() -> dict[str, set[str]]:
    """Which rooms each room may import, in the order of the table."""
    page = (ROOT / "docs" / "ARCHITECTURE.md").read_text()
    return {room: set(imports.split(", ")) - {""} for room, imports in _ROW.findall(page)}


def _room(path: str) -> str:
    """`gateway` of app/gateway/reply.py, `limits` of app/limits.py; the other trees are one room each."""
    tree, _, rest = path.partition("/")
    return rest.removesuffix(".py").split("/")[0] if tree == "app" else tree


def _imported() -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for path, by in importers(modules_in("app", "flowspan", "telemetry")).items():
        for importer in by:
            if _room(importer) != _room(path):
                found[_room(importer)].add(_room(path))
    return found


def test_each_room_imports_what_the_table_says() -> None:
    documented, imported = _documented(), _imported()
    rooms = {_room(path) for path in modules_in("app", "flowspan", "telemetry")} - {"__init__"}

    assert set(documented) == rooms
    assert documented == {room: imported[room] for room in documented}


def test_a_room_imports_only_rooms_below_it() -> None:
    rooms = list(_documented())

    assert [
        (room, up) for room, below in _documented().items() for up in below if rooms.index(up) <= rooms.index(room)
    ] == []


@pytest.mark.parametrize("folder", ["app/breakers", "app/dialects"])
def test_pure_rooms_neither_wait_nor_read_a_clock(folder: str) -> None:
    impure = [
        f"{path}:{node.lineno}"
        for path, tree in modules_in(folder).items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncFunctionDef) or _imports_time(node)
    ]

    assert impure == []


def _imports_time(node: ast.AST) -> TypeGuard[ast.Import | ast.ImportFrom]:
    match node:
        case ast.Import(names=names):
            return any(alias.name == "time" for alias in names)
        case ast.ImportFrom(module=module):
            return module == "time"
    return False
