"""Names are those that an engineer of HTTP, OpenTelemetry or the SDKs would look for, not words of this project alone.

This holds for the modules, classes, functions, parameters, variables and attributes defined here. Names of tests
are sentences, and free.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import PurePath

from tests.unit.sources import modules

_ANYWHERE = frozenset(
    {
        *("hears", "heard", "said", "say", "says", "shown", "tell", "tells", "told", "worded"),
        *("camera", "cast", "plot", "promises", "scene"),
        *("crossing", "crossings", "door", "fate", "keeper", "keyring", "maker", "own", "patience", "place", "placed"),
        *("places", "settle", "settled", "tap", "trial", "verbatim"),
    }
)
"""Words that no name has among its parts: `own` is in `own_bytes` and `OwnBytes`, not in `known`."""
_WHOLE = frozenset({"Answer", "Ask", "KeyRing", "Turns", "Wire", "Work"})
_MODULES = frozenset(
    {
        *("call_arguments", "cut_names", "effort", "encrypted", "followed", "heard", "lifetimes"),
        *("own_bytes", "passing", "quick_decoding", "refusals", "repair", "sent", "stored", "turns", "well_formed"),
    }
)
"""Fine as a word in a sentence or a name (`bytes_sent`), but no name for a module."""
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def _defined(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and name of what a module defines."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.arg(arg=name):
                yield node.lineno, name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.alias(asname=str(name)):
                yield node.lineno, name


def _is_private(name: str) -> bool:
    if name.startswith("test_"):
        return False
    return name.lstrip("_") in _WHOLE or any(word.lower() in _ANYWHERE for word in _WORD.findall(name))


def test_names_use_the_words_of_the_field() -> None:
    private = [
        f"{path}:{line}: {name}" for path, tree in modules() for line, name in _defined(tree) if _is_private(name)
    ]

    assert private == []


def test_modules_are_named_for_what_they_hold() -> None:
    private = [
        path
        for path, _ in modules()
        for name in PurePath(path).with_suffix("").parts
        if name.removeprefix("test_") in _MODULES or _is_private(name.removeprefix("test_"))
    ]

    assert private == []
