"""Changed inputs for the targets, as many as time allows: `python -m tests.lab.fuzz --minutes 5`.

All targets in turn, or some by name (`--targets request`). Each kind of finding is told once, with the smallest input
that still shows it. `--guided` has atheris look for inputs that reach new code (pip install atheris; not a dependency),
for one target at a time; it ends at the first finding. Exit code 1 if anything was found.
"""

import importlib
import json
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from types import ModuleType
from typing import Any

import click

_MODULES = (
    "app.backends.direct",
    "app.dialects",
    "app.messages",
    "app.pipeline.policies.whole",
    "app.pipeline.policies.blocks",
)


@dataclass
class Found:
    """`kinds`: where it failed and how -> the smallest input so far."""

    inputs: int = 0
    kinds: dict[str, bytes] = field(default_factory=dict)


@click.command()
@click.option("--minutes", type=float, default=5, show_default=True, help="For all targets together.")
@click.option("--targets", "part", default="", help="Only those with this in their name.")
@click.option("--seed", type=int, default=None, help="A random one by default, which is printed.")
@click.option("--guided", is_flag=True, help="By coverage, with atheris.")
def main(minutes: float, part: str, seed: int | None, guided: bool) -> None:
    seed = seed if seed is not None else time.time_ns() % (1 << 30)
    atheris = _atheris() if guided else None
    from tests.lab.targets import TARGETS

    names = [name for name in TARGETS if part in name]
    click.echo(f"seed {seed}; {', '.join(names)}")
    if atheris is not None:
        _guided(atheris, names[0], int(minutes * 60), seed)
    wrong = False
    for name in names:
        found = fuzz(name, Random(seed), minutes * 60 / len(names))
        click.echo(f"{name}: {found.inputs} inputs, {len(found.kinds)} findings")
        for kind, data in found.kinds.items():
            click.echo(f"  {kind}\n    {data!r}")
        wrong = wrong or bool(found.kinds)
    sys.exit(wrong)


def fuzz(name: str, rng: Random, seconds: float) -> Found:
    """Inputs are changed once or several times over."""
    from tests.lab.mutation import mutated
    from tests.lab.targets import TARGETS

    _, seeds = TARGETS[name]
    inputs = seeds()
    found = Found()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        data = rng.choice(inputs)
        for _ in range(rng.choice((1, 1, 2, 3))):
            data = mutated(data, rng)
        found.inputs += 1
        kind = _failure(name, data)
        if kind is not None and kind not in found.kinds:
            found.kinds[kind] = smallest(name, data, kind)
    return found


def smallest(name: str, data: bytes, kind: str) -> bytes:
    """Parts are left out as long as the failure stays the same one."""
    shrunk = True
    while shrunk:
        shrunk = False
        for less in _less(data):
            if len(less) < len(data) and _failure(name, less) == kind:
                data, shrunk = less, True
                break
    return data


def _failure(name: str, data: bytes) -> str | None:
    """How the target fails with it, and where."""
    from tests.lab.targets import TARGETS

    try:
        TARGETS[name][0](data)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in {where.filename.rpartition('/')[2]}:{where.name}: {str(error)[:80]}"
    return None


def _less(data: bytes) -> Iterator[bytes]:
    try:
        tree = json.loads(data)
    except ValueError:
        events = data.split(b"\n\n")
        yield from (b"\n\n".join([*events[:at], *events[at + 1 :]]) for at in range(len(events)))
        for at, event in enumerate(events):
            head, mark, payload = event.partition(b"data:")
            for less in _less_json(payload) if mark else ():
                yield b"\n\n".join([*events[:at], head + mark + less, *events[at + 1 :]])
        if len(data) < 200:
            yield from (data[:at] + data[at + 1 :] for at in range(len(data)))
        return
    yield from (json.dumps(less).encode() for less in _less_tree(tree))


def _less_json(data: bytes) -> list[bytes]:
    try:
        return [json.dumps(less).encode() for less in _less_tree(json.loads(data))]
    except ValueError:
        return []


def _less_tree(tree: Any) -> Iterator[Any]:
    """Without one key or item, wherever it is."""
    if isinstance(tree, dict):
        for key in tree:
            yield {name: value for name, value in tree.items() if name != key}
        for key, value in tree.items():
            yield from ({**tree, key: less} for less in _less_tree(value))
    elif isinstance(tree, list):
        for at, value in enumerate(tree):
            yield [*tree[:at], *tree[at + 1 :]]
            yield from ([*tree[:at], less, *tree[at + 1 :]] for less in _less_tree(value))


def _atheris() -> ModuleType:
    """Code is instrumented while it is imported, so nothing of it may have been before."""
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=list(_MODULES)):
        importlib.import_module("tests.lab.targets")
    return atheris


def _guided(atheris: ModuleType, name: str, seconds: int, seed: int) -> None:
    """libFuzzer ends the process."""
    import tempfile
    from pathlib import Path

    from tests.lab.mutation import mutated
    from tests.lab.targets import TARGETS

    target, seeds = TARGETS[name]
    folder = Path(tempfile.mkdtemp())
    for number, data in enumerate(seeds()):
        (folder / str(number)).write_bytes(data)

    def change(data: bytes, size: int, number: int) -> bytes:
        rng = Random(number)
        changed: Any = mutated(data, rng) if rng.random() < 0.7 else atheris.Mutate(data, size)
        return bytes(changed)[:size]

    arguments: Sequence[str] = (f"-max_total_time={seconds}", f"-seed={seed}", "-max_len=20000", "-print_final_stats=1")
    atheris.Setup([sys.argv[0], *arguments, str(folder)], target, custom_mutator=change)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
