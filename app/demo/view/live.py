"""The demo that goes on until it is stopped: visitors at work, and a view of it several times a second.

Where the output is no terminal, a line a second says the same in words. `q`, Ctrl-C and SIGTERM end it well.
"""

import asyncio
import random
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic

from rich.console import Console
from rich.live import Live

from app.demo.clients.client import Clients
from app.demo.clients.traffic import keep_visiting
from app.demo.gateway.in_thread import DemoGateway
from app.demo.gateway.scenario import FOR_EVER, settings
from app.demo.view.frame import Frame, RateWindow, Totals
from app.demo.view.screen import draw
from telemetry import Snapshot

_FRAMES_PER_SECOND = 8


async def run_live(console: Console) -> int:
    began = monotonic()
    chosen = settings(FOR_EVER)
    async with DemoGateway(chosen) as gateway:
        stopped = asyncio.Event()
        with _stopping(stopped):
            async with Clients(gateway.url) as clients:
                visits = asyncio.create_task(keep_visiting(clients, random.Random()))
                visits.add_done_callback(lambda _: stopped.set())
                frames = _FrameSource(gateway, clients, ", ".join(policy.use for policy in chosen.policies))
                try:
                    await (_draw_screen if console.is_terminal else _print_lines)(console, frames, stopped)
                finally:
                    visits.cancel()
                    with suppress(asyncio.CancelledError):
                        await visits
        last = await gateway.idle_snapshot()
    console.print(_summary(last, monotonic() - began))
    return 0


class _FrameSource:
    def __init__(self, gateway: DemoGateway, clients: Clients, policies: str) -> None:
        self._gateway = gateway
        self._clients = clients
        self._policies = policies
        self._rates = RateWindow()
        self._began = monotonic()
        self._turn = 0

    async def take(self) -> Frame:
        gateway, now = self._gateway, monotonic()
        snapshot = await gateway.snapshot()
        self._turn += 1
        totals = Totals(now, snapshot.opened, gateway.chunks_in(), self._clients.received, snapshot.seconds)
        return Frame(
            snapshot,
            self._rates.add(totals),
            gateway.log.moments,
            now - self._began,
            gateway.url,
            gateway.metrics_url,
            self._policies,
            self._turn,
        )


async def _draw_screen(console: Console, frames: _FrameSource, stopped: asyncio.Event) -> None:
    with _single_keys(stopped), Live(console=console, screen=True, auto_refresh=False) as live:
        while not stopped.is_set():
            size = console.size
            live.update(draw(await frames.take(), size.width, size.height), refresh=True)
            await _pause(stopped, 1 / _FRAMES_PER_SECOND)


async def _print_lines(console: Console, frames: _FrameSource, stopped: asyncio.Event) -> None:
    frame = await frames.take()
    console.print(f"gateway {frame.url}  metrics {frame.metrics_url}  Ctrl-C ends", soft_wrap=True)
    while not stopped.is_set():
        await _pause(stopped, 1.0)
        console.print(in_words(await frames.take()), soft_wrap=True)


def in_words(frame: Frame) -> str:
    """One line, for logs and pipes."""
    snapshot, rates = frame.snapshot, frame.rates
    in_flight = sum(snapshot.in_flight.values())
    queues = " ".join(f"{name} {queue.fullest}/{queue.capacity}" for name, queue in snapshot.queues.items())
    tripped = ",".join(f"{name}:{state}" for name, state in sorted(snapshot.breakers.items()) if state != "closed")
    outcomes = " ".join(f"{outcome} {count}" for outcome, count in snapshot.outcomes.items() if count)
    return (
        f"{frame.elapsed:5.0f}s  {rates.requests:.1f} req/s  {rates.chunks:.0f} chunks/s  "
        f"in flight {in_flight}  fullest {queues}  breakers {tripped or 'all closed'}  {outcomes}"
    )


def _summary(last: Snapshot, seconds: float) -> str:
    ended = sum(last.outcomes.values())
    outcomes = ", ".join(f"{outcome} {count}" for outcome, count in last.outcomes.items() if count)
    return f"{ended} of {last.opened} requests ended in {seconds:.0f} s: {outcomes or 'none'}."


async def _pause(stopped: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stopped.wait()


@contextmanager
def _stopping(stopped: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for one in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(one, stopped.set)
    try:
        yield
    finally:
        for one in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(one)


@contextmanager
def _single_keys(stopped: asyncio.Event) -> Iterator[None]:
    """`q` without Enter, where there is a keyboard."""
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
    if sys.stdin.read(1) in ("q", "Q"):
        stopped.set()
