"""A provider of OpenAI's two APIs: which of them a request is asked at.

One that is not known to have the Responses API is asked there first; where it answers that it has no such route, the
request is put as a chat completion, and so are all later ones. No attempt has failed by that.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial

from app.backends.direct.backend import DirectBackend
from app.backends.direct.bodies import BODY_LIMIT
from app.backends.direct.errors import no_answer
from app.backends.direct.json_reading import NOT_JSON, decode_json
from app.backends.direct.responses import ResponsesWire
from app.backends.direct.streaming import read_stream
from app.backends.stored import StoredCall
from app.errors import UpstreamFailed, UpstreamTruncated
from app.messages import Batch, ModelResponse, Request
from app.settings import Deployment, ResponsesApi
from telemetry.context import Attempt


class ResponsesBackend(DirectBackend):
    """It keeps responses, too."""

    def __init__(self, deployment: Deployment, request_timeout: float, event_limit: int) -> None:
        self._responses = ResponsesWire(deployment)
        super().__init__(deployment, self._responses, request_timeout, event_limit)

    async def stored(self, call: StoredCall, attempt: Attempt) -> bytes:
        return await self._whole(self._responses.ask_stored(call), attempt, partial(self._kept, call.method))

    def _kept(self, method: str, body: bytes) -> bytes:
        if method == "DELETE" and not body.strip():
            return body
        if not body.strip():
            raise UpstreamTruncated("The provider's answer was empty.", detail="empty body")
        if len(body) > BODY_LIMIT or not _is_object(body):
            raise no_answer("an answer that is not a JSON object", body[:4096], self._scrub)
        return body

    def stored_stream(self, call: StoredCall, attempt: Attempt) -> AsyncGenerator[Batch, None]:
        ask = self._responses.ask_stored(call)
        return read_stream(
            lambda: self._answer(ask, "text/event-stream", attempt),
            self._responses.decoder(),
            self._scrub,
            self._event_limit,
        )


class OpenAIBackend:
    """`api` says what is known of the Responses API; not for a provider of that one alone."""

    def __init__(self, chat: DirectBackend, responses: ResponsesBackend, api: ResponsesApi) -> None:
        self._chat = chat
        self._responses = responses
        self._api = api
        self.stored, self.stored_stream = responses.stored, responses.stored_stream

    def stream(self, request: Request, attempt: Attempt) -> AsyncGenerator[Batch, None]:
        if request.dialect != "openai_responses" or self._api == "none":
            return self._chat.stream(request, attempt)
        if self._api == "offered":
            return self._responses.stream(request, attempt)
        return self._find_out(request, attempt)

    async def complete(self, request: Request, attempt: Attempt) -> ModelResponse:
        if request.dialect != "openai_responses" or self._api == "none":
            return await self._chat.complete(request, attempt)
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

    async def count_tokens(self, request: Request) -> int:
        return await self._chat.count_tokens(request)

    async def aclose(self) -> None:
        await self._chat.aclose()
        await self._responses.aclose()

    async def _find_out(self, request: Request, attempt: Attempt) -> AsyncGenerator[Batch, None]:
        try:
            async with aclosing(self._responses.stream(request, attempt)) as batches:
                async for batch in batches:
                    self._api = "offered"
                    yield batch
            return
        except UpstreamFailed as error:
            if not error.no_route:
                raise
        async with aclosing(self._chat.stream(request, attempt)) as batches:
            async for batch in batches:
                self._api = "none"
                yield batch


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(decode_json(body), dict)
    except NOT_JSON:
        return False
