"""`flowspan init`."""

import os

import click

from app.cli.files import stop

_DEFAULT = "flowspan.yaml"


@click.command()
@click.argument("file", default=_DEFAULT, type=click.Path(dir_okay=False))
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def init(file: str, force: bool) -> None:
    """Write a first configuration, of the providers' keys in the environment. FILE is flowspan.yaml unless given."""
    from app.configuration.first_file import first_file, keys_in

    found = keys_in(os.environ)
    try:
        with open(file, "w" if force else "x", encoding="utf-8") as written:
            written.write(first_file(file, found))
    except FileExistsError:
        stop(f"{file} is there already; --force writes over it")
    except OSError as error:
        stop(f"{file} cannot be written: {error.strerror}")
    click.secho(f"{file} is written.", fg="green")
    if found:
        click.echo("Models by the keys that are set:")
        click.echo("\n".join(f"  {key.prefix}/*  ({key.variable})" for key in found))
    else:
        click.echo("No key of a provider is set in this environment: the models in it are simulated.")
    click.echo(f"Next: flowspan serve {file}")
