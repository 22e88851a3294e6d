"""`flowspan export`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from app.cli.files import write
from app.cli.recordings import find_recordings, takes_recordings

if TYPE_CHECKING:
    from app.recorder.recording import Recording

_FORMATS = ("bundle", "curl", "html")


@click.command()
@takes_recordings
@click.option("--format", "form", type=click.Choice(_FORMATS), default="bundle", help="What is written: bundle (JSON).")
@click.option("-o", "--output", metavar="FILE", help="The file to write, instead of the standard output.")
def export(
    target: str,
    conversation: bool,
    store: str | None,
    config: str | None,
    console: str | None,
    form: str,
    output: str | None,
) -> None:
    """Write a transaction, or a whole conversation, as one file: to share, to keep, or to replay.

    TARGET is the id of a transaction (x-request-id), or a bundle's file. The formats: bundle is JSON with every byte,
    curl the requests as commands, html one page without scripts.
    """
    data = _written(find_recordings(target, conversation, store, config, console), form)
    if output is None:
        click.echo(data, nl=False)
        return
    write(output, data)


def _written(recordings: "Sequence[Recording]", form: str) -> bytes:
    match form:
        case "curl":
            return "\n".join(map(_commands, recordings)).encode(errors="replace")
        case "html":
            from app.transcripts.page import page

            return page(recordings).encode(errors="replace")
        case _:
            from app.recorder.bundles import encode_bundle

            return encode_bundle(recordings)


def _commands(recording: "Recording") -> str:
    from app.errors import legible
    from app.recorder.curl import commands

    # In a stranger's bundle an id may have line ends, behind which a shell would find commands.
    head = f"# {legible(recording.entry.transaction_id)}"
    return "\n".join([head, *(f"# {what}\n{command}" for what, command in commands(recording))])
