"""Draws what a terminal shows as SVG, of runs with simulated models: a gateway live, and a followed conversation.

.venv/bin/python -m scripts.terminal_pictures docs/img     (or `make terminal-pictures`)
"""

import asyncio
import random
import re
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from io import StringIO
from pathlib import Path
from time import monotonic
from typing import Any

import aiohttp
from rich.console import Console as Terminal
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from app.configuration import parse
from app.console import Console, ConsoleServer
from app.demo.clients.client import Clients
from app.demo.clients.traffic import keep_visiting
from app.demo.gateway.in_thread import DemoGateway
from app.demo.gateway.scenario import FOR_EVER, settings
from app.live_view.console_client import ConsoleClient
from app.live_view.frame import RateWindow
from app.live_view.screen import Picture, draw
from app.live_view.speech import TurnEnded, decode_event
from app.live_view.transcript import Transcript
from app.main import create_app
from app.serving.in_thread import GatewayThread

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


_CONFIGURATION = """
model_list:
  - model_name: model-1
    litellm_params:
      model: simulated/lorem
      thinking: The test compares a sum of floats with ==. That holds on one machine and fails on another.
      texts: ["I will run the test first, to see what it says."]
      tool_calls: [{name: Bash, arguments: {command: "pytest -q tests/test_ledger.py"}}]
      delay: 0.02
      input_cost_per_token: 0.000003
      output_cost_per_token: 0.000015
  - model_name: model-2
    litellm_params:
      model: simulated/lorem
      texts: ["The sum is off by 4e-17: rounding, not a lost part. I compare with `pytest.approx`, so that the test
        fails for a real gap and for nothing else."]
      delay: 0.02
      input_cost_per_token: 0.000003
      output_cost_per_token: 0.000015
gateway:
  server: {port: 0, lame_duck: 0}
  console: {port: 0}
  recorder: memory
"""
_QUESTION = "tests/test_ledger.py fails now and then. Find out why, and fix it."
_SYSTEM = "You are a careful engineer. Read before you write, and run what you changed. " * 40
_RESULT = """F....
E       assert 0.30000000000000004 == 0.3
E        +  where 0.3 = sum([0.1, 0.2])

1 failed, 4 passed"""
_TOOLS = [
    {"name": name, "description": f"{name} something", "input_schema": {"type": "object"}}
    for name in ("Bash", "Read", "Edit", "Grep")
]
_CALLED = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "pytest -q tests/test_ledger.py"}}
_REQUESTS: list[dict[str, Any]] = [
    {"model": "model-1", "messages": [{"role": "user", "content": _QUESTION}]},
    {
        "model": "model-2",
        "messages": [
            {"role": "user", "content": _QUESTION},
            {"role": "assistant", "content": [_CALLED]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": _RESULT}]},
        ],
    },
]


async def conversation() -> Text:
    """What `flowspan watch --follow` writes of a short conversation."""
    async with _recording_gateway() as (url, console_url), aiohttp.ClientSession() as session:
        asking = asyncio.create_task(_ask(session, url))
        transcript, written, turns = Transcript(_SIZE[0]), Text(), 0
        async for event in ConsoleClient(console_url, None).events("/live/conversations/latest"):
            one = decode_event(event.data)
            written.append_text(transcript.add(one, monotonic()))
            turns += isinstance(one, TurnEnded)
            if turns == len(_REQUESTS):
                break
        await asking
    written.rstrip()
    return written


async def _ask(session: aiohttp.ClientSession, url: str) -> None:
    ids = {"x-claude-code-session-id": "1f0c9c7e-53a9-4a2e-9d2c-6f3f5f6a1b11"}
    for request in _REQUESTS:
        body = {"max_tokens": 1000, "stream": True, "system": _SYSTEM, "tools": _TOOLS, **request}
        async with session.post(f"{url}/v1/messages", json=body, headers=ids) as response:
            await response.read()


@asynccontextmanager
async def _recording_gateway() -> AsyncIterator[tuple[str, str]]:
    """The addresses of a gateway with a recorder, and of its console."""
    chosen = parse(_CONFIGURATION, environ={}).settings
    app = create_app(chosen)
    thread = GatewayThread(chosen, app, socket.create_server(("127.0.0.1", 0)))
    await asyncio.to_thread(thread.start)
    gateway = app.gateway
    console = Console(chosen, gateway.telemetry, gateway.recorder, gateway.policy_names, gateway.capture)
    try:
        with closing(await asyncio.to_thread(ConsoleServer, console)) as server:
            yield thread.url, server.url
    finally:
        await asyncio.to_thread(thread.stop)


def as_svg(text: Text, title: str) -> str:
    """A picture of the text, which asks no other host for a font."""
    terminal = Terminal(record=True, width=_SIZE[0], file=StringIO(), force_terminal=True, color_system="truecolor")
    terminal.print(text, soft_wrap=True)
    svg = terminal.export_svg(title=title, theme=_THEME, unique_id="terminal")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return re.sub(r"font-family: [^;]*;", f"font-family: {_FONTS};", svg)


def main(folder: Path) -> None:
    folder.joinpath("watch.svg").write_text(as_svg(asyncio.run(live_view()), "flowspan watch"))
    folder.joinpath("follow.svg").write_text(as_svg(asyncio.run(conversation()), "flowspan watch --follow latest"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
