"""One request's way through deployments: which is asked, how it goes there, and what that says of the next."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from app.admission import Slot
from app.backends.attempt_admission import slot_at_once, slot_of
from app.backends.attempt_targets import AttemptTargets
from app.backends.attempts import AttemptControl, GuardedAttempt
from app.backends.deployment_backends import DeploymentBackends
from app.backends.deployments import Failure, Move, Refuse, RetryBudget, Try
from app.backends.hedging import Race, may_be_hedged
from app.backends.memory import RoutingMemory
from app.backends.model_names import is_wildcard
from app.backends.overrides import DeploymentOverrides
from app.backends.pools import Pool, Pools
from app.backends.selection import DeploymentSelection
from app.backends.sticky_conversations import Key
from app.backends.stored_responses import StoredResponses
from app.breakers.breaker import Denied
from app.dialects.dialect import DIALECTS
from app.errors import (
    AdmissionRefused,
    BackendError,
    BreakerOpen,
    GatewayError,
    LocalFailure,
    ModelMissing,
    OutOfService,
    UpstreamRejected,
)
from app.messages import Batch, Request
from app.settings import Deployment, RouterSettings
from telemetry import Attempt, ObservabilityContext
from telemetry.names import AttemptReason

_A = TypeVar("_A")
_SHORTEST = 0.001
"""Seconds that an attempt has when the request's time is up."""


@dataclass(frozen=True)
class SearchServices:
    """What the searches of one router work with. `idle_timeout`: seconds for which a stream may be silent."""

    settings: RouterSettings
    control: AttemptControl
    backends: DeploymentBackends
    targets: AttemptTargets
    memory: RoutingMemory
    overrides: DeploymentOverrides
    selection: DeploymentSelection
    pools: Pools
    responses: StoredResponses
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    idle_timeout: float


class Search(ABC, Generic[_A]):
    """What one request has been through so far, over all models that were asked. What it looks for is a whole response
    or a stream that has begun."""

    stream = False
    error: GatewayError | None = None
    """What the client is to read if nobody answers."""
    _retries = 0
    _attempt: Attempt | None = None
    _conversation: Key | None = None
    """The conversation, where it is to go on at the deployment that answered it last."""
    _turned_away: frozenset[str] = frozenset()
    """Deployments whose breaker kept this request out, each counted once."""
    _passed_over: frozenset[str] = frozenset()
    """Deployments whose breaker opened between the choice and the attempt, and those that had no room for it."""
    _waited = 0.0
    """Seconds that it has waited for deployments with room."""

    def __init__(
        self,
        services: SearchServices,
        obs: ObservabilityContext,
        model: str,
        operation: str = "chat",
        caller: str = "",
    ) -> None:
        """`model` is the name in the configuration of the one that is asked for."""
        self._services = services
        self._obs = obs
        self._begun = services.clock()
        self._model = model
        self._operation = operation
        self._caller = caller

    async def answer(self, request: Request) -> _A:
        """The response of the first deployment that gives one. Raises the last deployment's error, or BreakerOpen where
        none could be asked."""
        pools = self._services.pools
        asked: list[Pool] = []
        waiting = pools.for_request(request)
        while waiting:
            pool, waiting = waiting[0], waiting[1:]
            asked.append(pool)
            try:
                if (answer := await self._ask(pool, request)) is not None:
                    return answer
            except UpstreamRejected as error:
                waiting = [pool for pool in pools.after_refusal(error, request) if pool not in asked]
        raise self.error or self.nobody_left([one for pool in asked for one in pool])

    def keeps_out(self, deployment: Deployment) -> bool:
        """Whether a breaker keeps the request away from the deployment."""
        if (reason := self._services.control.refusal(deployment, self._caller)) is None:
            return deployment.id in self._passed_over
        if deployment.id not in self._turned_away:
            self._turned_away |= {deployment.id}
            self._obs.breakers.rejected(deployment.id, reason)
        return True

    def nobody_left(self, deployments: Sequence[Deployment]) -> BreakerOpen | OutOfService:
        """The error for a request that none of these could be asked for."""
        if all(self._services.overrides.is_drained(one.id) for one in deployments):
            return OutOfService("Every deployment of this model is out of service; try again later.")
        message = "Every deployment of this model is failing; try again later."
        return BreakerOpen(message, retry_after=self._services.control.retry_after(deployments, self._caller))

    def guarded(
        self, deployment: Deployment, request: Request | None = None, slot: Slot | None = None, *, hedge: bool = False
    ) -> GuardedAttempt | None:
        """Begin an attempt; None if the deployment's breaker does not permit it. Without a request nothing is
        generated, and no slot is needed. `hedge`: the one before it is still under way."""
        obs, control = self._obs, self._services.control
        permit = control.admit(deployment, obs, self._caller, self.stream)
        if isinstance(permit, Denied):
            return None
        obs.describe(provider=deployment.provider)
        target = self._services.targets.of(deployment, self._operation, self.stream)
        fallback = deployment.model_name != self._model
        reason: AttemptReason | None = "hedge" if hedge else None
        self._attempt = obs.attempts.start(target, retry_of=self._attempt, fallback=fallback, reason=reason)
        return GuardedAttempt(self._attempt, permit, control, obs, deployment, request, slot)

    def limit(self, deployment: Deployment) -> float:
        """Seconds that an attempt may take: the deployment's timeout, or else what is left of the request's time."""
        return deployment.timeout if deployment.timeout is not None else max(self._left(), _SHORTEST)

    @abstractmethod
    async def _tried(self, deployment: Deployment, slot: Slot, request: Request, *, hedge: bool = False) -> _A | None:
        """The response of one attempt, which has a slot and gives it back at its end; None if the deployment's breaker
        has opened since it was chosen."""

    def _pass_over(self, deployment: Deployment, slot: Slot) -> None:
        """The deployment's breaker has opened since it was chosen: it is not chosen again."""
        self._passed_over |= {deployment.id}
        slot.end()

    @abstractmethod
    def _come_of(self, answer: _A) -> Batch:
        """What has come of an answer: its first chunks, or all of it."""

    async def _ask(self, pool: Pool, request: Request) -> _A | None:
        """Try the deployments of one model until one answers. None where no further attempt makes sense. Raises the
        error of a deployment that refuses what the caller sent."""
        services, model = self._services, pool[0].model_name
        budgets = services.memory.retry_budgets
        budget = budgets.get(model) or budgets.setdefault(model, RetryBudget())
        failures: list[Failure] = []
        spent = self._retries
        if services.selection.is_sticky:
            self._conversation = services.selection.conversation(request, model, self._obs)
        budget.requests += 1
        try:
            while isinstance(move := self._next_move(pool, failures, spent), Try):
                if (failures or self._waited) and not self._may_make(move, budget, model):
                    return None
                budget.retries += move.again
                try:
                    found = await self._made(move, pool, request, failures, budget)
                finally:
                    budget.retries -= move.again
                if found is not None:
                    deployment, answer = found
                    if DIALECTS[request.dialect].keeps_responses:
                        services.responses.learn(request, self._come_of(answer), deployment)
                    if self._conversation is not None:
                        services.selection.answered(deployment, request, self._conversation)
                    return answer
        finally:
            budget.requests -= 1
        if isinstance(move, Refuse):
            raise move.error
        return None

    async def _made(
        self, move: Try, pool: Pool, request: Request, failures: list[Failure], budget: RetryBudget
    ) -> tuple[Deployment, _A] | None:
        """The deployment that has answered, and its answer. None where it has failed, which `failures` tells then, has
        no room in time, or has been drained meanwhile."""
        services, deployment = self._services, move.deployment
        if move.wait:
            await services.sleep(move.wait)
        if (slot := services.control.admission.unlimited(deployment)) is None:
            if (slot := await self._slot(move, request)) is None:
                return None
            deployment = next(one for one in (deployment, *move.equals) if one.id == slot.deployment)
        if services.overrides.in_force and services.overrides.is_drained(deployment.id):
            slot.end()
            return None
        if services.settings.hedge_after is not None and self._may_hedge(request, deployment):
            return await self._hedged(deployment, slot, pool, request, failures, budget)
        try:
            answer = await self._tried(deployment, slot, request)
        except BackendError as error:
            self._note(Failure(deployment, error), failures)
            return None
        return None if answer is None else (deployment, answer)

    def _next_move(self, pool: Pool, failures: Sequence[Failure], spent: int) -> Move:
        return self._services.selection.next_move(pool, failures, self.keeps_out, spent, self._conversation)

    def _may_make(self, move: Try, budget: RetryBudget, model: str) -> bool:
        """Whether there is time for what is tried after a failure or a wait, and leave to ask a deployment again."""
        if self._left() <= move.wait:
            return False
        return not move.again or self._may_retry(budget, model)

    def _may_retry(self, budget: RetryBudget, model: str) -> bool:
        if budget.allows(self._services.settings.retry_budget):
            return True
        self._obs.attempts.retry_denied(model)
        return False

    def _may_hedge(self, request: Request, deployment: Deployment) -> bool:
        return may_be_hedged(request, deployment, self._services.settings, stream=self.stream)

    def _left(self) -> float:
        """Seconds until the request's time is up."""
        return self._services.settings.request_timeout - (self._services.clock() - self._begun)

    def _note(self, failure: Failure, failures: list[Failure]) -> None:
        """Add a failure to those of its model, and keep the error that the client is to read. Of a model that one
        deployment lacks it reads only where nothing else was wrong; the operator reads of it once."""
        self._retries += bool(failures)
        failures.append(failure)
        error, deployment, missing = failure.error, failure.deployment, self._services.memory.missing
        if error.retry_after and error.retryable and _concerns_others(error, deployment):
            self._services.selection.rest(deployment, error.retry_after)
        if not isinstance(error, ModelMissing):
            self.error = error
            return
        self.error = self.error or error
        # What stands for a wildcard is the client's choice.
        if deployment.id not in missing and not is_wildcard(deployment.model_name):
            missing.add(deployment.id)
            self._obs.log("warning", "a deployment's provider does not have its model", deployment=deployment.id)

    async def _slot(self, move: Try, request: Request) -> Slot | None:
        """A slot of a limited deployment, once it has room: of that of the move, or of the first with room of those
        that would do as well. None where there is none in time."""
        services, deployment = self._services, move.deployment
        admission, now = services.control.admission, services.clock()
        until = now + min(admission.queue_timeout - self._waited, self._left())
        try:
            return await slot_of(move, request, until, admission, self._obs)
        except AdmissionRefused as error:
            self.error = self.error or error
            self._passed_over |= {deployment.id, *(one.id for one in move.equals)}
            return None
        finally:
            self._waited += services.clock() - now

    async def _hedged(
        self,
        deployment: Deployment,
        slot: Slot,
        pool: Pool,
        request: Request,
        failures: list[Failure],
        budget: RetryBudget,
    ) -> tuple[Deployment, _A] | None:
        """The first good answer of two deployments, of which the second is asked if the first takes long, is well and
        has room."""
        others = [one for one in pool if one.id != deployment.id and one.credentials != "client"]
        failed_there = [failure for failure in failures if failure.deployment in others]
        slots = [slot]
        try:
            async with Race[_A]() as race:
                race.enter(deployment, self._tried(deployment, slot, request))
                answered = await race.winner(self._services.settings.hedge_after)
                if answered is None and race.is_open:
                    second = self._second(others, failed_there, request, budget)
                    budget.retries += second is not None
                    try:
                        if second is not None:
                            slots.append(second[1])
                            race.enter(second[0], self._tried(*second, request, hedge=True))
                        answered = await race.winner()
                    finally:
                        budget.retries -= second is not None
        finally:
            # One that was cancelled before it began has not given it back.
            for one in slots:
                one.end()
        if answered is not None and len(slots) > 1:
            self._obs.describe(provider=answered[0].provider)
        for failure in race.failures:
            self._note(failure, failures)
        return answered

    def _second(
        self, others: Pool, failures: Sequence[Failure], request: Request, budget: RetryBudget
    ) -> tuple[Deployment, Slot] | None:
        """The deployment that is asked beside the first, with a slot; None where none is well and has room, or retries
        are a burden already."""
        move = self._next_move(others, failures, 0)
        if not isinstance(move, Try) or move.again or not self._may_retry(budget, move.deployment.model_name):
            return None
        slot = slot_at_once(move.deployment, request, self._services.control.admission)
        return None if slot is None else (move.deployment, slot)


def _concerns_others(error: BackendError, deployment: Deployment) -> bool:
    """Whether what went wrong for one caller awaits the next, too: neither what this machine lacked, nor the limits of
    an account that is the caller's."""
    is_their_account = deployment.credentials == "client" and not error.counts_against_deployment
    return not isinstance(error, LocalFailure) and not is_their_account
