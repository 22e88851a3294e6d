"""`flowspan keys`."""

import sys

import click


@click.group()
def keys() -> None:
    """Make keys for callers."""


@keys.command()
@click.argument("name")
@click.option("--team", help="The caller's team.")
@click.option("--expires", help="The last day on which it counts, in UTC, or a time with its zone.")
def new(name: str, team: str | None, expires: str | None) -> None:
    """Make a key for the caller NAME: print it, once, and the entry for gateway.keys, which does not reveal it."""
    from app.configuration import ConfigurationRefused
    from app.configuration.new_keys import new_key

    try:
        made = new_key(name, team, expires)
    except ConfigurationRefused as refused:
        for problem in refused.problems:
            click.secho(f"{problem.key.rpartition('.')[2]}: {problem.message}", fg="red", err=True)
        sys.exit(2)
    for warning in made.warnings:
        click.secho(warning, fg="yellow", err=True)
    click.echo("The key, for its caller alone. It is kept nowhere, and cannot be shown again:\n")
    click.echo(f"  {made.secret}\n")
    click.echo("The entry for gateway.keys; `kill -HUP` has a running gateway read its file anew:\n")
    click.echo("\n".join(f"  {line}" for line in made.entry.splitlines()))
