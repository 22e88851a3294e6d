"""The live feed: the gateway at this moment as JSON, once or four times a second, for `flowspan watch`."""

from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from app.console.events import EventStream, event
from app.console.services import Console, console_of
from app.live_view.frame import encode_frame
from app.live_view.source import GatewayStill

_INTERVAL = 0.25
"""Seconds from one frame to the next."""


async def _live(request: Request) -> Response:
    try:
        frame = await console_of(request).live.take()
    except GatewayStill as error:
        return PlainTextResponse(str(error), 503)
    return Response(encode_frame(frame), media_type="application/json", headers={"cache-control": "no-store"})


async def _live_stream(request: Request) -> Response:
    console = console_of(request)
    console.watchers.check_room()
    return EventStream(_frames(console))


async def _frames(console: Console) -> AsyncIterator[str]:
    """Events `frame`; `still`, with the reason, where the gateway could not be looked at."""
    async for _ in console.watchers.turns(_INTERVAL):
        try:
            frame = await console.live.take()
        except GatewayStill as error:
            yield event("still", str(error))
        else:
            yield event("frame", encode_frame(frame).decode())


ROUTES = [Route("/live", _live), Route("/live/stream", _live_stream)]
