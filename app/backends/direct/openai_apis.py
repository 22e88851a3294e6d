"""A provider of OpenAI's two APIs: which of them a request goes to.

One that is not known to have the Responses API is asked there first. Where it answers that it has no such route, the
request is sent as a chat completion, and so are all later ones. The attempt has not failed by that.
"""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from app.backends.direct.backend import DirectBackend, SharedResources
from app.backends.direct.bodies import BODY_LIMIT, NOT_JSON, decode_large
from app.backends.direct.codec import Codecs, UpstreamRequest
from app.backends.direct.errors import unexpected_body
from app.backends.direct.openai_responses import ResponsesCodec
from app.backends.stored_responses import StoredCall
from app.errors import UpstreamFailed, UpstreamTruncated
from app.messages import Received, Request
from app.providers import ResponsesApi
from app.settings import Deployment
from app.stages import Source, Taker
from telemetry import Attempt


class ResponsesBackend(DirectBackend):
    """A deployment of the Responses API; its provider keeps responses, too."""

    def __init__(self, deployment: Deployment, shared: SharedResources) -> None:
        self._responses = ResponsesCodec(deployment)
        super().__init__(deployment, Codecs(chat=self._responses), shared)

    async def stored(self, call: StoredCall, attempt: Attempt) -> bytes:
        encode = self._encoding(call, attempt)
        return await self._whole(encode, 0, attempt, partial(self._checked_body, call.method))

    def stored_stream(self, call: StoredCall, attempt: Attempt) -> Source[Received]:
        encode = self._encoding(call, attempt)
        decode = partial(self._response, self._responses)
        return self._stream(encode, 0, self._responses.stored_decoder(), attempt, decode)

    def _encoding(self, call: StoredCall, attempt: Attempt) -> Callable[[], UpstreamRequest]:
        if attempt.tape is not None:
            attempt.tape.api = self._responses.dialect
        return self._with_credential(partial(self._responses.encode_stored, call), call.credential)

    def _checked_body(self, method: str, body: bytes) -> bytes:
        if method == "DELETE" and not body.strip():
            return body
        if not body.strip():
            raise UpstreamTruncated("The provider's answer was empty.", detail="empty body")
        if len(body) > BODY_LIMIT or not _is_object(body):
            raise unexpected_body("an answer that is not a JSON object", body[:4096], self._scrub)
        return body


class OpenAIBackend:
    """A provider of chat completions, and perhaps of the Responses API: `api` says what is known of that, at first."""

    def __init__(self, chat: DirectBackend, responses: ResponsesBackend, api: ResponsesApi) -> None:
        self._chat = chat
        self._responses = responses
        self._api = api

    def stream(self, request: Request, attempt: Attempt) -> Source[Received]:
        if request.dialect != ResponsesCodec.dialect or self._api == "none":
            return self._chat.stream(request, attempt)
        if self._api == "offered":
            return self._responses.stream(request, attempt)
        return _EitherStream(self._chat, self._responses, self, request, attempt)

    def complete(self, request: Request, attempt: Attempt) -> Coroutine[Any, Any, Received]:
        if request.dialect != ResponsesCodec.dialect or self._api == "none":
            return self._chat.complete(request, attempt)
        if self._api == "offered":
            return self._responses.complete(request, attempt)
        return self._complete_either(request, attempt)

    async def stored(self, call: StoredCall, attempt: Attempt) -> bytes:
        return await self._responses.stored(call, attempt)

    def stored_stream(self, call: StoredCall, attempt: Attempt) -> Source[Received]:
        return self._responses.stored_stream(call, attempt)

    async def count_tokens(self, request: Request) -> int:
        return await self._chat.count_tokens(request)

    async def aclose(self) -> None:
        await self._chat.aclose()
        await self._responses.aclose()

    async def _complete_either(self, request: Request, attempt: Attempt) -> Received:
        try:
            answer = await self._responses.complete(request, attempt)
        except UpstreamFailed as error:
            if self._api == "offered" or not error.no_route:
                raise
        else:
            self._api = "offered"
            return answer
        translated = await self._chat.complete(request, attempt)
        # Not before: a server that has neither route was asked at a wrong address.
        self._api = "none"
        return translated

    def found(self, api: ResponsesApi) -> None:
        """The provider has shown whether it has the Responses API."""
        self._api = api


class _EitherStream:
    """The stream of the Responses API, or that of chat completions where the provider has no such route."""

    def __init__(
        self, chat: DirectBackend, responses: DirectBackend, asked: OpenAIBackend, request: Request, attempt: Attempt
    ) -> None:
        self._chat = chat
        self._asked = asked
        self._request = request
        self._attempt = attempt
        self._stream = responses.stream(request, attempt)
        self._api: ResponsesApi = "offered"

    async def pass_to(self, taker: Taker[Received]) -> bool:
        try:
            goes_on = await self._stream.pass_to(taker)
        except UpstreamFailed as error:
            if self._api == "none" or not error.no_route:
                raise
            self._stream, self._api = self._chat.stream(self._request, self._attempt), "none"
            goes_on = await self._stream.pass_to(taker)
        # Not before: a server that has neither route was asked at a wrong address.
        self._asked.found(self._api)
        return goes_on

    async def aclose(self) -> None:
        await self._stream.aclose()


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(decode_large(body), dict)
    except NOT_JSON:
        return False
