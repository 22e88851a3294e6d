"""The demo that goes on until it is stopped: visitors at work, and a view of it several times a second."""

import asyncio
import random
from contextlib import closing, suppress
from time import monotonic

from rich.console import Console

from app.console import ConsoleServer
from app.demo.clients.client import Clients
from app.demo.clients.traffic import keep_visiting
from app.demo.gateway.in_thread import DemoGateway
from app.demo.gateway.scenario import FOR_EVER, settings
from app.live_view.frame import RateWindow
from app.live_view.screen import Picture
from app.live_view.terminal import has_screen, show, stopping
from telemetry import Snapshot


async def run_live(console: Console) -> int:
    began = monotonic()
    async with DemoGateway(settings(FOR_EVER)) as gateway:
        stopped = asyncio.Event()
        with stopping(stopped), closing(await asyncio.to_thread(ConsoleServer, gateway.console)) as server:
            async with Clients(gateway.url) as clients:
                visits = asyncio.create_task(keep_visiting(clients, random.Random()))
                visits.add_done_callback(lambda _: stopped.set())
                if not has_screen(console):
                    addresses = f"gateway {gateway.url}  metrics {gateway.metrics_url}  console {server.url}"
                    console.print(f"{addresses}  Ctrl-C ends", soft_wrap=True)
                try:
                    await show(console, _Pictures(gateway, server.url), stopped)
                finally:
                    visits.cancel()
                    with suppress(asyncio.CancelledError):
                        await visits
        last = await gateway.idle_snapshot()
    console.print(_summary(last, monotonic() - began))
    return 0


class _Pictures:
    def __init__(self, gateway: DemoGateway, console_url: str) -> None:
        self._gateway = gateway
        self._console_url = console_url
        self._rates = RateWindow()
        self._turn = 0
        self._hints = (
            f"curl -N {gateway.url}/v1/chat/completions \\",
            """-d '{"model":"chat","stream":true,"messages":[{"role":"user","content":"hi"}]}'""",
        )

    async def take(self) -> Picture:
        frame = await self._gateway.console.live.take()
        self._turn += 1
        return Picture(
            frame,
            self._rates.add(frame),
            "flowspan demo",
            f"console {self._console_url}",
            self._turn,
            self._hints,
        )


def _summary(last: Snapshot, seconds: float) -> str:
    ended = sum(last.outcomes.values())
    outcomes = ", ".join(f"{outcome} {count}" for outcome, count in last.outcomes.items() if count)
    return f"{ended} of {last.opened} requests ended in {seconds:.0f} s: {outcomes or 'none'}."
