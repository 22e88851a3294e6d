"""Which deployment is asked next, with all that is known of them: the readings behind `next_move`."""

import random
from collections.abc import Callable, Mapping, Sequence
from math import inf

from app.backends.attempt_admission import busy
from app.backends.attempts import AttemptControl
from app.backends.balancing import ranks_of
from app.backends.deployments import Failure, Move, next_move
from app.backends.memory import RoutingMemory
from app.backends.overrides import DeploymentOverrides
from app.backends.sticky_conversations import Key, key_of
from app.messages import Request
from app.prompt_forms import cache_lifetime
from app.settings import Deployment, RouterSettings
from telemetry import ObservabilityContext

_LONGEST_REST = 60.0
"""Seconds for which a deployment is asked after all others at most, whatever its provider said."""


class DeploymentSelection:
    """One per router. `clock` gives the seconds of a monotonic clock, `rng` what is left to chance."""

    def __init__(
        self,
        settings: RouterSettings,
        control: AttemptControl,
        memory: RoutingMemory,
        overrides: DeploymentOverrides,
        clock: Callable[[], float],
        rng: random.Random,
    ) -> None:
        self.is_sticky = settings.sticky != "off"
        """Whether conversations go on where they were answered."""
        self._settings = settings
        self._control = control
        self._memory = memory
        self._overrides = overrides
        self._clock = clock
        self._rng = rng

    def next_move(
        self,
        pool: Sequence[Deployment],
        failures: Sequence[Failure],
        is_out: Callable[[Deployment], bool],
        spent: int,
        conversation: Key | None = None,
    ) -> Move:
        """What to do next for a request. `is_out` tells whether a breaker keeps a deployment out, `spent` is how many
        retries were made on other models."""
        now, marks, admission = self._clock(), self._memory.resting, self._control.admission
        if self._overrides.in_force:
            pool = self._overrides.serving(pool)
        full = busy(pool, admission) if admission.gates else ()
        resting = [one.id for one in pool if marks.get(one.id, now) > now] if marks else ()
        ranks = self._ranks(pool, conversation, now) if len(pool) > 1 else {}
        return next_move(pool, failures, is_out, self._settings, self._rng.random, spent, resting, full, ranks)

    def conversation(self, request: Request, model: str, obs: ObservabilityContext) -> Key | None:
        """The request's conversation with a model, if it is to go on where it was answered last; None if any deployment
        will do."""
        if not self.is_sticky or not obs.conversation_id:
            return None
        return key_of(request, model, obs.conversation_id)

    def answered(self, deployment: Deployment, request: Request, conversation: Key) -> None:
        """A deployment has answered a request of a conversation."""
        self._memory.sticky.remember(conversation, deployment.id, self._clock(), cache_lifetime(request))

    def first_token(self, deployment: Deployment, seconds: float) -> None:
        """A streamed answer took so long to begin, or was waited for so long in vain."""
        if self._settings.strategy == "fastest_first_token":
            self._memory.first_tokens.add(deployment, seconds, self._clock())

    def rest(self, deployment: Deployment, seconds: float) -> None:
        """Ask a deployment after all others, as it has said when to come back."""
        self._memory.resting[deployment.id] = self._clock() + min(seconds, _LONGEST_REST)

    def _ranks(self, pool: Sequence[Deployment], conversation: Key | None, now: float) -> Mapping[str, float]:
        times, in_flight = self._memory.first_tokens, self._control.in_flight
        ranks = ranks_of(self._settings.strategy, pool, in_flight, times, now)
        if conversation is not None and (warm := self._memory.sticky.deployment(conversation, now)) is not None:
            return {**ranks, warm: -inf}
        return ranks
