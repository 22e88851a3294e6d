"""A direct backend before a scripted provider, and what may be asked of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from app.backends import make_backend
from app.backends.choice import choose_backend
from app.backends.direct import DirectBackend
from app.errors import GatewayError
from app.messages import Choice, Message, Received, Request
from app.settings import Deployment
from app.stages import pieces_of
from tests.unit.backends.fakes import FakeAttempt, ask
from tests.upstream import ScriptedUpstream

KEY = "sk-provider-0123456789abcdef"
ANTHROPIC = "anthropic/claude-x"
OPENAI = "openai/gpt-x"


def deployment(model: str, **params: Any) -> Deployment:
    given = {"api_key": KEY, **params}
    backend, _ = choose_backend(model, given, {})
    assert backend != "litellm"
    return Deployment(id="d", model_name="m", model=model, provider="p", backend=backend, params=given)


@asynccontextmanager
async def backend_at(
    upstream: ScriptedUpstream, model: str = OPENAI, request_timeout: float = 5.0, **params: Any
) -> AsyncIterator[DirectBackend]:
    base = upstream.url if model.startswith("anthropic/") else f"{upstream.url}/v1"
    backend = make_backend(deployment(model, **{"api_base": base, **params}), request_timeout=request_timeout)
    assert isinstance(backend, DirectBackend)
    try:
        yield backend
    finally:
        await backend.aclose()


async def read(
    backend: DirectBackend, request: Request | None = None, attempt: FakeAttempt | None = None
) -> tuple[list[Received], GatewayError | None]:
    chunks: list[Received] = []
    try:
        async for batch in pieces_of(backend.stream(request or ask(), attempt or FakeAttempt())):
            chunks += [one for received in batch for one in received.apart()]
    except GatewayError as error:
        return chunks, error
    return chunks, None


async def failure(backend: DirectBackend, request: Request | None = None) -> GatewayError:
    _, error = await read(backend, request)
    assert error is not None
    return error


def body_of(chunks: list[Received]) -> bytes:
    return b"".join(chunk.native.raw for chunk in chunks if chunk.native)


def deltas(chunks: list[Received]) -> list[Message]:
    choices: list[Choice] = [choice for one in chunks for choice in one.chunk.choices]
    return [choice.delta for choice in choices if choice.delta]
