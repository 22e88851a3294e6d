"""A model without network or key: it answers as its scenario says, at its pace, with its faults.

Requests are counted. That count and the injected `rng` decide which of them a fault hits, so a run can be repeated.
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from typing import NoReturn, assert_never

from app.backends.simulated.answer import CacheUse, answer_to, chunks, count_request_tokens, prompt_blocks, whole
from app.backends.simulated.completions_and_embeddings import text_answers, text_chunks, vectors, whole_texts
from app.backends.simulated.prefix_cache import PrefixCache
from app.backends.simulated.scenario import Fault, Scenario
from app.dialects import dialect_of
from app.errors import UpstreamFailed, UpstreamRejected, UpstreamTimeout, UpstreamTruncated, UpstreamUnreachable
from app.messages import Batch, ModelResponse, Received, Request
from app.stages import generated
from app.upstream_statuses import meaning_of
from telemetry import Attempt

_TURN = 16
"""Chunks after which the event loop gets a turn."""
_STALL = 86_400.0
"""Seconds: longer than any limit that ends a stream, and short enough for every event loop's timers."""


class SimulatedBackend:
    def __init__(
        self,
        model: str,
        scenario: Scenario,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: random.Random | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._model = model
        self._scenario = scenario
        self._sleep = sleep
        self._rng = rng or random.Random(scenario.seed)
        self._now = now
        self._requests = 0
        self._cache = PrefixCache(scenario) if scenario.cache_ttl is not None else None

    @generated
    async def stream(self, request: Request, attempt: Attempt) -> AsyncGenerator[Batch, None]:
        fault, turn = self._begin(request)
        attempt.is_sent = True
        await self._pause(self._scenario.first_delay)
        _refuse(fault)
        sent = 0
        for chunk in self._chunks(request, turn):
            if fault and sent == fault.after_chunks:
                await self._break(fault, sent)
            if sent:
                await self._pause(self._scenario.delay)
            if sent % _TURN == _TURN - 1:
                # A provider's bytes come with the event loop's turns; what is made here would leave none to others.
                await asyncio.sleep(0)
            yield (Received(chunk),)
            sent += 1
        # A fault set for later than the last chunk must not turn into a clean end.
        if fault:
            await self._break(fault, sent)

    async def complete(self, request: Request, attempt: Attempt) -> Received:
        fault, turn = self._begin(request)
        attempt.is_sent = True
        await self._pause(self._scenario.first_delay)
        _refuse(fault)
        response, pieces = self._whole(request, turn)
        await self._pause(self._scenario.delay * pieces)
        if fault:
            await self._break(fault, fault.after_chunks)
        return Received(response)

    async def count_tokens(self, request: Request) -> int:
        return count_request_tokens(request)

    async def aclose(self) -> None:
        """Do nothing: there are no connections."""

    def _begin(self, request: Request) -> tuple[Fault | None, int]:
        if dialect_of(request).keeps_responses:
            # Nothing is kept here, and there are no tools of a provider's own.
            dialect_of(request).carry_over(request, frozenset())
            dialect_of(request).plain_tools(request)
        self._requests += 1
        fault = self._scenario.fault
        hit = fault is not None and fault.meets(self._requests, self._rng.random())
        return (fault if hit else None), self._requests - 1

    def _chunks(self, request: Request, turn: int) -> Iterator[ModelResponse]:
        if request.operation == "text_completion":
            return text_chunks(text_answers(self._scenario, request, turn), self._like("cmpl"))
        return chunks(answer_to(self._scenario, request, turn, self._cache_use(request)), self._like())

    def _whole(self, request: Request, turn: int) -> tuple[ModelResponse, int]:
        """The response, and the number of pieces that a stream of it would have."""
        match request.operation:
            case "chat":
                answer = answer_to(self._scenario, request, turn, self._cache_use(request))
                return whole(answer, self._like()), len(answer.pieces)
            case "text_completion":
                answers = text_answers(self._scenario, request, turn)
                return whole_texts(answers, self._like("cmpl")), sum(len(answer.pieces) for answer in answers)
            case "embeddings":
                return vectors(request, self._like()), 0

    def _cache_use(self, request: Request) -> CacheUse | None:
        return None if self._cache is None else self._cache.use(prompt_blocks(request), self._now())

    def _like(self, kind: str = "chatcmpl") -> ModelResponse:
        id = f"{kind}-simulated-{self._rng.getrandbits(48):012x}"
        return ModelResponse(id=id, created=int(self._now()), model=self._model)

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            await self._sleep(seconds)

    async def _break(self, fault: Fault, sent: int) -> NoReturn:
        match fault.kind:
            case "stall":
                await self._sleep(_STALL)
                raise UpstreamTimeout("The provider said nothing any more.")
            case "cut":
                raise UpstreamTruncated("The provider's stream stopped before its end.")
            case "disconnect":
                _reset(sent)
            case "error_event":
                raise UpstreamFailed("The provider reported an error in its stream: simulated.")
            case "status":
                raise _refusal(fault)
            case other:
                assert_never(other)


def _refuse(fault: Fault | None) -> None:
    if fault is not None and fault.kind == "status":
        raise _refusal(fault)


def _refusal(fault: Fault) -> UpstreamFailed:
    kind = UpstreamRejected if meaning_of(fault.status).fault == "caller" else UpstreamFailed
    return kind(
        f"The provider answered {fault.status}: simulated.", upstream_status=fault.status, retry_after=fault.retry_after
    )


def _reset(sent: int) -> NoReturn:
    if sent:
        raise UpstreamTruncated("The provider's stream stopped before its end.", detail="connection reset")
    raise UpstreamUnreachable("The provider could not be reached.", detail="connection reset")
