"""`flowspan doctor`."""

import os
import shutil
import sys

import click

from app.cli.files import one_file, stop, takes_configuration, unreadable

_WIDEST = 100
_COLOURS = {"good": "green", "note": None, "warning": "yellow", "fault": "red"}


@click.command()
@takes_configuration
@click.option("--ask", is_flag=True, help="Ask each provider for its models, with its key. That costs nothing.")
def doctor(argument: str | None, option: str | None, ask: bool) -> None:
    """Say what is configured, reachable and exported. Exit status 1: something would stop the start."""
    file = one_file(argument, option, "") if argument or option else None
    from app.doctor import examine, has_fault, lines_of

    try:
        sections = examine(file, os.environ, asks=ask)
    except (OSError, UnicodeDecodeError) as error:
        stop(unreadable(str(file), error))
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    for section in sections:
        for level, line in lines_of(section, width):
            click.secho(line, bold=level is None, fg=None if level is None else _COLOURS[level])
    if has_fault(sections):
        click.secho("The gateway would not start.", fg="red", bold=True)
        sys.exit(1)
    click.secho("Nothing would stop the start.", fg="green")
