"""How commands take the file of a configuration, and end where they cannot go on."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import click


def takes_configuration(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command have its file as an argument or as an option."""
    path = click.Path()
    named = click.option(
        "--config", "option", type=path, metavar="FILE", help="The configuration, in LiteLLM's format."
    )
    return click.argument("argument", type=path, metavar="[FILE]", required=False)(named(command))


def one_file(argument: str | None, option: str | None, without: str) -> str:
    """The file that a command line names. Ends the command where it names two, or none."""
    if argument is not None and option is not None and argument != option:
        stop(f"two configurations are named: {argument} and --config {option}")
    file = argument if option is None else option
    return stop(without) if file is None else file


def unreadable(file: str, error: OSError | UnicodeDecodeError) -> str:
    reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
    return f"{file} cannot be read: {reason}"


@contextmanager
def reading(file: str) -> Iterator[None]:
    """Ends the command where the configuration that is read here cannot be read, or is refused."""
    from app.configuration import ConfigurationRefused, grouped

    try:
        yield
    except ConfigurationRefused as refused:
        stop("\n".join(str(problem) for problem in grouped(refused.problems)))
    except (OSError, UnicodeDecodeError) as error:
        stop(unreadable(file, error))


def write(file: str, data: bytes) -> None:
    """Write a file. Ends the command where that cannot be done."""
    try:
        Path(file).write_bytes(data)
    except OSError as error:
        stop(f"{file} cannot be written: {error.strerror or error}")


def stop(message: str) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(2)
