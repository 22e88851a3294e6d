"""A deployment asked directly. How long to wait for its answer is the caller's to say.

Promised: the provider's bytes are behind every chunk; what it did not finish is `UpstreamTruncated`; the connection is
closed as soon as nobody reads any more, and goes back to the pool only after a whole answer.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

import aiohttp
import msgspec

from app.backends.direct.bodies import BODY_LIMIT, first_bytes, read_body
from app.backends.direct.errors import Scrub, in_band, lost, no_answer, refusal
from app.backends.direct.events import Decoder
from app.backends.direct.http import Answer, Connections
from app.backends.direct.streaming import read_stream
from app.dialects.errors import ProviderFailed
from app.dialects.estimate import estimate_input_tokens
from app.dialects.well_formed import checked
from app.errors import BackendError, UpstreamTimeout
from app.messages import Batch, Dialect, ModelResponse, Native, Operation, Request
from app.settings import Deployment
from telemetry.context import Attempt
from telemetry.redact import Scrubber

T = TypeVar("T")

_SECRET_NAMES = ("key", "secret", "token", "password", "credential", "authorization")
_DECODED = ("identity", "gzip", "deflate")
"""The encodings that the HTTP client undoes by itself."""
_REQUEST_IDS = ("x-request-id", "request-id", "apim-request-id")


@dataclass(frozen=True)
class Ask:
    """What is asked; without a body where `method` has none."""

    url: str
    headers: dict[str, str]
    body: dict[str, Any] | msgspec.Raw | None
    method: str = "POST"


class Wire(Protocol):
    """How one dialect is spoken with one deployment; pure. `parse` and `decode_response` are for whole answers."""

    dialect: Dialect
    url: str

    def ask(self, request: Request, stream: bool) -> Ask: ...
    def ask_count(self, request: Request) -> Ask | None:
        """None where the provider does not count."""

    def parse(self, body: bytes, scrub: Scrub) -> dict[str, Any]:
        """A whole answer's JSON, or the error that it is."""

    def decode_response(self, body: dict[str, Any], native: Native) -> ModelResponse: ...


class StreamingWire(Wire, Protocol):
    def decoder(self) -> Decoder: ...


class DirectBackend:
    """`wire` is the deployment's main one; `spoken` and `embeddings` are for what it can do beside chat."""

    def __init__(
        self,
        deployment: Deployment,
        wire: StreamingWire,
        request_timeout: float,
        event_limit: int,
        spoken: Mapping[Operation, StreamingWire] = MappingProxyType({}),
        embeddings: Wire | None = None,
    ) -> None:
        self._wire = wire
        self._spoken = spoken
        self._embeddings = embeddings
        self._event_limit = event_limit
        self._timeout = float(deployment.timeout or request_timeout)
        self._scrub = Scrubber(_secrets(deployment.params))
        self._connections = Connections(wire.url, ssl_verify(deployment))

    def stream(self, request: Request, attempt: Attempt) -> AsyncGenerator[Batch, None]:
        wire = self._spoken.get(request.operation, self._wire)

        def ask() -> Awaitable[Answer]:
            return self._answer(wire.ask(request, True), "text/event-stream", attempt)

        return read_stream(ask, wire.decoder(), self._scrub, self._event_limit)

    async def complete(self, request: Request, attempt: Attempt) -> ModelResponse:
        wire: Wire = self._spoken.get(request.operation, self._wire)
        if request.operation == "embeddings" and self._embeddings is not None:
            wire = self._embeddings

        def decode(body: bytes) -> ModelResponse:
            return checked(wire.decode_response(wire.parse(body, self._scrub), Native(wire.dialect, body, data=body)))

        return await self._whole(wire.ask(request, False), attempt, decode)

    async def count_tokens(self, request: Request) -> int:
        ask = self._wire.ask_count(request)
        if ask is None:
            return estimate_input_tokens(request)
        try:
            async with asyncio.timeout(self._timeout):
                return await self._whole(ask, None, self._count)
        except TimeoutError as error:
            raise UpstreamTimeout("The provider did not answer in time.") from error

    async def aclose(self) -> None:
        await self._connections.aclose()

    def _count(self, body: bytes) -> int:
        counted = self._wire.parse(body, self._scrub)["input_tokens"]
        if not isinstance(counted, int):
            raise TypeError
        return counted

    async def _whole(self, ask: Ask, attempt: Attempt | None, decode: Callable[[bytes], T]) -> T:
        response = await self._answer(ask, "application/json", attempt)
        try:
            body = await read_body(response, BODY_LIMIT, self._scrub)
            try:
                return decode(body)
            except ProviderFailed as failure:
                raise in_band(failure.said, self._scrub) from None
            except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
                raise no_answer("an answer of an unknown form", body, self._scrub) from error
        except BackendError:
            response.give_up()
            raise
        finally:
            response.close()

    async def _answer(self, ask: Ask, wanted: str, attempt: Attempt | None) -> Answer:
        """A good answer's head; the caller closes it."""
        headers = ask.headers if attempt is None else {**ask.headers, **attempt.trace_headers}
        try:
            body = b"" if ask.body is None else msgspec.json.encode(ask.body)
            response = await self._connections.request(ask.method, ask.url, body, headers)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise lost(error, self._scrub) from error
        if attempt is not None:
            _tell_request_id(attempt, response.headers)
        try:
            await self._check(response, wanted)
        except BaseException:
            response.close()
            raise
        return response

    async def _check(self, response: Answer, wanted: str) -> None:
        if not 200 <= response.status < 300:
            raise refusal(response.status, await first_bytes(response), response.headers, self._scrub)
        encoding = response.headers.get("content-encoding", "identity").lower()
        if encoding not in _DECODED:
            response.give_up()
            raise no_answer(f"a body in the encoding {encoding[:50]!r}, which was not asked for", b"", self._scrub)
        found = response.headers.get("content-type", wanted).partition(";")[0].strip().lower()
        if found == wanted or (wanted == "application/json" and found.endswith("+json")):
            return
        body = await first_bytes(response)
        response.give_up()
        what = f"{found[:100] or 'no type'} instead of {wanted}"
        raise no_answer(what if body.strip() else f"an empty body, {what}", body, self._scrub)


def _tell_request_id(attempt: Attempt, headers: Mapping[str, str]) -> None:
    said = next((value for name in _REQUEST_IDS if (value := headers.get(name))), None)
    if said:
        attempt.request_id(said)


def ssl_verify(deployment: Deployment) -> bool | str:
    said = deployment.params.get("ssl_verify")
    return said if isinstance(said, bool | str) else True


def _secrets(params: Mapping[str, Any]) -> Iterator[str]:
    for name, value in params.items():
        if isinstance(value, dict) and name in ("extra_headers", "headers", "default_headers"):
            yield from (str(header) for header in value.values())
        elif isinstance(value, str) and any(word in name.lower() for word in _SECRET_NAMES):
            yield value
