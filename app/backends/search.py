"""One request's way through deployments: which is asked, how it goes there, and what that says of the next."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from app.admission import Slot
from app.backends.attempt_admission import slot_at_once, slot_of
from app.backends.attempt_targets import target_of
from app.backends.attempts import AttemptControl, GuardedAttempt, completed
from app.backends.beginnings import Waits, opened
from app.backends.deployment_backends import DeploymentBackends
from app.backends.deployments import Failure, Move, Refuse, RetryBudget, Try
from app.backends.hedging import Race, may_be_hedged
from app.backends.memory import RoutingMemory
from app.backends.model_names import is_wildcard
from app.backends.overrides import DeploymentOverrides
from app.backends.selection import DeploymentSelection
from app.backends.sticky_conversations import Key
from app.backends.stored_responses import StoredResponses
from app.breakers.breaker import Denied
from app.errors import AdmissionRefused, BackendError, GatewayError, LocalFailure, ModelMissing, UpstreamTimeout
from app.messages import Batch, Request
from app.opened_stream import OpenedStream
from app.settings import Deployment, RouterSettings
from telemetry import Attempt, ObservabilityContext
from telemetry.names import AttemptReason

_SHORTEST = 0.001
"""Seconds that an attempt has when the request's time is up."""
Answered = tuple[Deployment, OpenedStream]


@dataclass(frozen=True)
class SearchServices:
    """What the searches of one router work with. `idle_timeout`: seconds for which a stream may be silent."""

    settings: RouterSettings
    control: AttemptControl
    backends: DeploymentBackends
    memory: RoutingMemory
    overrides: DeploymentOverrides
    selection: DeploymentSelection
    responses: StoredResponses
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    idle_timeout: float


_NO_RETRY = nullcontext()


class Search:
    """What one request has been through so far, over all models that were asked."""

    def __init__(
        self,
        services: SearchServices,
        obs: ObservabilityContext,
        model: str,
        *,
        stream: bool,
        operation: str = "chat",
        caller: str = "",
    ) -> None:
        self.error: GatewayError | None = None
        """What the client is to read if nobody answers."""
        self._services = services
        self._obs = obs
        self._begun = services.clock()
        self._model = model
        self._stream = stream
        self._operation = operation
        self._caller = caller
        self._retries = 0
        self._attempt: Attempt | None = None
        self._conversation: Key | None = None
        """The conversation, where it is to go on at the deployment that answered it last."""
        self._turned_away: set[str] = set()
        """Deployments whose breaker kept this request out, each counted once."""
        self._passed_over: set[str] = set()
        """Deployments whose breaker opened between the choice and the attempt, and those that had no room for it."""
        self._waited = 0.0
        """Seconds that it has waited for deployments with room."""

    async def ask(self, pool: Sequence[Deployment], request: Request) -> OpenedStream | None:
        """Try the deployments of one model until one answers. None where no further attempt makes sense. Raises the
        error of a deployment that refuses what the caller sent."""
        services, model = self._services, pool[0].model_name
        budgets = services.memory.retry_budgets
        budget = budgets.get(model) or budgets.setdefault(model, RetryBudget())
        failures: list[Failure] = []
        spent = self._retries
        self._conversation = services.selection.conversation(request, model, self._obs)
        with budget.request:
            while isinstance(move := self._next_move(pool, failures, spent), Try):
                if (failures or self._waited) and self._left() <= move.wait:
                    return None
                if move.again and not self._may_retry(budget, model):
                    return None
                with budget.retry if move.again else _NO_RETRY:
                    if move.wait:
                        await services.sleep(move.wait)
                    if (admitted := await self._admitted(move, request)) is None:
                        continue
                    if may_be_hedged(request, admitted[0], services.settings, stream=self._stream):
                        others = [one for one in pool if one.id != admitted[0].id and one.credentials != "client"]
                        failed_there = [failure for failure in failures if failure.deployment in others]
                        answered, failed = await self._hedged(admitted, others, failed_there, request, budget)
                    else:
                        answered, failed = await self._answered(*admitted, request)
                for failure in failed:
                    self._note(failure)
                    self._retries += bool(failures)
                    failures.append(failure)
                if answered is not None:
                    deployment, answer = answered
                    services.responses.learn(request, answer.first, deployment)
                    services.selection.answered(deployment, request, self._conversation)
                    return answer
        if isinstance(move, Refuse):
            raise move.error
        return None

    def keeps_out(self, deployment: Deployment) -> bool:
        """Whether a breaker keeps the request away from the deployment."""
        if (reason := self._services.control.refusal(deployment, self._caller)) is None:
            return deployment.id in self._passed_over
        if deployment.id not in self._turned_away:
            self._turned_away.add(deployment.id)
            self._obs.breakers.rejected(deployment.id, reason)
        return True

    def guarded(
        self, deployment: Deployment, request: Request | None = None, slot: Slot | None = None, *, hedge: bool = False
    ) -> GuardedAttempt | None:
        """Begin an attempt; None if the deployment's breaker does not permit it. Without a request nothing is
        generated, and no slot is needed. `hedge`: the one before it is still under way."""
        obs, control = self._obs, self._services.control
        permit = control.admit(deployment, obs, self._caller, self._stream)
        if isinstance(permit, Denied):
            return None
        obs.describe(provider=deployment.provider)
        target = target_of(deployment, self._operation, stream=self._stream)
        fallback = deployment.model_name != self._model
        reason: AttemptReason | None = "hedge" if hedge else None
        self._attempt = obs.attempts.start(target, retry_of=self._attempt, fallback=fallback, reason=reason)
        return GuardedAttempt(self._attempt, permit, control, obs, deployment, request, slot)

    def limit(self, deployment: Deployment) -> float:
        """Seconds that an attempt may take: the deployment's timeout, or else what is left of the request's time."""
        return deployment.timeout if deployment.timeout is not None else max(self._left(), _SHORTEST)

    def _next_move(self, pool: Sequence[Deployment], failures: Sequence[Failure], spent: int) -> Move:
        return self._services.selection.next_move(pool, failures, self.keeps_out, spent, self._conversation)

    def _may_retry(self, budget: RetryBudget, model: str) -> bool:
        if budget.allows(self._services.settings.retry_budget):
            return True
        self._obs.attempts.retry_denied(model)
        return False

    def _left(self) -> float:
        """Seconds until the request's time is up."""
        return self._services.settings.request_timeout - (self._services.clock() - self._begun)

    def _note(self, failure: Failure) -> None:
        """Keep the error that the client is to read. Of a model that one deployment lacks it reads only where nothing
        else was wrong; the operator reads of it once."""
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

    async def _admitted(self, move: Try, request: Request) -> tuple[Deployment, Slot] | None:
        """The deployment that is to be asked, once it has room: that of the move, or the first with room of those that
        would do as well. None where there is none in time, or it has been drained meanwhile."""
        services, deployment = self._services, move.deployment
        admission, now = services.control.admission, services.clock()
        if (slot := admission.unlimited(deployment)) is None:
            until = now + min(admission.queue_timeout - self._waited, self._left())
            try:
                slot = await slot_of(move, request, until, admission, self._obs)
            except AdmissionRefused as error:
                self.error = self.error or error
                self._passed_over.update((deployment.id, *(one.id for one in move.equals)))
                return None
            finally:
                self._waited += services.clock() - now
            deployment = next(one for one in (deployment, *move.equals) if one.id == slot.deployment)
        if services.overrides.is_drained(deployment.id):
            slot.end()
            return None
        return deployment, slot

    async def _answered(
        self, deployment: Deployment, slot: Slot, request: Request
    ) -> tuple[Answered | None, Sequence[Failure]]:
        """The answer of one deployment, or its failure."""
        try:
            answer = await self._tried(deployment, slot, request)
        except BackendError as error:
            return None, (Failure(deployment, error),)
        return (None if answer is None else (deployment, answer)), ()

    async def _hedged(
        self,
        first: tuple[Deployment, Slot],
        others: Sequence[Deployment],
        failures: Sequence[Failure],
        request: Request,
        budget: RetryBudget,
    ) -> tuple[Answered | None, Sequence[Failure]]:
        """The first good answer of two deployments, of which the second is asked if the first takes long, is well and
        has room; and what failed."""
        deployment, slot = first
        slots = [slot]
        try:
            async with Race() as race:
                race.enter(deployment, self._tried(deployment, slot, request))
                answered = await race.winner(self._services.settings.hedge_after)
                if answered is None and race.is_open:
                    second = self._second(others, failures, request, budget)
                    with budget.retry if second is not None else _NO_RETRY:
                        if second is not None:
                            slots.append(second[1])
                            race.enter(second[0], self._tried(*second, request, hedge=True))
                        answered = await race.winner()
        finally:
            # One that was cancelled before it began has not given it back.
            for one in slots:
                one.end()
        if answered is not None and len(slots) > 1:
            self._obs.describe(provider=answered[0].provider)
        return answered, race.failures

    def _second(
        self, others: Sequence[Deployment], failures: Sequence[Failure], request: Request, budget: RetryBudget
    ) -> tuple[Deployment, Slot] | None:
        """The deployment that is asked beside the first, with a slot; None where none is well and has room, or retries
        are a burden already."""
        move = self._next_move(others, failures, 0)
        if not isinstance(move, Try) or move.again or not self._may_retry(budget, move.deployment.model_name):
            return None
        slot = slot_at_once(move.deployment, request, self._services.control.admission)
        return None if slot is None else (move.deployment, slot)

    async def _tried(
        self, deployment: Deployment, slot: Slot, request: Request, *, hedge: bool = False
    ) -> OpenedStream | None:
        """The response of one attempt, which has a slot and gives it back at its end; None if the deployment's breaker
        has opened since it was chosen. Such a deployment is not chosen again."""
        try:
            guarded = self.guarded(deployment, request, slot, hedge=hedge)
            if guarded is None:
                self._passed_over.add(deployment.id)
                slot.end()
                return None
            backend, limit = self._services.backends.of(deployment), self.limit(deployment)
            if self._stream:
                return await self._opened(guarded, backend.stream(request, guarded.attempt), request, deployment)
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
    ) -> OpenedStream:
        """The stream of an attempt, once it has begun."""
        services = self._services
        # What a provider makes in the background goes on there, though nobody waits for it.
        hold = 0.0 if request.extra.get("background") else services.settings.hold_start
        waits = Waits(self.limit(deployment), services.idle_timeout, deployment.first_token_timeout, hold)
        begun = services.clock()
        try:
            answer = await opened(guarded, stream, waits)
        except UpstreamTimeout:
            services.selection.first_token(deployment, services.clock() - begun)
            raise
        services.selection.first_token(deployment, services.clock() - begun)
        return answer


def _concerns_others(error: BackendError, deployment: Deployment) -> bool:
    """Whether what went wrong for one caller awaits the next, too: neither what this machine lacked, nor the limits of
    an account that is the caller's."""
    is_their_account = deployment.credentials == "client" and not error.counts_against_deployment
    return not isinstance(error, LocalFailure) and not is_their_account


async def _nothing_more() -> AsyncGenerator[Batch, None]:
    batches: Sequence[Batch] = ()
    for batch in batches:
        yield batch
