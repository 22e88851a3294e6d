"""How commands find the recordings that a command line names: in a file, a store, or at a running console."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from app.cli.files import reading, stop

if TYPE_CHECKING:
    from app.recorder.recording import Recording
    from app.recorder.stores import Store
    from app.settings import RecorderSettings

CONSOLE = "http://127.0.0.1:4001"
TOKEN = "FLOWSPAN_CONSOLE_TOKEN"
_TIMEOUT = 30.0
"""Seconds that a console may need to begin its answer: a long conversation is read from the store first."""
_MOST = 1_000
"""Transactions of one conversation."""


def takes_recordings(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command name recordings, and where they are."""
    for decorate in (
        click.option("--console", metavar="URL", help=f"A running gateway's console, by default {CONSOLE}."),
        click.option("--config", metavar="FILE", help="The configuration whose recorder has it."),
        click.option("--store", metavar="STORE", help="Where it was recorded: sqlite:///FILE or postgresql://..."),
        click.option("--conversation", is_flag=True, help="TARGET is the id of a conversation: all its transactions."),
        click.argument("target"),
    ):
        command = decorate(command)
    return command


def find_recordings(
    target: str, conversation: bool, store: str | None, config: str | None, console: str | None
) -> "tuple[Recording, ...]":
    """At least one recording, in order of time. Ends the command where there is none."""
    from app.recorder.bundles import BundleRefused, decode_bundle, read_bundle

    try:
        if target == "-":
            return decode_bundle(sys.stdin.buffer.read(), "the standard input")
        if Path(target).is_file() or target.endswith(".json"):
            return read_bundle(Path(target))
        if store is not None or config is not None:
            return _in_store(target, conversation, _settings(store, config))
        return decode_bundle(_at_console(target, conversation, console), "what the console sent")
    except BundleRefused as error:
        stop(str(error))


def _settings(store: str | None, config: str | None) -> "RecorderSettings":
    from app.settings import RecorderSettings

    if store is not None:
        return RecorderSettings(store=store)
    from app.configuration import load

    file = config or ""
    with reading(file):
        settings = load(file, needs_environment=False).settings.recorder
    if settings.store in ("off", "memory"):
        stop(
            f"{file} has `recorder: {settings.store}`, so nothing is kept on disk"
            + (": ask the running gateway, by --console URL" if settings.store == "memory" else "")
        )
    return settings


def _in_store(target: str, conversation: bool, settings: "RecorderSettings") -> "tuple[Recording, ...]":
    from app.recorder.opening import open_store
    from app.recorder.stores import StoreFailed

    try:
        store = open_store(settings, writes=False)
        try:
            return _of_conversation(store, target) if conversation else _of_transaction(store, target)
        finally:
            store.close()
    except StoreFailed as error:
        stop(str(error))


def _of_transaction(store: "Store", target: str) -> "tuple[Recording, ...]":
    found = store.recording(target)
    return (found,) if found is not None else stop(f"the store has no transaction {target}")


def _of_conversation(store: "Store", target: str) -> "tuple[Recording, ...]":
    from app.recorder.stores import Filter

    entries = store.entries(Filter(conversation=target), limit=_MOST)
    found = [store.recording(entry.transaction_id) for entry in reversed(entries)]
    there = tuple(one for one in found if one is not None)
    return there or stop(f"the store has no conversation {target}")


def _at_console(target: str, conversation: bool, console: str | None) -> bytes:
    """The bundle that a running gateway's console makes."""
    import asyncio

    from app.live_view.console_client import ConsoleClient, Gone, Refused

    kind = "conversations" if conversation else "transactions"
    path = f"/{kind}/{quote(target, safe='')}.json"
    try:
        client = ConsoleClient(console or CONSOLE, os.environ.get(TOKEN))
        return asyncio.run(client.json(path, silence=_TIMEOUT))
    except Refused as error:
        stop(str(error))
    except Gone as error:
        elsewhere = "" if console else f"; there is no file {target} either. Give --store, --config or --console"
        stop(f"{error}{elsewhere}")
