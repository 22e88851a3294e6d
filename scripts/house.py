"""The shape of the code in figures: how large modules and functions are, who imports whom, where a request goes.

    python scripts/house.py [CHECKOUT]

Standard library only; another checkout is measured as it is, and its requests run on this Python's packages.
"""

import ast
import gc
import json
import os
import re
import statistics
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

PRODUCT = ("app", "telemetry")
ALL = (*PRODUCT, "flowspan", "dashboards", "bench", "scripts", "tests")
LEANS = re.compile(
    r"(the same|likewise|of|those|with|none|also|and|or|but|as above|as there|ditto|that (its?|the))\b", re.IGNORECASE
)
"""How a docstring begins that needs the line before it."""
_WAYS = {
    "ok": "as it came",
    "edited": "edited by redact",
    "refused": "refused before the first byte",
    "cut": "cut off after it",
}
Trees = Mapping[str, ast.Module]


def parsed(root: Path, folders: Iterable[str]) -> dict[str, ast.Module]:
    """Every module of these folders by its path from `root`, as in `app/main.py`."""
    files = (path for folder in folders for path in sorted((root / folder).rglob("*.py")))
    # A million nodes, none of which is garbage: looking for some among them took three quarters of the time.
    gc.disable()
    try:
        return {path.relative_to(root).as_posix(): ast.parse(path.read_text()) for path in files}
    finally:
        gc.enable()


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of each docstring, those below an attribute included."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            match statement:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    yield statement.lineno, text.strip()


def leaning(tree: ast.Module) -> list[str]:
    """Line and beginning of each docstring that needs the line before it."""
    return [f"{line}: {text.splitlines()[0]}" for line, text in docstrings(tree) if LEANS.match(text)]


def spread(values: Sequence[int]) -> str:
    """Median, 90th percentile and maximum."""
    if not values:
        return "-"
    p90 = sorted(values)[min(len(values) - 1, round(0.9 * (len(values) - 1)))]
    return f"{statistics.median(values):g} / {p90} / {max(values)}"


def function_lines(trees: Iterable[ast.Module]) -> list[int]:
    return [
        (node.end_lineno or node.lineno) - node.lineno + 1
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def lines(tree: ast.Module) -> int:
    """Lines up to the last statement; an empty module has none."""
    return max((node.end_lineno or 0 for node in tree.body), default=0)


def _package(path: str) -> str:
    """The package of a module, one level below `app` and `telemetry`: `app/main.py` is of `app`."""
    return "/".join(path.split("/")[:-1][:2])


def shape(trees: Trees) -> list[str]:
    """A row for each package, and one for each of the two trees."""
    rooms: dict[str, dict[str, ast.Module]] = defaultdict(dict)
    for path, tree in trees.items():
        for room in {path.split("/")[0] + " (all)", _package(path)}:
            rooms[room][path] = tree
    out = [
        "| package | modules | lines | module: median / p90 / max | functions | median / p90 / max |",
        "|---" * 6 + "|",
    ]
    for room, members in sorted(rooms.items()):
        sizes = [size for size in map(lines, members.values()) if size > 1]
        functions = function_lines(members.values())
        out.append(
            f"| {room} | {len(sizes)} | {sum(sizes)} | {spread(sizes)} | {len(functions)} | {spread(functions)} |"
        )
    folders = Counter(path.rpartition("/")[0] for path, tree in trees.items() if lines(tree) > 1)
    return [*out, "", f"Modules per folder: {spread(list(folders.values()))}"]


def importers(trees: Trees) -> dict[str, set[str]]:
    """Which modules import each module, by path."""
    by_name = {path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in trees}
    found: dict[str, set[str]] = {path: set() for path in trees}
    for path, tree in trees.items():
        for name in _imported(tree):
            target = by_name.get(name) or by_name.get(name.rpartition(".")[0])
            if target is not None and target != path:
                found[target].add(path)
    return found


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield from (f"{module}.{alias.name}" for alias in names)


def dialect_conditions(tree: ast.Module) -> int:
    """Comparisons and `match` cases that ask which dialect something is of."""
    count = 0
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, comparators=right):
                count += any(map(_is_dialect, (left, *right)))
            case ast.Match(subject=subject, cases=cases) if _is_dialect(subject):
                count += len(cases)
    return count


def _is_dialect(node: ast.expr) -> bool:
    return (isinstance(node, ast.Name) and node.id == "dialect") or (
        isinstance(node, ast.Attribute) and node.attr == "dialect"
    )


def ways(root: Path) -> list[str]:
    out = ["| one streamed request | modules | functions | changes of file |", "|---" * 4 + "|"]
    for kind, words in _WAYS.items():
        counts = _way(kind, root)
        out.append(f"| {words} | {counts['modules']} | {counts['functions']} | {counts['changes']} |")
    return out


def _way(kind: str, root: Path) -> dict[str, int]:
    script = Path(__file__).with_name("way.py")
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, str(script), kind, str(root)]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    counts: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return counts


def report(root: Path) -> Iterator[str]:
    trees = parsed(root, PRODUCT)
    yield from shape(trees)
    alone = Counter(_package(path) for path, found in importers(trees).items() if len(found) == 1)
    of = Counter(map(_package, trees))
    yield ""
    yield f"Modules with a single importer: {alone.total()} of {of.total()}"
    yield "  " + ", ".join(f"{room} {count} of {of[room]}" for room, count in sorted(alone.items()))
    asking = {path: count for path, tree in trees.items() if (count := dialect_conditions(tree))}
    yield f"Conditions on a dialect's name: {sum(asking.values())} in {len(asking)} modules"
    needy = Counter({path.split("/")[0]: 0 for path in trees})
    for path, tree in parsed(root, ALL).items():
        needy[path.split("/")[0]] += len(leaning(tree))
    yield "Docstrings that lean on another: " + ", ".join(f"{folder} {count}" for folder, count in needy.items())
    yield ""
    yield from ways(root)


def main() -> None:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1]).resolve()
    sys.stdout.write("\n".join(report(root)) + "\n")


if __name__ == "__main__":
    main()
