"""The floor: a bare FastAPI, uvicorn and aiohttp byte passthrough, with nothing switched on.

    python -m bench.floor PORT UPSTREAM [--reencode] [--trusted FILE]

With `--reencode` it parses each event and encodes it again, as a gateway that translates has to. `--trusted` is the
certificate that an upstream asked by TLS has to show.
"""

import argparse
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import msgspec
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse


def make_app(upstream: str, reencode: bool, trusted: str | None) -> FastAPI:
    sessions: list[aiohttp.ClientSession] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        certificates = ssl.create_default_context(cafile=trusted) if trusted else True
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, ssl=certificates)) as session:
            sessions.append(session)
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/readyz")
    async def ready() -> Response:
        return Response()

    @app.post("/v1/chat/completions")
    async def forward(request: Request) -> Response:
        body = await request.body()
        reply = await sessions[0].post(
            f"{upstream}/v1/chat/completions", data=body, headers={"content-type": "application/json"}
        )
        if reply.content_type != "text/event-stream":
            data = await reply.read()
            return Response(_encoded(data) if reencode else data, reply.status, media_type=reply.content_type)
        events = _reencoded(reply.content) if reencode else reply.content.iter_any()
        return StreamingResponse(events, reply.status, media_type="text/event-stream")

    return app


def _encoded(data: bytes) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(data))


async def _reencoded(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    rest = b""
    async for data in content.iter_any():
        *events, rest = (rest + data).split(b"\n\n")
        yield b"".join([_event(event) for event in events])


def _event(event: bytes) -> bytes:
    data = event.removeprefix(b"data: ")
    return b"data: " + (data if data == b"[DONE]" else _encoded(data)) + b"\n\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("upstream")
    parser.add_argument("--reencode", action="store_true")
    parser.add_argument("--trusted")
    wanted = parser.parse_args()
    uvicorn.run(
        make_app(wanted.upstream, wanted.reencode, wanted.trusted),
        port=wanted.port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="error",
        backlog=2048,
    )
