"""Finds the deployment that answers a request: the first that gives a response, of those that may be asked.

Retries are bounded, by number for each request and by a budget for each model, obey `retry-after`, and end with the
first piece of an answer: what a client has seen of a response is never begun again. When all deployments of a model
failed, its fallbacks are asked in turn, each at least once, with what retries the request has left.
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from math import inf

from app.admission import Slot
from app.backends.attempt_admission import slot_of
from app.backends.attempt_targets import target_of
from app.backends.attempts import AttemptControl, Backend, GuardedAttempt, completed, within
from app.backends.beginnings import Waits, opened
from app.backends.ceilings import Ceiling, ceiling_of
from app.backends.client_credentials import addressed, permitted
from app.backends.client_tools import ClientTools, with_client_tools
from app.backends.deployment_backends import BackendFactory
from app.backends.deployments import Failure, Move, Refuse, RetryBudget, Try
from app.backends.memory import RoutingMemory
from app.backends.model_names import anything, is_wildcard
from app.backends.overrides import DeploymentOverrides
from app.backends.pools import Pools
from app.backends.selection import DeploymentSelection
from app.backends.sticky_conversations import Key
from app.backends.stored_responses import StoredCall, StoredResponseBackend, StoredResponses
from app.breakers.breaker import Denied
from app.errors import (
    AdmissionRefused,
    AuthenticationFailed,
    BackendError,
    BreakerOpen,
    GatewayError,
    LocalFailure,
    ModelMissing,
    OutOfService,
    UnknownModel,
    UnknownResponse,
    UpstreamRejected,
    UpstreamTimeout,
)
from app.messages import Batch, Received, Request
from app.opened_stream import OpenedStream
from app.settings import Deployment, RouterSettings
from telemetry import Attempt, ObservabilityContext

__all__ = ["Backend", "Router"]

_SHORTEST = 0.001
"""Seconds that an attempt has when the request's time is up."""


@dataclass
class _Search:
    """What one request has been through so far, over all models that were asked. `begun` is the clock's time."""

    obs: ObservabilityContext
    begun: float
    model: str
    stream: bool
    operation: str = "chat"
    caller: str = ""
    retries: int = 0
    error: GatewayError | None = None
    attempt: Attempt | None = None
    conversation: Key | None = None
    """The conversation, where it is to go on at the deployment that answered it last."""
    turned_away: set[str] = field(default_factory=set)
    """Deployments whose breaker kept this request out, each counted once."""
    passed_over: set[str] = field(default_factory=set)
    """Deployments whose breaker opened between the choice and the attempt, and those that had no room for it."""
    waited: float = 0.0
    """Seconds that it has waited for deployments with room."""


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
        self._idle_timeout = idle_timeout
        self._settings = settings
        self._control = control
        self._memory = memory or RoutingMemory()
        self._overrides = overrides or DeploymentOverrides()
        self._backends = self._memory.backends.backends(deployments, make_backend)
        self._clock = clock
        self._sleep = sleep
        self._responses = StoredResponses(deployments, self._memory.responses, shared=shared_responses)
        self._pools = Pools(deployments, settings, self._responses)
        rng = rng or random.Random()
        self._selection = DeploymentSelection(settings, control, self._memory, self._overrides, clock, rng)

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
        return await with_client_tools(await self._answer(asked, self._search(asked, obs, stream=True)), asked)

    async def complete(self, request: Request, obs: ObservabilityContext) -> Received:
        """Ask for a response that is not streamed, and wait for it."""
        (response,) = (await self._answer(request, self._search(request, obs, stream=False))).first
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
            body = await within(limit, backend.stored(call, guarded.attempt))
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
        search = _Search(obs, self._clock(), deployment.model_name, call.stream, call.operation, call.caller)
        if self._keeps_out(search, deployment) or (guarded := self._guarded(deployment, search)) is None:
            raise self._nobody_left((deployment,), call.caller)
        return guarded, backend, self._limit(deployment, search)

    async def count_tokens(self, request: Request) -> int:
        """The number of input tokens, as the model's first deployment counts them."""
        pool = self._pools.of(request.model)
        [pool] = permitted([pool], request, addressed(pool))
        pool = self._overrides.serving(pool) or pool
        return await self._backends.of(min(pool, key=lambda one: one.order)).count_tokens(request)

    async def aclose(self) -> None:
        """Close every backend that was made, but those that another router of the same memory has, too."""
        await self._backends.aclose()

    async def _answer(self, request: Request, search: _Search) -> OpenedStream:
        """The response of the first deployment that gives one. A whole response is a stream of one chunk, which has
        ended. Raises the last deployment's error, or BreakerOpen where none could be asked."""
        asked: list[Sequence[Deployment]] = []
        waiting = [pool for pool in self._pools.for_request(request) if pool]
        while waiting:
            asked.append(waiting.pop(0))
            try:
                if (answer := await self._ask_pool(asked[-1], request, search)) is not None:
                    return answer
            except UpstreamRejected as error:
                waiting = [pool for pool in self._pools.after_refusal(error, request) if pool not in asked]
        raise search.error or self._nobody_left([one for pool in asked for one in pool], request.caller)

    def _search(self, request: Request, obs: ObservabilityContext, *, stream: bool) -> _Search:
        model = self.configured_name(request.model) or request.model
        return _Search(obs, self._clock(), model, stream, request.operation, request.caller)

    def _nobody_left(self, deployments: Sequence[Deployment], caller: str) -> BreakerOpen | OutOfService:
        if all(self._overrides.is_drained(one.id) for one in deployments):
            return OutOfService("Every deployment of this model is out of service; try again later.")
        message = "Every deployment of this model is failing; try again later."
        return BreakerOpen(message, retry_after=self._control.retry_after(deployments, caller))

    async def _ask_pool(self, pool: Sequence[Deployment], request: Request, search: _Search) -> OpenedStream | None:
        """Try the deployments of one model until one answers. None where no further attempt makes sense."""
        model = pool[0].model_name
        budget = self._memory.retry_budgets.setdefault(model, RetryBudget())
        failures: list[Failure] = []
        spent = search.retries
        search.conversation = self._selection.conversation(request, model, search.obs)
        with budget.request():
            while isinstance(move := self._next_move(pool, failures, spent, search), Try):
                if (failures or search.waited) and self._left(search) <= move.wait:
                    return None
                if move.again and not budget.allows(self._settings.retry_budget):
                    search.obs.attempts.retry_denied(model)
                    return None
                with budget.retry() if move.again else nullcontext():
                    if move.wait:
                        await self._sleep(move.wait)
                    if (admitted := await self._admitted(move, request, search)) is None:
                        continue
                    deployment, slot = admitted
                    try:
                        answer = await self._tried(deployment, request, search, slot)
                    except BackendError as error:
                        self._note(error, deployment, search)
                        search.retries += bool(failures)
                        failures.append(Failure(deployment, error))
                        continue
                if answer is not None:
                    self._responses.learn(request, answer.first, deployment)
                    self._selection.answered(deployment, request, search.conversation)
                    return answer
        if isinstance(move, Refuse):
            raise move.error
        return None

    def _note(self, error: BackendError, deployment: Deployment, search: _Search) -> None:
        """Keep the error that the client is to read. Of a model that one deployment lacks it reads only where nothing
        else was wrong; the operator reads of it once."""
        if error.retry_after and error.retryable and _concerns_others(error, deployment):
            self._selection.rest(deployment, error.retry_after)
        if not isinstance(error, ModelMissing):
            search.error = error
            return
        search.error = search.error or error
        # What stands for a wildcard is the client's choice.
        if deployment.id not in self._memory.missing and not is_wildcard(deployment.model_name):
            self._memory.missing.add(deployment.id)
            search.obs.log("warning", "a deployment's provider does not have its model", deployment=deployment.id)

    def _next_move(self, pool: Sequence[Deployment], failures: Sequence[Failure], spent: int, search: _Search) -> Move:
        is_out = partial(self._keeps_out, search)
        return self._selection.next_move(pool, failures, is_out, spent, search.conversation)

    async def _admitted(self, move: Try, request: Request, search: _Search) -> tuple[Deployment, Slot] | None:
        """The deployment that is to be asked, once it has room: that of the move, or the first with room of those that
        would do as well. None where there is none in time, or it has been drained meanwhile."""
        deployment, admission, now = move.deployment, self._control.admission, self._clock()
        if (slot := admission.unlimited(deployment)) is None:
            until = now + min(admission.queue_timeout - search.waited, self._left(search))
            try:
                slot = await slot_of(move, request, until, admission, search.obs)
            except AdmissionRefused as error:
                search.error = search.error or error
                search.passed_over.update((deployment.id, *(one.id for one in move.equals)))
                return None
            finally:
                search.waited += self._clock() - now
            deployment = next(one for one in (deployment, *move.equals) if one.id == slot.deployment)
        if self._overrides.is_drained(deployment.id):
            slot.end()
            return None
        return deployment, slot

    async def _tried(
        self, deployment: Deployment, request: Request, search: _Search, slot: Slot
    ) -> OpenedStream | None:
        """The response of one attempt, which has a slot and gives it back at its end; None if the deployment's breaker
        has opened since it was chosen. Such a deployment is not chosen again."""
        try:
            guarded = self._guarded(deployment, search, request, slot)
            if guarded is None:
                search.passed_over.add(deployment.id)
                slot.end()
                return None
            backend, limit = self._backends.of(deployment), self._limit(deployment, search)
            if search.stream:
                return await self._opened(guarded, backend.stream(request, guarded.attempt), request, deployment, limit)
            return OpenedStream((await completed(guarded, backend, request, limit),), _nothing_more())
        except BaseException:
            slot.end()
            raise

    async def _opened(
        self,
        guarded: GuardedAttempt,
        stream: AsyncGenerator[Batch, None],
        request: Request,
        deployment: Deployment,
        limit: float,
    ) -> OpenedStream:
        """The stream of an attempt, once it has begun."""
        # What a provider makes in the background goes on there, though nobody waits for it.
        hold = 0.0 if request.extra.get("background") else self._settings.hold_start
        waits = Waits(limit, self._idle_timeout, deployment.first_token_timeout, hold)
        begun = self._clock()
        try:
            answer = await opened(guarded, stream, waits)
        except UpstreamTimeout:
            self._selection.first_token(deployment, self._clock() - begun)
            raise
        self._selection.first_token(deployment, self._clock() - begun)
        return answer

    def _guarded(
        self, deployment: Deployment, search: _Search, request: Request | None = None, slot: Slot | None = None
    ) -> GuardedAttempt | None:
        """Begin an attempt; None if the deployment's breaker does not permit it. Without a request nothing is
        generated, and no slot is needed."""
        obs = search.obs
        permit = self._control.admit(deployment, obs, search.caller, search.stream)
        if isinstance(permit, Denied):
            return None
        obs.describe(provider=deployment.provider)
        target = target_of(deployment, search.operation, stream=search.stream)
        fallback = deployment.model_name != search.model
        search.attempt = obs.attempts.start(target, retry_of=search.attempt, fallback=fallback)
        return GuardedAttempt(search.attempt, permit, self._control, obs, deployment, request, slot)

    def _keeps_out(self, search: _Search, deployment: Deployment) -> bool:
        """Whether a breaker keeps the request away from the deployment."""
        if (reason := self._control.refusal(deployment, search.caller)) is None:
            return deployment.id in search.passed_over
        if deployment.id not in search.turned_away:
            search.turned_away.add(deployment.id)
            search.obs.breakers.rejected(deployment.id, reason)
        return True

    def _left(self, search: _Search) -> float:
        """Seconds until the request's time is up."""
        return self._settings.request_timeout - (self._clock() - search.begun)

    def _limit(self, deployment: Deployment, search: _Search) -> float:
        """Seconds that an attempt may take: the deployment's timeout, or else what is left of the request's time."""
        return deployment.timeout if deployment.timeout is not None else max(self._left(search), _SHORTEST)


def _concerns_others(error: BackendError, deployment: Deployment) -> bool:
    """Whether what went wrong for one caller awaits the next, too: neither what this machine lacked, nor the limits of
    an account that is the caller's."""
    is_their_account = deployment.credentials == "client" and not error.counts_against_deployment
    return not isinstance(error, LocalFailure) and not is_their_account


async def _nothing_more() -> AsyncGenerator[Batch, None]:
    batches: Sequence[Batch] = ()
    for batch in batches:
        yield batch
