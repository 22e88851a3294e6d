"""`flowspan check`."""

import sys
from collections.abc import Iterable
from contextlib import suppress

import click

from app.cli.files import one_file, stop, takes_configuration, unreadable


@click.command()
@takes_configuration
@click.option("--no-env", is_flag=True, help="Take variables and secret files that are missing for a warning.")
def check(argument: str | None, option: str | None, no_env: bool) -> None:
    """Say what a configuration sets up, or all that is wrong with it."""
    file = one_file(argument, option, "flowspan check needs a configuration: flowspan check FILE")
    from app.configuration import ConfigurationRefused, UnsafeBind, check_bind, grouped, load
    from app.configuration.summary import summary

    try:
        configuration = load(file, needs_environment=not no_env)
    except ConfigurationRefused as refused:
        _list("problem", grouped(refused.problems), "red")
        _list("warning", grouped(refused.warnings), "yellow")
        click.echo(f"{file} is refused.")
        sys.exit(1)
    except (OSError, UnicodeDecodeError) as error:
        stop(unreadable(file, error))
    warnings: list[object] = list(grouped(configuration.warnings))
    # Of an address for others the warnings tell already: its keys may be in the environment that is not here.
    with suppress(UnsafeBind):
        warnings += check_bind(configuration.settings, absent_keys=configuration.absent_keys)
    _list("warning", warnings, "yellow")
    click.echo(summary(configuration.settings, configuration.absent_keys))
    click.secho(f"{file} is good.", fg="green")


def _list(kind: str, found: Iterable[object], colour: str) -> None:
    lines = [str(problem) for problem in found]
    if lines:
        click.secho(f"{len(lines)} {kind}{'s' if len(lines) > 1 else ''}", fg=colour, bold=True)
        click.echo("\n".join(f"  {line}" for line in lines) + "\n")
