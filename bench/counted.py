"""A program whose calls are counted: `python -m bench.counted FOLDER COMMAND...`, and `calls_of` its process.

COMMAND is the name of an installed program, or `python -m MODULE`, with arguments. All of its threads are counted, from
its first line on. The figures so far are to be had at a socket in FOLDER, which is named by the process.
"""

import gc
import json
import os
import runpy
import socket
import sys
import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

Figures = dict[str, list[int]]
"""By `FILE:LINE NAME` of a function: how often it was entered, and how often it called functions in C. A coroutine and
a generator are entered again each time they go on."""


@dataclass(frozen=True)
class Calls:
    """What a process has called so far, on the thread of its event loop and on all others."""

    loop: Figures = field(default_factory=dict)
    others: Figures = field(default_factory=dict)
    collected: int = 0
    """Objects that the garbage collector has freed: those in cycles, which nothing else frees."""

    def since(self, before: "Calls") -> "Calls":
        loop, others = _difference(self.loop, before.loop), _difference(self.others, before.others)
        return Calls(loop, others, self.collected - before.collected)


def calls_of(folder: Path, pid: int) -> Calls:
    """What the program that runs as `pid` has called so far. It must have been started with this folder."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(folder / str(pid)))
        with connection.makefile("rb") as figures:
            return Calls(**json.load(figures))


class _Counter:
    """Counts by function, without a lock: a thread counts in a table of its own."""

    def __init__(self) -> None:
        self._tables: list[tuple[bool, dict[CodeType, list[int]]]] = []

    def install(self) -> None:
        """Count what this thread does from now on, and each one that is started later."""
        threading.setprofile(self._begin)
        sys.setprofile(self._table(is_loop=True))

    def figures(self) -> Calls:
        calls = Calls()
        for is_loop, table in list(self._tables):
            into = calls.loop if is_loop else calls.others
            for code, (entered, in_c) in list(table.items()):
                one = into.setdefault(f"{code.co_filename}:{code.co_firstlineno} {code.co_qualname}", [0, 0])
                one[0] += entered
                one[1] += in_c
        return calls

    def _begin(self, frame: FrameType, event: str, argument: Any) -> None:
        sys.setprofile(self._table(is_loop=False))

    def _table(self, *, is_loop: bool) -> Any:
        table: dict[CodeType, list[int]] = defaultdict(lambda: [0, 0])
        self._tables.append((is_loop, table))

        def note(frame: FrameType, event: str, argument: Any) -> None:
            if event == "call":
                table[frame.f_code][0] += 1
            elif event == "c_call":
                table[frame.f_code][1] += 1

        return note


def _serve(listening: socket.socket, counter: _Counter) -> None:
    while True:
        connection, _ = listening.accept()
        with connection:
            gc.collect()
            collected = sum(generation["collected"] for generation in gc.get_stats())
            figures = counter.figures()
            found = {"loop": figures.loop, "others": figures.others, "collected": collected}
            connection.sendall(json.dumps(found).encode())


def _difference(after: Figures, before: Figures) -> Figures:
    none = [0, 0]
    pairs = (
        (name, [now - then for now, then in zip(after[name], before.get(name, none), strict=True)]) for name in after
    )
    return {name: counts for name, counts in pairs if any(counts)}


def _run(command: Sequence[str]) -> None:
    program, *arguments = command
    if program == sys.executable:
        _, module, *arguments = arguments
        sys.argv = [module, *arguments]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        return
    (entry,) = entry_points(group="console_scripts", name=program)
    sys.argv = [program, *arguments]
    entry.load()()


def main(folder: Path, command: Sequence[str]) -> None:
    counter = _Counter()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(folder / str(os.getpid())))
    listening.listen()
    # Begun before anything is counted, so that it is not counted itself.
    threading.Thread(target=_serve, args=(listening, counter), daemon=True).start()
    counter.install()
    _run(command)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
