"""The command line: `flowspan serve | demo | check`. Each command imports what it needs: asking for help is quick.

Exit codes: 0 all well; 1 what was checked has problems; 2 the command could not be carried out.
"""

import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import NoReturn

import click

_NO_CONFIG = """flowspan serve needs a configuration: flowspan serve --config FILE

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
    # Policies of one's own lie where one works; last in line, so that nothing there can pass for a library.
    sys.path.append(str(Path.cwd()))


@main.command()
@click.option("--config", "file", metavar="FILE", help="The configuration, in LiteLLM's format.")
@click.option("--host", help="The address to serve on, instead of the configured one.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port, instead of the configured one.")
@click.option("--metrics-port", type=click.IntRange(0, 65535), help="The port for Prometheus; 0 takes a free one.")
def serve(file: str | None, host: str | None, port: int | None, metrics_port: int | None) -> None:
    """Serve the models of a configuration."""
    if file is None:
        _stop(_NO_CONFIG)
    from msgspec.structs import replace

    from app.configuration import ConfigurationRefused, UnsafeBind, check_bind, export, grouped, load

    try:
        configuration = load(file)
    except ConfigurationRefused as refused:
        _stop("\n".join(str(problem) for problem in refused.problems))
    except (OSError, UnicodeDecodeError) as error:
        _stop(_unreadable(file, error))
    for warning in grouped(configuration.warnings):
        click.echo(f"warning: {warning}", err=True)
    settings = configuration.settings
    given = {"host": host, "port": port, "metrics_port": metrics_port}
    server = replace(settings.server, **{name: value for name, value in given.items() if value is not None})
    settings = replace(settings, server=server)
    try:
        check_bind(settings)
    except UnsafeBind as error:
        _stop(f"--host: {error}")
    export(configuration.environment)
    from app.server import serve as run

    sys.exit(run(settings))


@main.command()
@click.option("--once", is_flag=True, help="Run for a short while, print a transaction and the totals, and end.")
def demo(once: bool) -> None:
    """Show the gateway at work, with simulated models: no key, no network."""
    from app.demo import run_demo

    sys.exit(run_demo(once))


@main.command()
@click.argument("file")
def check(file: str) -> None:
    """Say what a configuration sets up, or all that is wrong with it."""
    from app.configuration import ConfigurationRefused, check_bind, grouped, load
    from app.configuration.summary import summary

    try:
        configuration = load(file)
    except ConfigurationRefused as refused:
        _list("problem", refused.problems, "red")
        _list("warning", grouped(refused.warnings), "yellow")
        click.echo(f"{file} is refused.")
        sys.exit(1)
    except (OSError, UnicodeDecodeError) as error:
        _stop(_unreadable(file, error))
    unguarded = check_bind(configuration.settings)
    _list("warning", [*grouped(configuration.warnings), *([unguarded] if unguarded else [])], "yellow")
    click.echo(summary(configuration.settings))
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
