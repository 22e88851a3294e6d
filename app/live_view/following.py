"""`flowspan watch --follow`: a conversation on a terminal as it is said, by the feed of a gateway's console."""

import asyncio
import os
from contextlib import suppress
from time import monotonic
from urllib.parse import quote

import msgspec
from rich.console import Console
from rich.text import Text

from app.live_view.console_client import ConsoleClient, Gone, Refused
from app.live_view.speech import SpeechEvent, decode_event
from app.live_view.terminal import draws_unicode, in_ascii, single_keys, stopping
from app.live_view.transcript import Transcript

_PAUSE = 1.0
_TURN = 0.5


async def follow(console: Console, client: ConsoleClient, conversation: str) -> None:
    """Write what is said until somebody ends it. Raises Refused, and Gone where the gateway cannot be reached."""
    stopped = asyncio.Event()
    writer = _Writer(console)
    tasks = [asyncio.create_task(_read(client, conversation, writer)), asyncio.create_task(writer.keep_going())]
    for task in tasks:
        task.add_done_callback(lambda _: stopped.set())
    try:
        with stopping(stopped), single_keys(stopped):
            await stopped.wait()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        console.print()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            task.result()


async def _read(client: ConsoleClient, conversation: str, writer: "_Writer") -> None:
    is_first = True
    while True:
        try:
            async for event in client.events(f"/live/conversations/{quote(conversation, safe='')}"):
                is_first = False
                if event.name == "speech":
                    writer.write(_decoded(client.url, event.data))
                elif event.name == "waiting":
                    writer.note("waiting for a conversation")
                elif event.name == "failed":
                    raise Refused(f"the recordings cannot be read: {event.data}")
        except Gone as error:
            if is_first:
                raise
            writer.note(f"{error}; it is asked again each second")
        await asyncio.sleep(_PAUSE)


def _decoded(url: str, data: str) -> SpeechEvent:
    try:
        return decode_event(data)
    except msgspec.MsgspecError as error:
        raise Refused(f"{url} is the console of another version of Flowspan: {error}") from None


class _Writer:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._transcript = Transcript()
        self._is_ascii = not draws_unicode(console.encoding, os.environ)
        self._noted = ""

    def write(self, event: SpeechEvent) -> None:
        self._noted = ""
        # The terminal's size may have changed.
        self._transcript.width = self._console.width if self._console.is_terminal else None
        self._print(self._transcript.add(event, monotonic()))

    def note(self, text: str) -> None:
        """Write something that is no part of the conversation, once."""
        if text != self._noted:
            self._noted = text
            self._print(self._transcript.note(text))

    async def keep_going(self) -> None:
        """Have turns speak that waited for one that has become silent."""
        while True:
            await asyncio.sleep(_TURN)
            self._print(self._transcript.pause(monotonic()))

    def _print(self, text: Text) -> None:
        if text:
            self._console.print(in_ascii(text) if self._is_ascii else text, end="", soft_wrap=True)
