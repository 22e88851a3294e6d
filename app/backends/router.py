"""Finds the deployment that answers a request: the first that gives a response, of those that may be asked.

Retries are bounded, by number for each request and by a budget for each model, obey `retry-after`, and end with the
first piece of an answer: what a client has seen of a response is never begun again. When all deployments of a model
failed, its fallbacks are asked in turn, each at least once, with what retries the request has left.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain
from math import inf
from typing import TypeVar

from app.backends.attempt_targets import AttemptTargets
from app.backends.attempts import AttemptControl, Backend, GuardedAttempt
from app.backends.beginnings import Waits, opened
from app.backends.ceilings import Ceiling, ceiling_of
from app.backends.client_credentials import addressed, permitted
from app.backends.client_tools import ClientTools, with_client_tools
from app.backends.deployment_backends import BackendFactory
from app.backends.memory import RoutingMemory
from app.backends.model_names import anything
from app.backends.overrides import DeploymentOverrides
from app.backends.pools import Pools
from app.backends.probes import Probes
from app.backends.search import SearchServices
from app.backends.search_kinds import StreamSearch, WholeSearch
from app.backends.selection import DeploymentSelection
from app.backends.stored_responses import StoredCall, StoredResponseBackend, StoredResponses
from app.errors import AuthenticationFailed, UnknownModel, UnknownResponse
from app.messages import Received, Request
from app.opened_stream import OpenedStream
from app.settings import Deployment, RouterSettings
from telemetry import ObservabilityContext

__all__ = ["Backend", "Router"]
_S = TypeVar("_S", StreamSearch, WholeSearch)


class Router:
    """One per configuration; what outlives that is in its `memory`. Deployments are known by the name of their model,
    several of which may share one."""

    def __init__(
        self,
        deployments: Sequence[Deployment],
        settings: RouterSettings,
        *,
        control: AttemptControl,
        make_backend: BackendFactory,
        memory: RoutingMemory | None = None,
        overrides: DeploymentOverrides | None = None,
        shared_responses: bool = True,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        idle_timeout: float = inf,
    ) -> None:
        """`idle_timeout`: seconds for which a stream may be silent."""
        self._settings = settings
        self._control = control
        memory = memory or RoutingMemory()
        self._overrides = overrides = overrides or DeploymentOverrides()
        self._backends = memory.backends.backends(deployments, make_backend)
        self._responses = StoredResponses(deployments, memory.responses, shared=shared_responses)
        self._pools = Pools(deployments, settings, self._responses)
        self.probes = Probes(self._backends, clock)
        self._services = SearchServices(
            settings=settings,
            control=control,
            backends=self._backends,
            targets=AttemptTargets(),
            memory=memory,
            overrides=overrides,
            selection=DeploymentSelection(settings, control, memory, overrides, clock, rng or random.Random()),
            pools=self._pools,
            responses=self._responses,
            clock=clock,
            sleep=sleep,
            idle_timeout=idle_timeout,
        )

    def model_names(self) -> tuple[str, ...]:
        """The names by which clients may ask for a model, in the order of the configuration: of entries, aliases, and
        models behind wildcards as far as they are known."""
        return self._pools.model_names()

    def configured_name(self, asked: str) -> str | None:
        """The name in the configuration of the model that a client asks for: itself, or what its alias or a wildcard
        leads to. None if no deployment serves it."""
        return self._pools.configured_name(asked)

    def turned_away(self) -> frozenset[str]:
        """The ids of the deployments that nobody is sent to now: their breakers are open, or they are drained."""
        open_now = frozenset(id for id, state in self._control.states().items() if state == "open")
        return open_now | self._overrides.drained

    def meanings(self, asked: str) -> tuple[str, ...]:
        """The names by which it may be allowed to ask for a model: that which is asked for, and that which it leads
        to."""
        return self._pools.meanings(asked)

    def ceiling(self, request: Request, prompt: int, usual_answer: int) -> Ceiling:
        """The most that a request may come to, its fallbacks included; `prompt` is an estimate of its tokens, and
        `usual_answer` how many an answer has where nobody says. Raises as `open` does where nobody may be asked."""
        most = ceiling_of(request, chain.from_iterable(self._pools.at_most(request)), prompt, usual_answer)
        if self._settings.hedge_after is None or request.stream:
            return most
        return Ceiling(most.prompt, most.most_answer, 2 * most.usd, most.unpriced)

    def unknown_model(self, asked: str, allowed: Callable[[str], bool] = anything) -> UnknownModel:
        """The error for a model that no deployment serves, with names of some that are, of those that are allowed."""
        return self._pools.unknown_model(asked, allowed)

    async def open(self, asked: Request | StoredCall, obs: ObservabilityContext) -> OpenedStream:
        """Ask for a stream and wait for its beginning, after which no other deployment is tried. Close `rest` when
        done: that is what closes the connection to the provider."""
        if isinstance(asked, StoredCall):
            guarded, backend, limit = self._ask_origin(asked, obs)
            return await opened(guarded, backend.stored_stream(asked, guarded.attempt), Waits(limit))
        return await with_client_tools(await self._search(StreamSearch, asked, obs).answer(asked), asked)

    async def complete(self, request: Request, obs: ObservabilityContext) -> Received:
        """Ask for a response that is not streamed, and wait for it."""
        response = await self._search(WholeSearch, request, obs).answer(request)
        return ClientTools(request).received(response)

    def origin(self, call: StoredCall) -> Deployment:
        """The deployment that is to be asked about a response; raises `UnknownResponse`."""
        if (deployment := self._responses.origin(call.response_id, call.caller)) is None:
            raise UnknownResponse(f"Response with id {call.response_id!r} not found.", param="response_id")
        return deployment

    async def stored(self, call: StoredCall, obs: ObservabilityContext) -> bytes:
        """The body with which the provider that made a response answers a call about it, byte for byte."""
        guarded, backend, limit = self._ask_origin(call, obs)
        with guarded:
            with guarded.limited(limit):
                body = await backend.stored(call, guarded.attempt)
            guarded.attempt.first_chunk()
        if call.method == "DELETE":
            self._responses.forget(call.response_id)
        return body

    def _ask_origin(
        self, call: StoredCall, obs: ObservabilityContext
    ) -> tuple[GuardedAttempt, StoredResponseBackend, float]:
        """The attempt at the deployment that made the response: one attempt, as nobody else could answer."""
        deployment = self.origin(call)
        if deployment.credentials == "client" and call.credential is None:
            raise AuthenticationFailed(
                "This response is kept for your own account: send the credential it was made with."
            )
        backend = self._backends.of(deployment)
        if not isinstance(backend, StoredResponseBackend):
            raise UnknownResponse(f"Response with id {call.response_id!r} not found.", param="response_id")
        kind = StreamSearch if call.stream else WholeSearch
        search = kind(self._services, obs, deployment.model_name, call.operation, call.caller)
        if search.keeps_out(deployment) or (guarded := search.guarded(deployment)) is None:
            raise search.nobody_left((deployment,))
        return guarded, backend, search.limit(deployment)

    async def count_tokens(self, request: Request) -> int:
        """The number of input tokens, as the model's first deployment counts them."""
        pool = self._pools.of(request.model)
        [pool] = permitted([pool], request, addressed(pool))
        pool = self._overrides.serving(pool) or pool
        return await self._backends.of(min(pool, key=lambda one: one.order)).count_tokens(request)

    async def aclose(self) -> None:
        """Close every backend that was made, but those that another router of the same memory has, too."""
        await self._backends.aclose()

    def _search(self, kind: type[_S], request: Request, obs: ObservabilityContext) -> _S:
        model = self._pools.configured_name(request.model) or request.model
        return kind(self._services, obs, model, request.operation, request.caller)
