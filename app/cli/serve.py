"""`flowspan serve`."""

import os
import signal
import sys
from collections.abc import Mapping
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import click

from app.cli.files import one_file, reading, stop, takes_configuration
from app.cli.health import ADDRESS_FILE

if TYPE_CHECKING:
    from app.serving.start import Start

_NO_CONFIG = """flowspan serve needs a configuration: flowspan serve FILE

  flowspan init    writes a first one: of the providers whose keys are in your environment, else simulated models
  flowspan demo    shows the gateway at work; it needs no file, no key and no network

flowspan check FILE says what is wrong with a file."""


def _end(sig: int, frame: FrameType | None) -> NoReturn:
    """End before anything is served: an end that was asked for is a success."""
    sys.exit(0)


class _Workers(click.ParamType[int | str]):
    """A number of at least 1, or `auto`."""

    name = "workers"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        if value == "auto":
            return value
        if value.isascii() and value.isdecimal() and int(value) > 0:
            return int(value)
        return self.fail(f"{value!r} is neither a number of processes nor auto", param, ctx)


@click.command()
@takes_configuration
@click.option("--host", help="The address to serve on, instead of the configured one.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port, instead of the configured one.")
@click.option("--uds", type=click.Path(dir_okay=False), help="The path of a Unix socket to serve on, beside the port.")
@click.option("--metrics-host", help="The address for Prometheus, instead of the configured one.")
@click.option("--metrics-port", type=click.IntRange(0, 65535), help="The port for Prometheus; 0 takes a free one.")
@click.option("--console-host", help="The address of the console, instead of the configured one.")
@click.option("--console-port", type=click.IntRange(0, 65535), help="The port of the console; 0 takes a free one.")
@click.option("--workers", type=_Workers(), metavar="N|auto", help="Processes that serve; auto: one for each core.")
@click.option("--address-file", envvar=ADDRESS_FILE, show_envvar=True, help="The file for its address.")
@click.option("--log-format", type=click.Choice(["auto", "json", "console"]), help="JSON, or lines for people.")
def serve(
    argument: str | None,
    option: str | None,
    host: str | None,
    port: int | None,
    uds: str | None,
    metrics_host: str | None,
    metrics_port: int | None,
    console_host: str | None,
    console_port: int | None,
    workers: int | str | None,
    address_file: str | None,
    log_format: str | None,
) -> None:
    """Serve the models of a configuration."""
    # From the beginning: a reload, or the end, may be asked for while the start is still under way.
    for later in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(later, signal.SIG_IGN)
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, _end)
    file = one_file(argument, option, _NO_CONFIG)
    from app.configuration import Source, UnsafeBind, check_bind, export, grouped

    given: dict[str, object] = {
        "host": host,
        "port": port,
        "uds": uds,
        "metrics_host": metrics_host,
        "metrics_port": metrics_port,
    }
    given["workers"] = workers
    start = _start()
    server, console = start.addresses()
    given_console = {"host": console_host, "port": console_port}
    source = Source(file, {**_given(given), **server}, {**_given(given_console), **console}, log_format)
    with reading(file):
        configuration = source.load()
    for warning in grouped(configuration.warnings):
        click.echo(f"warning: {warning}", err=True)
    try:
        check_bind(configuration.settings)
    except UnsafeBind as error:
        stop(f"--{error.option.replace('_', '-')}: {error}")
    export(configuration.environment)
    if configuration.settings.server.workers is not None:
        from app.workers.supervisor import supervise

        sys.exit(supervise(source, configuration, address_file, start))
    from app.serving.process import serve as run

    sys.exit(run(configuration, source, address_file, start))


def _start() -> "Start":
    """What the process was started with."""
    from app.serving.start import BadSockets, Start

    try:
        return Start.of(os.environ)
    except BadSockets as error:
        stop(str(error))


def _given(options: Mapping[str, object]) -> dict[str, object]:
    """The options that the command line has."""
    return {name: value for name, value in options.items() if value is not None}
