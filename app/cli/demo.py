"""`flowspan demo`."""

import os
import sys

import click

from app.cli.files import stop


@click.command()
@click.option("--once", is_flag=True, help="Run for a short while, print a transaction and the totals, and end.")
def demo(once: bool) -> None:
    """Show the gateway at work, with simulated models: no key, no network."""
    from app.configuration import check_telemetry_variables

    problems, _ = check_telemetry_variables(os.environ)
    if problems:
        stop("\n".join(map(str, problems)))
    from app.demo import run_demo

    sys.exit(run_demo(once))
