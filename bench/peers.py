"""Where the other gateways are installed: beside Flowspan, or in an environment of their own (`--peers PATH`); and an
earlier version of Flowspan (`--earlier PATH`)."""

import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from bench.rows import Row

_PACKAGES = {"litellm": ("litellm", "litellm-proxy-extras"), "tensorzero": ("tensorzero",)}
"""What a kind of row needs; the first is the package whose version counts."""


@dataclass(frozen=True)
class Peers:
    """`folder` is an environment of Python's; None is the one that runs this. `earlier` is one with an earlier version
    of Flowspan, if that is to be measured, too."""

    folder: Path | None = None
    earlier: Path | None = None

    def program(self, name: str) -> str:
        """The path of one of its programs."""
        return str((self.folder / "bin" if self.folder else Path(sys.executable).parent) / name)

    def version(self, package: str) -> str | None:
        """The version of a package, or None where it is not installed."""
        if self.folder is None:
            try:
                return version(package)
            except PackageNotFoundError:
                return None
        code = f"from importlib.metadata import version; print(version({package!r}))"
        asked = subprocess.run([self.program("python"), "-c", code], capture_output=True, text=True, check=False)
        return asked.stdout.strip() or None

    def missing(self, row: Row) -> str | None:
        """Why a row cannot be run here."""
        if row.kind == "earlier":
            return None if self.earlier else "no environment is named by --earlier"
        absent = [name for name in _PACKAGES.get(row.kind, ()) if self.version(name) is None]
        return f"the package {absent[0]} is not installed" if absent else None

    def present(self, rows: tuple[Row, ...]) -> list[Row]:
        """Return the rows that can be run; print which ones are left out, and why."""
        for row in rows:
            if why := self.missing(row):
                click.echo(f"left out: {row.name}: {why}", err=True)
        return [row for row in rows if self.missing(row) is None]


def with_peers(command: click.decorators.FC) -> click.decorators.FC:
    """Give a command the option `--peers`."""
    return click.option(
        "--peers",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="An environment of Python's with litellm[proxy] and tensorzero; by default the one that runs this.",
    )(command)
