"""Pictures on a terminal several times a second, until somebody ends it; a line a second where there is no terminal.

`q`, Ctrl-C and SIGTERM end it, and the terminal is as it was before.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.text import Text

from app.live_view.inert import inert
from app.live_view.screen import Picture, draw, in_words

_PICTURES_PER_SECOND = 8
_ASCII = str.maketrans("█◧▓▒░▞●▲✗·─▶…µ→←", "#@%=./*!x.->~u><")
_C_LOCALES = ("C", "POSIX")


class Pictures(Protocol):
    async def take(self) -> Picture:
        """The newest one."""


async def show(console: Console, pictures: Pictures, stopped: asyncio.Event) -> None:
    """Show pictures until `stopped` is set."""
    await (_draw_screen if has_screen(console) else _print_lines)(console, pictures, stopped)


def has_screen(console: Console) -> bool:
    """Whether lines can be drawn over; they can neither in a pipe nor on a terminal that calls itself dumb."""
    return console.is_terminal and not console.is_dumb_terminal


def make_console() -> Console:
    """A console of stdout, which replaces what the terminal's encoding lacks."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    return Console(highlight=False)


def draws_unicode(encoding: str, environment: Mapping[str, str]) -> bool:
    """Whether a terminal can be expected to show more than ASCII. Python writes UTF-8 in the C locale, too; a terminal
    that was set to that locale may not read it."""
    if not encoding.lower().replace("-", "").startswith("utf8"):
        return False
    # Python itself sets LC_CTYPE to C.UTF-8 where nothing but the C locale is chosen.
    chosen = environment.get("LC_ALL") or environment.get("LANG") or ""
    return chosen not in _C_LOCALES


def in_ascii(text: Text) -> Text:
    """A text with the nearest characters of ASCII."""
    text.plain = text.plain.translate(_ASCII).encode("ascii", "replace").decode()
    return text


async def _draw_screen(console: Console, pictures: Pictures, stopped: asyncio.Event) -> None:
    is_ascii = not draws_unicode(console.encoding, os.environ)
    with single_keys(stopped), Live(console=console, screen=True, auto_refresh=False) as live:
        while not stopped.is_set():
            size = console.size
            picture = draw(await pictures.take(), size.width, size.height)
            live.update(in_ascii(picture) if is_ascii else picture, refresh=True)
            await pause(stopped, 1 / _PICTURES_PER_SECOND)


async def _print_lines(console: Console, pictures: Pictures, stopped: asyncio.Event) -> None:
    while not stopped.is_set():
        await pause(stopped, 1.0)
        picture = await pictures.take()
        console.print(inert(picture.notice) or in_words(picture), soft_wrap=True, markup=False)


async def pause(stopped: asyncio.Event, seconds: float) -> None:
    """Wait so long, or until `stopped` is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stopped.wait()


@contextmanager
def stopping(stopped: asyncio.Event) -> Iterator[None]:
    """Have SIGINT and SIGTERM set `stopped` in this block."""
    loop = asyncio.get_running_loop()
    for one in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(one, stopped.set)
    try:
        yield
    finally:
        for one in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(one)


@contextmanager
def single_keys(stopped: asyncio.Event) -> Iterator[None]:
    """Have `q`, without Enter, set `stopped` in this block, where there is a keyboard."""
    if not sys.stdin.isatty():
        yield
        return
    import termios
    import tty

    keyboard, loop = sys.stdin.fileno(), asyncio.get_running_loop()
    before = termios.tcgetattr(keyboard)
    tty.setcbreak(keyboard)
    loop.add_reader(keyboard, _read_key, stopped)
    try:
        yield
    finally:
        loop.remove_reader(keyboard)
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


def _read_key(stopped: asyncio.Event) -> None:
    # An empty read is the terminal's end.
    if os.read(sys.stdin.fileno(), 1) in (b"q", b"Q", b""):
        stopped.set()
