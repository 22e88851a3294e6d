"""`flowspan watch`."""

import click

from app.cli.files import stop
from app.cli.recordings import CONSOLE, TOKEN


@click.command()
@click.argument("url", default=CONSOLE)
@click.option("--token", envvar=TOKEN, show_envvar=True, help="The console's token.")
@click.option("--follow", metavar="CONVERSATION", help="Show a conversation as it is said: its id, or latest.")
def watch(url: str, token: str | None, follow: str | None) -> None:
    """Show a running gateway live: its streams, queues, breakers, outcomes and where the time goes.

    URL is the address of the gateway's console, by default http://127.0.0.1:4001.
    """
    import asyncio

    from app.live_view.console_client import ConsoleClient, Gone, Refused
    from app.live_view.following import follow as run_follow
    from app.live_view.terminal import make_console
    from app.live_view.watching import watch as run_watch

    try:
        client = ConsoleClient(url, token)
        console = make_console()
        asyncio.run(run_watch(console, client) if follow is None else run_follow(console, client, follow))
    except (Gone, Refused) as error:
        stop(str(error))
