"""The command line. Each command has a module, and imports what it needs when it runs, so that `--help` is quick.

Exit status: 0 success, for `serve` after SIGTERM or SIGINT, too; 1 the checked configuration has problems, a replay
differs from what was recorded, the gateway refuses an act, or it is not ready; 2 the command could not be carried out.
"""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from app.cli.admin import admin
from app.cli.check import check
from app.cli.demo import demo
from app.cli.doctor import doctor
from app.cli.explain import explain
from app.cli.export import export
from app.cli.health import health
from app.cli.init import init
from app.cli.keys import keys
from app.cli.replay import replay
from app.cli.run import run
from app.cli.serve import serve
from app.cli.watch import watch

_LONGEST = 200
"""Characters of the sentence that says what a command does."""


def _version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from importlib import metadata

        click.echo(f"flowspan {metadata.version('flowspan')}")
        context.exit()


class _Commands(click.Group):
    """Lists its commands in the order in which they were added, each with a whole sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.get_short_help_str(_LONGEST)) for name, one in self.commands.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version.")
def main() -> None:
    """An LLM gateway that accounts for every moment of every stream."""
    sys.path[:] = _without_working_directory(sys.path)


def _without_working_directory(path: Iterable[str]) -> list[str]:
    """The module search path without the working directory, which `python -m` and `python -c` put first: any file there
    could pass for a library. It is kept where PYTHONPATH names it, or where the gateway itself is installed there."""
    try:
        here = os.getcwd()
    except FileNotFoundError:
        # The directory was removed, so that nothing can be imported from it.
        return list(path)
    named = {os.path.abspath(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry}
    if here in named or here == str(Path(__file__).parents[2]):
        return list(path)
    return [entry for entry in path if os.path.abspath(entry) != here]


for _command in (run, serve, watch, admin, init, check, keys, health, doctor, explain, export, replay, demo):
    main.add_command(_command)
