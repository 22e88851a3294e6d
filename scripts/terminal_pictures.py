"""Draws what a terminal shows as SVG: the live view of a gateway with simulated models, faults and visitors.

.venv/bin/python -m scripts.terminal_pictures docs/img     (or `make terminal-pictures`)
"""

import asyncio
import random
import re
import sys
from contextlib import suppress
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from app.demo.clients.client import Clients
from app.demo.clients.traffic import keep_visiting
from app.demo.gateway.in_thread import DemoGateway
from app.demo.gateway.scenario import FOR_EVER, settings
from app.live_view.frame import RateWindow
from app.live_view.screen import Picture, draw

_SIZE = (100, 30)
_SEED = 7
_WATCHED = 14.0
"""Seconds of traffic before the picture is taken."""
_TURNS = 8
_THEME = TerminalTheme(
    (16, 20, 26),
    (214, 219, 228),
    [
        *((60, 66, 78), (240, 98, 98), (116, 201, 124), (232, 190, 92)),
        *((101, 156, 240), (206, 134, 230), (88, 196, 208), (214, 219, 228)),
    ],
)
_FONTS = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"


async def live_view() -> Text:
    """The screen of `flowspan watch` after some seconds of the demo's traffic."""
    async with DemoGateway(settings(FOR_EVER)) as gateway, Clients(gateway.url) as clients:
        visits = asyncio.create_task(keep_visiting(clients, random.Random(_SEED)))
        window = RateWindow()
        for _ in range(int(_WATCHED * _TURNS)):
            await asyncio.sleep(1 / _TURNS)
            frame = await gateway.console.live.take()
            rates = window.add(frame)
        visits.cancel()
        with suppress(asyncio.CancelledError):
            await visits
    return draw(Picture(frame, rates, "flowspan watch", "http://127.0.0.1:4001", turn=3), *_SIZE)


def as_svg(text: Text, title: str, width: int) -> str:
    """A picture of the text, which asks no other host for a font."""
    console = Console(record=True, width=width, file=StringIO(), force_terminal=True, color_system="truecolor")
    console.print(text, soft_wrap=True)
    svg = console.export_svg(title=title, theme=_THEME, unique_id="terminal")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return re.sub(r"font-family: [^;]*;", f"font-family: {_FONTS};", svg)


def main(folder: Path) -> None:
    folder.joinpath("watch.svg").write_text(as_svg(asyncio.run(live_view()), "flowspan watch", _SIZE[0]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
