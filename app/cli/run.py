"""`flowspan run -- PROGRAM`."""

import os
import sys

import click

from app.cli.files import stop, unreadable


@click.command(context_settings={"allow_interspersed_args": False})
@click.argument("program", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("--config", metavar="FILE", help="Models and policies of this file, with the gateway's own credentials.")
@click.option("--policy", "policies", multiple=True, metavar="NAME", help="A policy: redact, or package.module:Class.")
@click.option("--record", default="memory", metavar="STORE", help="off, memory, sqlite:///FILE or postgresql://...")
@click.option("--quiet", is_flag=True, help="Print nothing but warnings.")
def run(program: tuple[str, ...], config: str | None, policies: tuple[str, ...], record: str, quiet: bool) -> None:
    """Run a program, such as claude, codex, opencode or aider, with its models seen through a gateway."""
    from app.configuration import ConfigurationRefused, grouped, load
    from app.run.agents import Unsupported
    from app.run.session import Wishes
    from app.run.session import run as run_program
    from app.serving.in_thread import GatewayFailed

    try:
        configured = None if config is None else load(config)
        status = run_program(program, Wishes(policies, record, quiet), configured, os.environ)
    except ConfigurationRefused as refused:
        stop("\n".join(str(problem) for problem in grouped(refused.problems)))
    except (Unsupported, GatewayFailed) as error:
        stop(str(error))
    except (OSError, UnicodeDecodeError) as error:
        stop(unreadable(config or "the environment", error))
    sys.exit(status)
