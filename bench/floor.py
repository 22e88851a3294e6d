"""The floor: a bare FastAPI, uvicorn and aiohttp byte passthrough, with nothing switched on."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse


def make_app(upstream: str) -> FastAPI:
    sessions: list[aiohttp.ClientSession] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            sessions.append(session)
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/v1/chat/completions")
    async def forward(request: Request) -> Response:
        body = await request.body()
        reply = await sessions[0].post(
            f"{upstream}/v1/chat/completions", data=body, headers={"content-type": "application/json"}
        )
        if reply.content_type != "text/event-stream":
            return Response(await reply.read(), reply.status, media_type=reply.content_type)
        return StreamingResponse(reply.content.iter_any(), reply.status, media_type="text/event-stream")

    return app


if __name__ == "__main__":
    uvicorn.run(
        make_app(sys.argv[2]),
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="error",
    )
