"""`flowspan check`."""

import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from app.cli.files import one_file, stop, takes_configuration, unreadable

if TYPE_CHECKING:
    from app.configuration import Configuration

_LATER, _ALL_LATER = "change that needs a restart", "changes that need a restart"
_DIFFERS = 3
"""The exit status where a good file changes something."""


@click.command()
@takes_configuration
@click.option("--no-env", is_flag=True, help="Take variables and secret files that are missing for a warning.")
@click.option("--diff", "other", type=click.Path(), metavar="OTHER", help="Say what changes from OTHER to the file.")
def check(argument: str | None, option: str | None, no_env: bool, other: str | None) -> None:
    """Say what a configuration sets up, or all that is wrong with it. The exit status is 0 for one that is good, 1 for
    one that is refused, and 2 where there is nothing to be read; with --diff it is 3 where something would change."""
    file = one_file(argument, option, "flowspan check needs a configuration: flowspan check FILE")
    from app.configuration import UnsafeBind, check_bind, grouped
    from app.configuration.summary import summary

    configuration = _loaded(file, no_env)
    warnings: list[object] = list(grouped(configuration.warnings))
    # Of an address for others the warnings tell already: its keys may be in the environment that is not here.
    with suppress(UnsafeBind):
        warnings += check_bind(configuration.settings, absent_keys=configuration.absent_keys)
    _list("warning", warnings, "yellow")
    if other is None:
        click.echo(summary(configuration.settings, configuration.absent_keys))
    click.secho(f"{file} is good.", fg="green")
    if other is not None and _differences(other, _loaded(other, no_env), configuration):
        sys.exit(_DIFFERS)


def _loaded(file: str, no_env: bool) -> "Configuration":
    """The configuration in a file. Ends the command where it cannot be read, or is refused."""
    from app.configuration import ConfigurationRefused, grouped, load

    try:
        return load(file, needs_environment=not no_env)
    except ConfigurationRefused as refused:
        _list("problem", grouped(refused.problems), "red")
        _list("warning", grouped(refused.warnings), "yellow")
        click.echo(f"{file} is refused.")
        sys.exit(1)
    except (OSError, UnicodeDecodeError) as error:
        stop(unreadable(file, error))


def _differences(other: str, before: "Configuration", after: "Configuration") -> bool:
    """Say what would change in a gateway that has read `other`; whether there is anything."""
    from app.configuration import changes

    found = changes(before, after)
    if not found:
        click.echo(f"Nothing changes from {other}.")
        return False
    click.echo("")
    _list("change", [change for change in found if not change.needs_restart], "cyan")
    _list(_LATER, [change for change in found if change.needs_restart], "yellow", _ALL_LATER)
    return True


def _list(kind: str, found: Iterable[object], colour: str, plural: str = "") -> None:
    lines = [str(problem) for problem in found]
    if lines:
        click.secho(f"{len(lines)} {(plural or f'{kind}s') if len(lines) > 1 else kind}", fg=colour, bold=True)
        click.echo("\n".join(f"  {line}" for line in lines) + "\n")
