"""Flow, the first page: what the gateway does at this moment, drawn as the way of a stream."""

from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.console.events import EventStream, event
from app.console.services import Console, console_of

_INTERVAL = 0.5
"""Seconds from one picture to the next."""


def _flow(request: Request) -> Response:
    console = console_of(request)
    return console.pages.page(request, "flow.html", snapshot=console.telemetry.snapshot(), console=console)


async def _events(request: Request) -> Response:
    console = console_of(request)
    console.watchers.check_room()
    return EventStream(_pictures(console))


async def _pictures(console: Console) -> AsyncIterator[str]:
    async for _ in console.watchers.turns(_INTERVAL):
        yield event(
            "flow", console.pages.fragment("flow_picture.html", snapshot=console.telemetry.snapshot(), console=console)
        )


ROUTES = [Route("/", _flow), Route("/flow/events", _events)]
