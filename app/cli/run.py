"""`flowspan run -- PROGRAM`."""

import os
import sys

import click

from app.cli.files import reading, stop


@click.command(context_settings={"allow_interspersed_args": False})
@click.argument("program", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("--config", metavar="FILE", help="Models and policies of this file, with the gateway's own credentials.")
@click.option("--policy", "policies", multiple=True, metavar="NAME", help="A policy: redact, or package.module:Class.")
@click.option("--record", default="memory", metavar="STORE", help="off, memory, sqlite:///FILE or postgresql://...")
@click.option(
    "--console-port", default=0, type=click.IntRange(0, 65535), help="The console's port; a free one unless set."
)
@click.option("--no-console", is_flag=True, help="Serve no console.")
@click.option("--open", "opens", is_flag=True, help="Open the console in a browser.")
@click.option("--keep", is_flag=True, help="Keep the console when the program has ended, until Ctrl-C.")
@click.option("--quiet", is_flag=True, help="Print nothing but warnings.")
def run(
    program: tuple[str, ...],
    config: str | None,
    policies: tuple[str, ...],
    record: str,
    console_port: int,
    no_console: bool,
    opens: bool,
    keep: bool,
    quiet: bool,
) -> None:
    """Run a program, such as claude, codex, opencode or aider, with its models seen through a gateway."""
    if config is not None and policies:
        stop("--policy and --config: name the policies in the file")
    from app.configuration import ConfigurationRefused, grouped, load
    from app.run.agents import Unsupported
    from app.run.session import Wishes
    from app.run.session import run as run_program
    from app.serving.in_thread import GatewayFailed

    with reading(str(config)):
        configured = None if config is None else load(config)
    for warning in () if configured is None else grouped(configured.warnings):
        click.echo(f"warning: {warning}", err=True)
    wishes = Wishes(policies, record, not no_console, console_port, opens, keep, quiet)
    try:
        sys.exit(run_program(program, wishes, configured, dict(os.environ)))
    except ConfigurationRefused as refused:
        stop("\n".join(str(problem) for problem in grouped(refused.problems)))
    except (Unsupported, GatewayFailed) as error:
        stop(str(error))
