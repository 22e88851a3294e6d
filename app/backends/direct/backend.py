"""A deployment that is asked directly. Its caller limits how long an answer may take.

Promised: each chunk comes with the provider's bytes; an answer that the provider did not finish is `UpstreamTruncated`;
the connection is closed as soon as nobody reads any more, and goes back to the pool only after a whole answer.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, NoReturn, TypeVar

from msgspec.structs import replace

from app.backends.direct.bodies import BODY_LIMIT, first_bytes, is_plain_json, read_body
from app.backends.direct.body_forms import BodyForm, UpstreamBody, opened_body
from app.backends.direct.codec import Codecs, ProviderCodec, StreamDecoder, UpstreamRequest
from app.backends.direct.connections import Connections
from app.backends.direct.errors import (
    connection_lost,
    is_of_proxy,
    proxy_error,
    reported_error,
    status_error,
    unexpected_body,
)
from app.backends.direct.odd_framing import whole_json
from app.backends.direct.parameters import named_headers
from app.backends.direct.provider_connection import ProviderConnection, ProviderResponse
from app.backends.direct.streaming import Opened, ProviderStream, read_joined
from app.backends.error_bodies import limit_headers
from app.backends.provider_limits import allowances
from app.bodies import SMALL, Bodies, Held
from app.bodies.json_encoding import AT_ONCE
from app.bodies.json_encoding import encode as encode_json
from app.dialects.dialect import left_out_tools
from app.dialects.errors import ProviderFailed
from app.dialects.estimate import estimate_input_tokens
from app.dialects.finish_reasons import refuse_failed, with_native_reasons
from app.dialects.response_checks import checked
from app.errors import BackendError, CredentialRejected, UpstreamRejected, UpstreamTimeout, UpstreamTruncated
from app.http_client import HttpError
from app.lookups import Lookups
from app.messages import ClientCredential, ModelResponse, Native, Received, Request, as_chunk
from app.prompt_forms import form_of_body
from app.settings import Deployment
from telemetry import Attempt, PromptForm, Scrubber

Result = TypeVar("Result")

_ACCOUNT_HEADERS = frozenset({"openai-organization", "openai-project"})
"""Headers by which a client chooses the account that it is served for, unless the operator has chosen."""
_DECODED = ("identity", "gzip", "deflate")
"""Content encodings that are decoded."""
_NOT_ACCEPTED = "The provider did not accept the credential that came with the request."
_REQUEST_IDS = ("x-request-id", "request-id", "apim-request-id")


class SharedResources(NamedTuple):
    """What all direct deployments have in common."""

    request_timeout: float
    """Seconds, for a deployment without a timeout of its own."""
    event_limit: int
    """Bytes in one event of a stream."""
    lookups: Lookups
    bodies: Bodies
    relays_limits: bool = False
    """Whether clients are told what providers' headers say of their rate limits."""


class DirectBackend:
    """A deployment asked by the APIs that `codecs` are for, over connections to its address unless others are given."""

    def __init__(
        self,
        deployment: Deployment,
        codecs: Codecs,
        shared: SharedResources,
        connections: ProviderConnection | None = None,
    ) -> None:
        self._codecs = codecs
        self._event_limit = shared.event_limit
        self._bodies = shared.bodies
        self._relays_limits = shared.relays_limits
        self._timeout = float(deployment.timeout or shared.request_timeout)
        self._scrub = Scrubber(deployment.secrets())
        self._accounts = _ACCOUNT_HEADERS - named_headers(deployment.params)
        self._hands_on = deployment.credentials == "client"
        self._bearer_only = deployment.backend != "anthropic"
        self._in_absolute_form = deployment.proxy is not None and codecs.chat.url.startswith("http://")
        self._connections = connections or Connections(
            codecs.chat.url, shared.lookups, proxy=deployment.proxy, tls=deployment.tls
        )

    def stream(self, request: Request, attempt: Attempt) -> ProviderStream:
        codec = self._codecs.of_stream(request.operation)
        _describe(request, codec, attempt)
        encode = self._with_credential(partial(codec.encode, request, True), request.credential)
        return self._stream(encode, request.size, codec.decoder(request), attempt, partial(self._response, codec))

    async def complete(self, request: Request, attempt: Attempt) -> Received:
        codec = self._codecs.of(request.operation)
        _describe(request, codec, attempt)
        encode: Callable[[], UpstreamRequest] = partial(codec.encode, request, False)
        if self._hands_on:
            encode = self._with_credential(encode, request.credential)
        answer = await self._send(encode, request.size, "json", attempt)
        # Nothing streams vectors.
        if answer.form != "json" and request.operation != "embeddings":
            received = await self._joined(answer, self._codecs.of_stream(request.operation).decoder(request))
        else:
            received = await self._decode(answer, partial(self._response, codec))
        return received.with_limits(self._limits(answer)) if self._relays_limits else received

    def _response(self, codec: ProviderCodec, body: bytes) -> Received:
        # A large one is decoded in steps.
        response = codec.decode_plain(body) if len(body) <= SMALL else None
        if response is None:
            response, body = self._looked_into(codec, body)
        return Received(response, Native(codec.dialect, body, data=body))

    def _looked_into(self, codec: ProviderCodec, body: bytes) -> tuple[ModelResponse, bytes]:
        """The response in a body of any form, and the body as clients get it."""
        body = whole_json(body)
        answer = codec.parse(body, self._scrub)
        is_mended = codec.mend(answer)
        response = refuse_failed(checked(codec.decode_response(answer)))
        if is_mended or not is_plain_json(body):
            body = encode_json(answer, len(body))
        return response, with_native_reasons(codec.dialect, body, answer, response)

    async def count_tokens(self, request: Request) -> int:
        codec = self._codecs.token_count
        if codec is None:
            return await self._bodies.work(request.size, estimate_input_tokens, request)
        encode = self._with_credential(partial(codec.encode_count, request), request.credential)
        encoded = await self._bodies.work(request.size, encode)
        try:
            async with asyncio.timeout(self._timeout):
                return await self._whole(lambda: encoded, request.size, None, self._count)
        except TimeoutError as error:
            raise UpstreamTimeout("The provider did not answer in time.") from error

    async def aclose(self) -> None:
        await self._connections.aclose()

    def _with_credential(
        self, encode: Callable[[], UpstreamRequest], credential: ClientCredential | None
    ) -> Callable[[], UpstreamRequest]:
        """What `encode` makes, with the caller's credential where the deployment hands it on."""
        if not self._hands_on or credential is None:
            return encode

        def encode_with_credential() -> UpstreamRequest:
            made = encode()
            return replace(made, headers={**made.headers, **credential.headers(bearer_only=self._bearer_only)})

        return encode_with_credential

    def _count(self, body: bytes) -> int:
        counted = self._codecs.chat.parse(body, self._scrub)["input_tokens"]
        if not isinstance(counted, int):
            raise TypeError
        return counted

    def _stream(
        self,
        encode: Callable[[], UpstreamRequest],
        size: int,
        decoder: StreamDecoder,
        attempt: Attempt,
        decode: Callable[[bytes], Received],
    ) -> ProviderStream:
        """Send a request and read the stream; an answer that comes whole all the same is decoded by `decode`."""

        async def send() -> Opened:
            answer = await self._send(encode, size, "events", attempt)
            whole = await self._whole_chunk(answer, decode) if answer.form == "json" else None
            return Opened(answer, whole, self._limits(answer))

        return ProviderStream(send, decoder, self._scrub, self._event_limit)

    def _limits(self, answer: UpstreamBody) -> dict[str, str] | None:
        return limit_headers(answer.response.headers) if self._relays_limits else None

    async def _whole_chunk(self, answer: UpstreamBody, decode: Callable[[bytes], Received]) -> ModelResponse:
        """An answer that came whole, as one chunk."""
        response = (await self._decode(answer, decode)).chunk
        if any(choice.finish_reason is None for choice in response.choices):
            answer.response.give_up()
            raise UpstreamTruncated("The provider's answer ended without a finish reason.", detail="whole answer")
        return as_chunk(response)

    async def _whole(
        self,
        encode: Callable[[], UpstreamRequest],
        size: int,
        attempt: Attempt | None,
        decode: Callable[[bytes], Result],
    ) -> Result:
        """Send a request and decode the whole answer. `size`: bytes of the client's request."""
        return await self._decode(await self._send(encode, size, "json", attempt), decode)

    async def _joined(self, answer: UpstreamBody, decoder: StreamDecoder) -> Received:
        """Read the stream that came in place of a whole answer."""
        response, held = answer.response, Held(self._bodies)
        try:
            return Received(await read_joined(answer, decoder, self._scrub, self._event_limit, held))
        except BackendError:
            response.give_up()
            raise
        except ValueError as error:
            response.give_up()
            raise unexpected_body("a stream without an answer", answer.start, self._scrub) from error
        finally:
            held.release()
            response.close()

    async def _decode(self, answer: UpstreamBody, decode: Callable[[bytes], Result]) -> Result:
        """Read a whole answer and decode it. The connection is closed if that fails."""
        response, held, body = answer.response, Held(self._bodies), answer.start
        try:
            body = await read_body(response, BODY_LIMIT, self._scrub, held, body)
            held.grow(len(body))
            return await self._bodies.work(len(body), decode, body)
        except BackendError:
            response.give_up()
            raise
        except ProviderFailed as failure:
            response.give_up()
            raise reported_error(failure.error, self._scrub) from None
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            response.give_up()
            raise unexpected_body("an answer of an unknown form", body, self._scrub) from error
        finally:
            held.release()
            response.close()

    async def _send(
        self, encode: Callable[[], UpstreamRequest], size: int, wanted: BodyForm, attempt: Attempt | None
    ) -> UpstreamBody:
        """Return a good answer's head and first bytes; the caller has to close the response."""
        cache = None if attempt is None else attempt.prompt_cache
        request, body, form = await self._bodies.work(size, _encoded, encode, size, cache is not None)
        if cache is not None:
            cache.wire = form
        headers = request.headers if attempt is None else {**request.headers, **attempt.trace_headers}
        tape = None if attempt is None else attempt.tape
        if tape is not None:
            tape.requested(request.method, request.url, headers, body)
        held = Held(self._bodies, len(body))
        try:
            response = await self._connections.request(request.method, request.url, body, headers, attempt)
        except (HttpError, TimeoutError, OSError) as error:
            raise connection_lost(error, self._scrub) from error
        finally:
            held.release()
        if attempt is not None:
            self._record_head(attempt, response)
        if tape is not None:
            response.tape(tape)
        try:
            encoding = response.headers.get("content-encoding")
            if not 200 <= response.status < 300 or (encoding is not None and encoding.lower() not in _DECODED):
                await self._refuse(response, names_account=not self._accounts.isdisjoint(request.headers))
            return await opened_body(response, wanted, self._scrub)
        except BaseException:
            response.close()
            raise

    def _record_head(self, attempt: Attempt, response: ProviderResponse) -> None:
        attempt.responded(response.status)
        for name in _REQUEST_IDS:
            if request_id := response.headers.get(name):
                attempt.request_id(request_id)
                break
        if not self._hands_on:
            # Those of a caller's own account say nothing of the deployment's.
            found = tuple(allowances(response.headers))
            if found or attempt.allowances:
                attempt.allowed(found)

    async def _refuse(self, response: ProviderResponse, *, names_account: bool) -> NoReturn:
        """Raise the error of a response that is no success, or that is in an encoding which was not asked for."""
        if 200 <= response.status < 300:
            response.give_up()
            encoding = response.headers["content-encoding"].lower()
            what = f"a body in the encoding {encoding[:50]!r}, which was not asked for"
            raise unexpected_body(what, b"", self._scrub)
        body = await first_bytes(response)
        if is_of_proxy(response.status, response.headers, body, in_absolute_form=self._in_absolute_form):
            response.give_up()
            raise proxy_error(response.status, "in place of the provider's answer")
        error = status_error(response.status, body, response.headers, self._scrub, names_account=names_account)
        raise _of_callers_account(error, response.status) if self._hands_on else error


def _describe(request: Request, codec: ProviderCodec, attempt: Attempt) -> None:
    if request.dialect != codec.dialect and (names := left_out_tools(request, codec.dialect)):
        attempt.left_out_tools(names)
    if attempt.tape is not None:
        attempt.tape.api = codec.dialect


def _encoded(
    encode: Callable[[], UpstreamRequest], size: int, with_form: bool
) -> tuple[UpstreamRequest, bytes, PromptForm | None]:
    """A request, its body in bytes, and the form of its prompt where that is wanted. A body that is encoded in steps is
    too large to be looked at again."""
    request = encode()
    body = request.body
    form = form_of_body(body) if with_form and size <= AT_ONCE and isinstance(body, dict) else None
    return request, b"" if body is None else encode_json(body, size), form


def _of_callers_account(error: BackendError, status: int) -> BackendError:
    """The error of a request with the caller's own credential: what it may not do, must pay for or did too often is
    between the caller and the provider, and says nothing of the deployment."""
    if status in (401, 403) and not isinstance(error, UpstreamRejected):
        return CredentialRejected(_NOT_ACCEPTED, upstream_status=status, detail=error.detail)
    if status in (402, 429):
        error.counts_against_deployment = False
    return error
