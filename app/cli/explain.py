"""`flowspan explain`."""

import click

from app.cli.recordings import find_recordings, takes_recordings


@click.command()
@takes_recordings
def explain(target: str, conversation: bool, store: str | None, config: str | None, console: str | None) -> None:
    """Explain in a few sentences what became of a transaction.

    TARGET is a bundle's file, - for one on the standard input, or the id of a transaction (x-request-id).
    """
    recordings = find_recordings(target, conversation, store, config, console)
    from app.errors import legible
    from app.recorder.explaining import explain as explanation

    for at, recording in enumerate(recordings):
        if len(recordings) > 1:
            click.echo(("\n" if at else "") + legible(recording.entry.transaction_id))
        click.echo(explanation(recording))
