"""A model that answers as a provider once did: it serves recordings, each to the request that it is the answer of.

The recorded bytes are read by the direct backend of the API that they are of, with all that it does for a provider's.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple

import msgspec

from app.backends.direct import CODECS, DirectBackend, SharedResources
from app.backends.direct.codec import Codecs
from app.backends.direct.openai_responses import ResponsesCodec
from app.backends.replay.differences import Difference, differences
from app.backends.replay.recorded_chunks import recorded_chunks, recorded_response
from app.backends.replay.recorded_provider import Pace, RecordedProvider, Sleep
from app.dialects import DIALECTS
from app.dialects.joined import joined
from app.errors import GatewayError, UpstreamRejected
from app.messages import Batch, Received, Request
from app.providers import PROVIDERS, BackendName
from app.recorder.recording import RecordedAttempt, Recording
from app.settings import Deployment
from app.stages import generated, pieces_of
from telemetry import Attempt

_DIFFERENCES_NAMED = 3


class NotReplayable(Exception):
    """A recording holds no answer that could be given again; the text says why."""


class Take(NamedTuple):
    """What of a recording is replayed: the attempt that its client's answer came of."""

    recording: Recording
    attempt: RecordedAttempt
    deployment: Deployment
    codecs: Codecs
    asked: dict[str, Any]
    """The body of the client's request."""
    sent: dict[str, Any] | None
    """The body of the provider's request; None where it is not known."""

    @property
    def is_by_library(self) -> bool:
        """Whether a library asked the provider, or it was a simulated one, so that there are none of its bytes."""
        return not self.attempt.url


def take_of(recording: Recording) -> Take:
    """Raises NotReplayable."""
    name = recording.entry.transaction_id
    if not recording.attempts:
        raise NotReplayable(f"{name} never came to a provider, so there is no answer to replay")
    attempt = recording.attempts[-1]
    if (missing := _missing(recording, attempt)) > 0:
        raise NotReplayable(
            f"{name} is incomplete: {missing} {'bytes' if attempt.url else 'chunks'} of the answer were left out"
        )
    asked = client_body(recording)
    deployment = _deployment_of(attempt)
    codecs = Codecs(chat=ResponsesCodec(deployment)) if deployment.responses == "only" else _codecs(deployment)
    sent = _object(attempt.request.data)
    if sent is None and not recording.request_changed:
        sent = _as_sent(codecs, recording, asked)
    return Take(recording, attempt, deployment, codecs, asked, sent)


def _missing(recording: Recording, attempt: RecordedAttempt) -> int:
    """How much of an answer was left out for want of room: bytes, or chunks of what has none."""
    if not attempt.url:
        return recording.chunks_in - len(attempt.answer)
    # Masks may be shorter than what they stand for.
    return 0 if recording.concealed else attempt.answer_size - sum([len(piece.data) for piece in attempt.answer])


def client_body(recording: Recording) -> dict[str, Any]:
    """The JSON of the client's request. Raises NotReplayable."""
    name = recording.entry.transaction_id
    if len(recording.request.data) < recording.request.size:
        raise NotReplayable(f"{name} is incomplete: a part of the client's request was left out")
    body = _object(recording.request.data)
    if body is None or recording.entry.operation not in ("chat", "text_completion", "embeddings"):
        raise NotReplayable(f"{name} is no request for a model's answer")
    return body


class ReplayBackend:
    """Serves recordings. `speed` divides the times between the pieces of an answer; at 0 there are none. A request that
    is none of the recorded ones is refused, unless `anyway`."""

    def __init__(
        self,
        takes: Sequence[Take],
        shared: SharedResources,
        *,
        speed: float = 1.0,
        anyway: bool = False,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._takes = takes
        self._shared = shared
        self._speed = speed
        self._anyway = anyway
        self._sleep = sleep
        self._served = [0] * len(takes)
        self.differences: tuple[Difference, ...] = ()
        """Where the last request differed from the recorded one that is nearest to it."""

    @generated
    async def stream(self, request: Request, attempt: Attempt) -> AsyncGenerator[Batch, None]:
        take = self._chosen(request)
        if not take.is_by_library:
            stream = self._backend(take).stream(request, attempt)
            async with aclosing(stream):
                async for batch in pieces_of(stream):
                    yield batch
            return
        attempt.is_sent = True
        async for batch in recorded_chunks(take.attempt, Pace(take.attempt.began, self._speed, self._sleep)):
            yield batch

    async def complete(self, request: Request, attempt: Attempt) -> Received:
        take = self._chosen(request)
        if not take.is_by_library:
            return await self._backend(take).complete(request, attempt)
        attempt.is_sent = True
        pace = Pace(take.attempt.began, self._speed, self._sleep)
        if not take.recording.entry.stream:
            return await recorded_response(take.attempt, pace)
        return Received(joined([one.chunk async for batch in recorded_chunks(take.attempt, pace) for one in batch]))

    async def count_tokens(self, request: Request) -> int:
        """The tokens that the provider counted for the recorded request, or else an estimate."""
        take = self._chosen(request)
        counted = take.attempt.tokens
        if counted is not None and not counted.estimated:
            return counted.input + counted.cache_read + counted.cache_write
        return await self._backend(take).count_tokens(request)

    async def aclose(self) -> None:
        """Do nothing: there are no connections."""

    def _backend(self, take: Take) -> DirectBackend:
        provider = RecordedProvider(take.attempt, self._speed, self._sleep)
        codecs = Codecs(
            chat=take.codecs.chat, text_completion=take.codecs.text_completion, embeddings=take.codecs.embeddings
        )
        return DirectBackend(take.deployment, codecs, self._shared, provider)

    def _chosen(self, request: Request) -> Take:
        """The recording that the request is the one of; of several, the one that was served least. Raises
        UpstreamRejected where there is none."""
        compared = [
            (tuple(_differences(take, request)), self._served[at], at)
            for at, take in enumerate(self._takes)
            if take.recording.entry.operation == request.operation
        ]
        if not compared:
            wanted = request.operation.replace("_", " ")
            raise UpstreamRejected(f"Nothing that was recorded here is a request for {wanted}.", upstream_status=400)
        self.differences, _, at = min(compared, key=lambda one: (len(one[0]), one[1]))
        if self.differences and not self._anyway:
            named = "; ".join(map(str, self.differences[:_DIFFERENCES_NAMED]))
            more = len(self.differences) - _DIFFERENCES_NAMED
            raise UpstreamRejected(
                f"This is not the request that was recorded: {named}{f'; and {more} more' if more > 0 else ''}.",
                upstream_status=400,
                param=self.differences[0].path,
            )
        self._served[at] += 1
        return self._takes[at]


def _differences(take: Take, request: Request) -> Sequence[Difference]:
    if take.sent is None:
        # A library sent what a policy had made of the request, and nobody knows what that was.
        return ()
    now = _encoded(take.codecs, request, request.stream)
    return list(differences(take.sent, now, take.asked, masked=bool(take.recording.concealed)))


def _encoded(codecs: Codecs, request: Request, stream: bool) -> dict[str, Any]:
    body = codecs.of(request.operation).encode(request, stream).body
    found = _object(msgspec.json.encode(body))
    return {} if found is None else found


def _as_sent(codecs: Codecs, recording: Recording, asked: dict[str, Any]) -> dict[str, Any] | None:
    """What the provider's API would have made of the client's request; None where it could not say that."""
    dialect = next((one for one in DIALECTS.values() if one.name == recording.entry.api), None)
    if dialect is None:
        return None
    try:
        request = dialect.decode_request(asked, dict(recording.request.headers))
        return _encoded(codecs, request, recording.entry.stream)
    except GatewayError:
        return None


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        found = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _deployment_of(attempt: RecordedAttempt) -> Deployment:
    """A deployment that is asked as the recorded one was: of the same API, with the quirks of the same provider. What
    the operator had set beside that is not known."""
    backend: BackendName = "anthropic" if attempt.api == "anthropic_messages" else "openai"
    rows = (row for row in PROVIDERS.values() if row.name == attempt.provider and row.backend == backend)
    row = next(rows, PROVIDERS[backend])
    return Deployment(
        id=attempt.deployment,
        model_name=attempt.model,
        model=f"{row.prefix}/{attempt.model}",
        provider=attempt.provider,
        backend=backend,
        responses="only" if attempt.api == "openai_responses" else "none",
        params={"api_base": attempt.url or "http://replay.invalid/v1", "api_key": "none"},
    )


def _codecs(deployment: Deployment) -> Codecs:
    return CODECS[deployment.backend](deployment)
