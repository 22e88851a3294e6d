"""Health checks that somebody asks for: each deployment is really asked, for next to nothing, and says how it is.

What comes of it blames no deployment: its breaker knows nothing of it, neither good nor bad, and it needs no room that
others wait for. What it uses is counted like the tokens of any attempt.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Literal

from msgspec import Struct

from app.backends.attempt_targets import target_of
from app.backends.attempts import AttemptControl, GuardedAttempt
from app.backends.deployment_backends import DeploymentBackends
from app.backends.model_names import is_wildcard
from app.breakers.breaker import Denied
from app.errors import BackendError, GatewayError, InvalidRequest, UpstreamFailed
from app.messages import InputMessage, Request, TextPart
from app.settings import Deployment, UpstreamBreakerSettings
from telemetry import ObservabilityContext

MOST = 100
"""Deployments that one check asks."""
_AT_A_TIME = 8
_LONGEST = 10.0
"""Seconds for one deployment."""
_TOKENS = 16
"""The shortest answer that all of OpenAI's APIs can be asked for."""
_NEVER = UpstreamBreakerSettings(threshold=1_000_000_000, failure_rate=1.0, min_requests=1_000_000_000)
_UNASKED = {
    "wildcard": "it stands for many models, none of which is named",
    "credential": "it is asked with the credential of its caller",
}


class ProbeResult(Struct, frozen=True):
    """How one deployment is. `seconds` is how long it took to answer, None where it was not asked; `error` and
    `message` say what was wrong, as a client would read it."""

    deployment: str
    model_name: str
    model: str
    result: Literal["ok", "refused", "failed", "not_asked"]
    seconds: float | None = None
    error: str | None = None
    status: int | None = None
    message: str | None = None


class Probes:
    """One per router. Only so many deployments are asked at a time, whoever wants to know."""

    def __init__(self, backends: DeploymentBackends, clock: Callable[[], float] = time.monotonic) -> None:
        self._backends = backends
        self._clock = clock
        # Its breakers never open.
        self._control = AttemptControl(_NEVER, clock)
        self._turns = asyncio.Semaphore(_AT_A_TIME)

    async def of(self, deployments: Sequence[Deployment], caller: str, obs: ObservabilityContext) -> list[ProbeResult]:
        """Ask each deployment. Their number is bounded by whoever calls."""
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(self._one(one, caller, obs)) for one in deployments]
        return [task.result() for task in asked]

    async def _one(self, deployment: Deployment, caller: str, obs: ObservabilityContext) -> ProbeResult:
        if (why := _unasked(deployment)) is not None:
            return _result(deployment, "not_asked", error=why, message=_UNASKED[why])
        async with self._turns:
            begun = self._clock()
            try:
                await self._asked(deployment, caller, obs)
            except GatewayError as error:
                is_refusal = isinstance(error, InvalidRequest) or (
                    isinstance(error, BackendError) and not error.counts_against_deployment
                )
                return _result(
                    deployment,
                    "refused" if is_refusal else "failed",
                    seconds=round(self._clock() - begun, 3),
                    error=error.error_type,
                    status=error.upstream_status if isinstance(error, UpstreamFailed) else None,
                    message=error.message,
                )
            return _result(deployment, "ok", seconds=round(self._clock() - begun, 3))

    async def _asked(self, deployment: Deployment, caller: str, obs: ObservabilityContext) -> None:
        request = Request(
            dialect="openai_chat",
            model=deployment.model_name,
            messages=(InputMessage(role="user", parts=(TextPart("ping"),)),),
            max_tokens=_TOKENS,
            caller=caller,
        )
        backend = self._backends.of(deployment)
        permit = self._control.admit(deployment, obs)
        assert not isinstance(permit, Denied), "a breaker that never opens"
        attempt = obs.attempts.start(target_of(deployment, "chat", stream=False), reason="probe")
        guarded = GuardedAttempt(attempt, permit, self._control, obs, deployment, request)
        with guarded:
            with guarded.limited(min(deployment.timeout or _LONGEST, _LONGEST)):
                response = await backend.complete(request, attempt)
            guarded.received(response)


def _unasked(deployment: Deployment) -> str | None:
    if is_wildcard(deployment.model_name):
        return "wildcard"
    return "credential" if deployment.credentials == "client" else None


def _result(
    deployment: Deployment,
    result: Literal["ok", "refused", "failed", "not_asked"],
    *,
    seconds: float | None = None,
    error: str | None = None,
    status: int | None = None,
    message: str | None = None,
) -> ProbeResult:
    names = deployment.id, deployment.model_name, deployment.model
    return ProbeResult(*names, result, seconds, error, status, message)
