"""A request finds a deployment that answers it: in goes the common form, out come the chunks of the first that does.

Retries are bounded, obey `retry-after`, and end with the first chunk handed on: what a caller has seen is never begun
again. When all deployments of a model failed, its fallbacks are asked in turn. Backends and breakers are made at the
first use of a deployment, so that thousands of them cost nothing until asked.
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TypeVar, assert_never
from urllib.parse import urlsplit

from app.backends.attempts import Backend, Trial, completed, streamed, within
from app.backends.breakers import UpstreamBreakers
from app.backends.deployments import Exhausted, Failure, Refuse, Try, able, by_model, next_move
from app.backends.stored import STORED, Keeper, StoredCall, StoredResponses
from app.dialects.tool_names import shortened, with_own_names
from app.errors import BackendError, BreakerOpen, InvalidRequest, UnknownModel, UnknownResponse
from app.messages import Batch, ModelResponse, Request
from app.pipeline.breaker import BreakerState, Denied
from app.settings import Deployment, RouterSettings
from telemetry.context import Attempt, ObservabilityContext

__all__ = ["Backend", "Router"]

_Answer = TypeVar("_Answer")
_Ask = Callable[[Trial, Backend, float], Awaitable[_Answer]]

_SHORTEST = 0.001
"""Seconds for an attempt when the request's time is up."""


@dataclass(frozen=True)
class _Begun:
    """A stream whose first chunk is here: no other deployment will be tried."""

    first: Batch
    rest: AsyncGenerator[Batch, None]


@dataclass
class _Search:
    """What one request has been through so far, over all models it was tried on."""

    obs: ObservabilityContext
    begun: float
    model: str
    stream: bool
    operation: str = "chat"
    error: BackendError | None = None
    attempt: Attempt | None = None
    turned_away: set[str] = field(default_factory=set)


class Router:
    def __init__(
        self,
        deployments: Sequence[Deployment],
        settings: RouterSettings,
        *,
        breakers: UpstreamBreakers,
        make_backend: Callable[[Deployment], Backend],
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._pools = by_model(deployments)
        self._settings = settings
        self._breakers = breakers
        self._make_backend = make_backend
        self._clock = clock
        self._rng = rng or random.Random()
        self._sleep = sleep
        self._backends: dict[str, Backend] = {}
        self._responses = StoredResponses(deployments)
        for name, targets in settings.fallbacks.items():
            if unknown := [target for target in targets if target not in self._pools]:
                raise ValueError(f"fallbacks of {name}: no deployment serves {', '.join(unknown)}")

    def model_names(self) -> tuple[str, ...]:
        return tuple(self._pools)

    def knows(self, model: str) -> bool:
        return model in self._pools

    async def stream(self, request: Request, obs: ObservabilityContext) -> AsyncGenerator[Batch, None]:
        """Close it (`aclosing`) when done: that is what closes the upstream."""

        async def begin(trial: Trial, backend: Backend, limit: float) -> _Begun:
            batches = streamed(trial, backend.stream(request, trial.attempt), limit)
            return _Begun(await anext(batches), batches)

        own = shortened(request)
        begun, deployment = await self._first_answer(request, obs, begin)
        if request.dialect == "openai_responses":
            self._responses.learn(begun.first, deployment)
        async with aclosing(begun.rest) as rest:
            yield _in_own_names(begun.first, own)
            async for batch in rest:
                yield _in_own_names(batch, own)

    async def complete(self, request: Request, obs: ObservabilityContext) -> ModelResponse:
        def whole(trial: Trial, backend: Backend, limit: float) -> Awaitable[ModelResponse]:
            return completed(trial, backend, request, limit)

        answer, deployment = await self._first_answer(request, obs, whole)
        if request.dialect == "openai_responses":
            self._responses.learn((answer,), deployment)
        return with_own_names(answer, shortened(request))

    def maker(self, call: StoredCall) -> Deployment:
        """The deployment that is to be asked about a response; raises `UnknownResponse`."""
        if (deployment := self._responses.maker(call.response_id)) is None:
            raise UnknownResponse(f"Response with id {call.response_id!r} not found.", param="response_id")
        return deployment

    async def stored(self, call: StoredCall, obs: ObservabilityContext) -> bytes:
        """What its maker says of a response."""
        trial, keeper, limit = self._ask_maker(call, obs)
        with trial:
            body = await within(limit, keeper.stored(call, trial.attempt))
            trial.attempt.first_chunk()
        if call.method == "DELETE":
            self._responses.forget(call.response_id)
        return body

    async def stored_stream(self, call: StoredCall, obs: ObservabilityContext) -> AsyncGenerator[Batch, None]:
        """Close it (`aclosing`) when done: that is what closes the upstream."""
        trial, keeper, limit = self._ask_maker(call, obs)
        async with aclosing(streamed(trial, keeper.stored_stream(call, trial.attempt), limit)) as batches:
            async for batch in batches:
                yield batch

    def _ask_maker(self, call: StoredCall, obs: ObservabilityContext) -> tuple[Trial, Keeper, float]:
        """Once: nobody else could answer."""
        deployment = self.maker(call)
        keeper = self._backend(deployment)
        if not isinstance(keeper, Keeper):
            raise UnknownResponse(f"Response with id {call.response_id!r} not found.", param="response_id")
        search = _Search(obs, self._clock(), deployment.model_name, call.stream, STORED)
        if self._keeps_out(search, deployment) or (trial := self._trial(deployment, search)) is None:
            raise self._all_failing((deployment,))
        return trial, keeper, self._limit(deployment, search)

    async def count_tokens(self, request: Request) -> int:
        pool = self._pool(request.model)
        return await self._backend(min(pool, key=lambda one: one.order)).count_tokens(request)

    async def aclose(self) -> None:
        for backend in self._backends.values():
            await backend.aclose()

    async def _first_answer(
        self, request: Request, obs: ObservabilityContext, ask: _Ask[_Answer]
    ) -> tuple[_Answer, Deployment]:
        search = _Search(obs, self._clock(), request.model, request.stream, request.operation)
        pools = self._pools_for(request)
        for pool in pools:
            answer = await self._ask_pool(pool, search, ask)
            if answer is not None:
                return answer
        raise search.error or self._all_failing(one for pool in pools for one in pool)

    def _all_failing(self, deployments: Iterable[Deployment]) -> BreakerOpen:
        message = "Every deployment of this model is failing; try again later."
        return BreakerOpen(message, retry_after=self._breakers.retry_after(deployments))

    def _pools_for(self, request: Request) -> list[Sequence[Deployment]]:
        """The deployments of its model and of each fallback that can do what it asks for, in turn."""
        own = self._pool(request.model)
        fallbacks = (self._pools[name] for name in self._settings.fallbacks.get(request.model, ()))
        pools = [pool for candidates in (own, *fallbacks) if (pool := able(candidates, request.operation))]
        if not pools:
            raise InvalidRequest(_unable(request, own), param="model")
        suited = [self._responses.suited(pool, request) for pool in pools]
        if not any(suited):
            message = "Nobody who serves this model is known to have made the previous response."
            raise UnknownResponse(message, param="previous_response_id")
        return suited

    async def _ask_pool(
        self, pool: Sequence[Deployment], search: _Search, ask: _Ask[_Answer]
    ) -> tuple[_Answer, Deployment] | None:
        failures: list[Failure] = []
        while True:
            match next_move(pool, failures, partial(self._keeps_out, search), self._settings, self._rng.random):
                case Refuse(error):
                    raise error
                case Exhausted():
                    return None
                case Try(deployment, wait):
                    if failures and self._left(search) <= wait:
                        return None
                    if wait:
                        await self._sleep(wait)
                    try:
                        # None if the breaker has opened while a wait went on.
                        if (trial := self._trial(deployment, search)) is not None:
                            answer = await ask(trial, self._backend(deployment), self._limit(deployment, search))
                            return answer, deployment
                    except BackendError as error:
                        search.error = error
                        failures.append(Failure(deployment, error))
                case other:
                    assert_never(other)

    def _trial(self, deployment: Deployment, search: _Search) -> Trial | None:
        obs = search.obs
        permit = self._breakers.allow(deployment, obs)
        if isinstance(permit, Denied):
            return None
        obs.describe(provider=deployment.provider)
        address, port = _server(deployment.params.get("api_base") or deployment.params.get("base_url"))
        search.attempt = obs.attempt(
            deployment=deployment.id,
            provider=deployment.provider,
            model=_name(deployment),
            operation=search.operation,
            stream=search.stream,
            server_address=address,
            server_port=port,
            retry_of=search.attempt,
            fallback=deployment.model_name != search.model,
            cost=deployment.cost,
        )
        return Trial(search.attempt, lambda error: self._breakers.settle(deployment, permit, error, obs))

    def _keeps_out(self, search: _Search, deployment: Deployment) -> bool:
        if not self._breakers.keeps_out(deployment):
            return False
        if deployment.id not in search.turned_away:
            search.turned_away.add(deployment.id)
            is_open = self._breakers.state(deployment) is BreakerState.OPEN
            search.obs.breaker_rejected(deployment.id, "open" if is_open else "probing")
        return True

    def _left(self, search: _Search) -> float:
        return self._settings.request_timeout - (self._clock() - search.begun)

    def _limit(self, deployment: Deployment, search: _Search) -> float:
        """A deployment's own timeout is for each attempt; without one they share what the request may take."""
        return deployment.timeout if deployment.timeout is not None else max(self._left(search), _SHORTEST)

    def _pool(self, name: str) -> Sequence[Deployment]:
        if (pool := self._pools.get(name)) is None:
            raise UnknownModel(f"The model {name[:200]!r} does not exist.", param="model")
        return pool

    def _backend(self, deployment: Deployment) -> Backend:
        if (backend := self._backends.get(deployment.id)) is None:
            backend = self._backends[deployment.id] = self._make_backend(deployment)
        return backend


def _unable(request: Request, pool: Sequence[Deployment]) -> str:
    who = " and ".join({"the Responses API alone" if one.responses == "only" else "Anthropic": None for one in pool})
    deployments = ", ".join(one.id for one in pool)
    wanted = request.operation.replace("_", " ")
    return f"The model `{request.model}` is served by {who} ({deployments}), which has no {wanted}."


def _name(deployment: Deployment) -> str:
    """What the provider is asked for."""
    name = deployment.model.partition("/")[2] or deployment.model
    return name if deployment.responses == "none" else name.removeprefix("responses/")


@lru_cache(4096)
def _server(base: object) -> tuple[str | None, int | None]:
    """Where the operator's base URL points; a provider's own address is LiteLLM's to know."""
    try:
        url = urlsplit(str(base or ""))
        return url.hostname, url.port
    except ValueError:
        return None, None


def _in_own_names(batch: Batch, own: Mapping[str, str]) -> Batch:
    """With the client's own names of its tools, where any were shortened on their way."""
    return [with_own_names(chunk, own) for chunk in batch] if own else batch
