"""Flow, the first page: what the gateway does at this moment, drawn as the way of an answer.

`flow_picture` makes what is drawn, of frames of `app.live_view`; a page that is open gets a new drawing twice a second.
"""

from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.console.events import EventStream, event
from app.console.flow_picture import FlowPicture, picture_of
from app.console.services import Console, console_of
from app.live_view.source import GatewayStill

_INTERVAL = 0.5
"""Seconds from one picture to the next."""


async def _flow(request: Request) -> Response:
    console = console_of(request)
    picture, fault = await _taken(console)
    return console.pages.page(request, "flow.html", picture=picture, fault=fault, records=console.recorder is not None)


async def _events(request: Request) -> Response:
    console = console_of(request)
    console.watchers.check_room()
    return EventStream(_pictures(console))


async def _pictures(console: Console) -> AsyncIterator[str]:
    records = console.recorder is not None
    async for _ in console.watchers.turns(_INTERVAL):
        picture, fault = await _taken(console)
        yield event("flow", console.pages.fragment("flow_picture.html", picture=picture, fault=fault, records=records))


async def _taken(console: Console) -> tuple[FlowPicture | None, str]:
    """The picture of this moment, or why there is none."""
    try:
        frame = await console.live.take()
    except GatewayStill as still:
        return None, str(still)
    return picture_of(frame, console.rates.add(frame), console.recent.add(frame)), ""


ROUTES = [Route("/", _flow), Route("/flow/events", _events)]
