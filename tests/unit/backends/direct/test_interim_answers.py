"""A provider that sends interim answers (1xx) before its answer, a few of them or without end."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from app.backends import make_backend
from app.errors import BackendError, UpstreamFailed
from app.http_client.parser import INTERIM_LIMIT
from app.messages import ModelResponse
from tests.support import run
from tests.unit.backends.direct.rig import OPENAI, deployment
from tests.unit.backends.fakes import FakeAttempt, ask
from tests.upstream import openai_completion

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
BODY = json.dumps(openai_completion({"content": "well"})).encode()
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)


class Interim:
    """Sends `count` interim answers to each request, without end if that is None, each piece on its own, then BODY."""

    def __init__(self, piece: bytes, count: int | None) -> None:
        self._piece = piece
        self._count = count
        self.left = asyncio.Event()
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                sent = 0
                while self._count is None or sent < self._count:
                    writer.write(self._piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                    sent += 1
                writer.write(ANSWER)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            self.left.set()
        finally:
            writer.close()


@asynccontextmanager
async def served(provider: Interim) -> AsyncIterator[str]:
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()


async def asked(base: str, times: int = 1) -> ModelResponse:
    backend = make_backend(deployment(OPENAI, api_base=base))
    try:
        for _ in range(times):
            answer = await backend.complete(ask(stream=False), FakeAttempt())
        return answer.chunk
    finally:
        await backend.aclose()


@pytest.mark.parametrize("piece", [CONTINUE, HINTS, CONTINUE * 100_000])
def test_a_provider_that_sends_them_without_end_is_left(piece: bytes) -> None:
    async def main() -> None:
        provider = Interim(piece, None)
        async with served(provider) as base:
            with pytest.raises(BackendError) as raised:
                await asked(base)
            assert isinstance(raised.value, UpstreamFailed)
            assert "TooManyInterimResponses" in str(raised.value.detail)
            await asyncio.wait_for(provider.left.wait(), 5)

    run(main(), timeout=20)


def test_more_than_a_few_in_one_piece_with_the_answer_are_too_many() -> None:
    async def main() -> None:
        async with served(Interim(CONTINUE * (INTERIM_LIMIT + 1) + ANSWER, 1)) as base:
            with pytest.raises(BackendError):
                await asked(base)

    run(main())


def test_a_few_are_passed_over_at_each_request_of_a_connection() -> None:
    async def main() -> None:
        provider = Interim(HINTS, INTERIM_LIMIT)
        async with served(provider) as base:
            assert (await asked(base, times=3)).choices
            assert provider.connections == 1

    run(main())
