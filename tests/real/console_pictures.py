"""The console's pages as pictures, in docs/img: the demo's gateway under its own traffic, and a coding agent's
conversation. Run by `make console-pictures`."""

import asyncio
import io
import json
import random
import sys
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path

import click
from msgspec.structs import replace
from PIL import Image
from playwright.sync_api import Page

from app.console import ConsoleServer
from app.demo.clients.client import Clients
from app.demo.clients.traffic import keep_visiting
from app.demo.gateway.in_thread import DemoGateway
from app.demo.gateway.scenario import FOR_EVER, settings
from app.recorder.recording import Recording
from app.recorder.stores import Filter
from app.settings import ConsoleSettings, Port
from tests.agent_recordings import CONVERSATION, agents_conversation
from tests.real.chromium import Visit, chromium
from tests.real.programs import ROOT

IMAGES = ROOT / "docs" / "img"
_WARM_UP = 20
"""Seconds of traffic before the first picture."""
_SIZE = {"width": 1280, "height": 800}
_COLOURS = 255
"""Colours of one picture: few enough for small files, and chosen so that rare ones stay."""
_THEMES = ("light", "dark")


async def main() -> int:
    chosen = replace(settings(FOR_EVER), console=ConsoleSettings(port=Port(0)))
    async with DemoGateway(chosen) as gateway, Clients(gateway.url) as clients:
        store = gateway.console.store
        assert store is not None
        with closing(await asyncio.to_thread(ConsoleServer, gateway.console)) as server:
            traffic = asyncio.create_task(keep_visiting(clients, random.Random(7)))
            await asyncio.sleep(_WARM_UP)
            status = await _drawn(server.url, {"flow": "/"})
            traffic.cancel()
            with suppress(asyncio.CancelledError):
                await traffic
            conversation = _of_now(agents_conversation())
            store.write(conversation)
            cut_off = next(one.entry.transaction_id for one in conversation if one.entry.outcome != "ok")
            redacted = next(one.transaction_id for one in store.entries(Filter(model="contacts")))
            pages = {
                "conversations": "/conversations",
                "conversation": f"/conversations/{CONVERSATION}",
                "transactions": "/transactions?outcome=failures",
                "transaction": f"/transactions/{cut_off}",
                "policies": f"/policies?transaction={redacted}",
            }
            return status or await _drawn(server.url, pages)


async def _drawn(url: str, pages: Mapping[str, str]) -> int:
    """The exit status of a process that draws these pages: one of its own, which takes no time of the gateway's."""
    drawing = await asyncio.create_subprocess_exec(sys.executable, "-m", __spec__.name, url, json.dumps(pages))
    return await drawing.wait()


def _of_now(conversation: list[Recording]) -> list[Recording]:
    """The conversation as if its last turn had just ended."""
    later = time.time() - max(one.entry.started_at + one.entry.duration_s for one in conversation)
    return [replace(one, entry=replace(one.entry, started_at=one.entry.started_at + later)) for one in conversation]


def draw(url: str, pages: Mapping[str, str]) -> None:
    with chromium() as browser:
        for theme in _THEMES:
            visit = Visit(browser, url, color_scheme=theme, viewport=_SIZE)
            for name, path in pages.items():
                page = visit.open(path)
                page.wait_for_timeout(7000 if name == "flow" else 500)
                if name == "policies":
                    page.get_by_role("button", name="Try").click()
                    page.wait_for_load_state()
                for summary in page.locator("details.agents summary").all():
                    summary.click()
                page.mouse.move(0, 0)
                page.wait_for_timeout(300)
                _save(page, IMAGES / f"console-{name}{'-dark' if theme == 'dark' else ''}.png")
            visit.close()


def _save(page: Page, file: Path) -> None:
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(_COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(file, optimize=True)
    click.echo(f"{file.relative_to(ROOT)}  {file.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        draw(sys.argv[1], json.loads(sys.argv[2]))
    else:
        sys.exit(asyncio.run(main()))
