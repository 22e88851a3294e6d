"""The command line: `flowspan serve | demo | check`. Each command imports what it needs, so that `--help` is quick.

Exit status: 0 success, for `serve` after SIGTERM or SIGINT, too; 1 the checked configuration has problems; 2 the
command could not be carried out.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import NoReturn

import click

_NO_CONFIG = """flowspan serve needs a configuration: flowspan serve FILE

  examples/flowspan.yaml    simulated models: no key, no network
  examples/providers.yaml   OpenAI and Anthropic

flowspan check FILE says what is wrong with a file. flowspan demo needs no file at all."""


def _version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        click.echo(f"flowspan {metadata.version('flowspan')}")
        context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
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
    if here in named or here == str(Path(__file__).parents[1]):
        return list(path)
    return [entry for entry in path if os.path.abspath(entry) != here]


def _takes_configuration(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command have its file as an argument or as an option."""
    option = click.option("--config", "option", metavar="FILE", help="The configuration, in LiteLLM's format.")
    return click.argument("argument", metavar="[FILE]", required=False)(option(command))


def _one_file(argument: str | None, option: str | None, without: str) -> str:
    """The file that a command line names. Ends the command where it names two, or none."""
    if argument is not None and option is not None and argument != option:
        _stop(f"two configurations are named: {argument} and --config {option}")
    file = argument if option is None else option
    return _stop(without) if file is None else file


@main.command()
@_takes_configuration
@click.option("--host", help="The address to serve on, instead of the configured one.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port, instead of the configured one.")
@click.option("--metrics-host", help="The address for Prometheus, instead of the configured one.")
@click.option("--metrics-port", type=click.IntRange(0, 65535), help="The port for Prometheus; 0 takes a free one.")
def serve(
    argument: str | None,
    option: str | None,
    host: str | None,
    port: int | None,
    metrics_host: str | None,
    metrics_port: int | None,
) -> None:
    """Serve the models of a configuration."""
    # From the beginning: a reload may be asked for while the start is still under way.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    file = _one_file(argument, option, _NO_CONFIG)
    from msgspec.structs import replace

    from app.configuration import ConfigurationRefused, UnsafeBind, check_bind, export, grouped, load

    try:
        configuration = load(file)
    except ConfigurationRefused as refused:
        _stop("\n".join(str(problem) for problem in grouped(refused.problems)))
    except (OSError, UnicodeDecodeError) as error:
        _stop(_unreadable(file, error))
    for warning in grouped(configuration.warnings):
        click.echo(f"warning: {warning}", err=True)
    settings = configuration.settings
    given = {"host": host, "port": port, "metrics_host": metrics_host, "metrics_port": metrics_port}
    server = replace(settings.server, **{name: value for name, value in given.items() if value is not None})
    settings = replace(settings, server=server)
    try:
        check_bind(settings)
    except UnsafeBind as error:
        _stop(f"--{error.option.replace('_', '-')}: {error}")
    export(configuration.environment)
    from app.serving.process import serve as run

    sys.exit(run(settings))


@main.command()
@click.option("--once", is_flag=True, help="Run for a short while, print a transaction and the totals, and end.")
def demo(once: bool) -> None:
    """Show the gateway at work, with simulated models: no key, no network."""
    from app.configuration import check_telemetry_variables

    problems, _ = check_telemetry_variables(os.environ)
    if problems:
        _stop("\n".join(map(str, problems)))
    from app.demo import run_demo

    sys.exit(run_demo(once))


@main.command()
@_takes_configuration
@click.option("--no-env", is_flag=True, help="Take variables and secret files that are missing for a warning.")
def check(argument: str | None, option: str | None, no_env: bool) -> None:
    """Say what a configuration sets up, or all that is wrong with it."""
    file = _one_file(argument, option, "flowspan check needs a configuration: flowspan check FILE")
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
        _stop(_unreadable(file, error))
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


def _unreadable(file: str, error: OSError | UnicodeDecodeError) -> str:
    reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
    return f"{file} cannot be read: {reason}"


def _stop(message: str) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(2)
