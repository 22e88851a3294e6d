"""One call of a streaming hook: bounded in time, timed, and its failure turned into the outcome its policy declares."""

from time import perf_counter

from app.errors import GatewayError, PolicyError, PolicyFailed, PolicyTimeout
from app.pipeline.deadline import Deadline
from app.pipeline.hook_context import HookContext
from app.policies.base import Hook
from app.policies.loading import LoadedPolicy
from telemetry.context import ObservabilityContext


class HookCaller:
    """Calls the hooks of one policy for one stream. `hook` is the one called last."""

    def __init__(self, loaded: LoadedPolicy, deadline: Deadline, timeout: float, obs: ObservabilityContext) -> None:
        self.hook = ""
        self._loaded = loaded
        self._hooks = {hook: (getattr(loaded.policy, hook), obs.hook_timer(loaded.name, hook)) for hook in loaded.hooks}
        self._deadline = deadline
        self._timeout = timeout
        self._obs = obs

    async def __call__(self, context: HookContext, hook: Hook, *values: object) -> bool:
        """False when the policy failed and is declared to step aside; what ends the stream is raised."""
        self.hook = hook
        failure = await self._attempt(context, hook, *values)
        if context.fault is not None:
            raise context.fault
        if failure is None:
            return True
        if self._loaded.on_error == "fail_closed":
            raise failure
        self._obs.log("warning", "policy stepped aside", policy=self._loaded.name, hook=hook, detail=failure.detail)
        return False

    async def _attempt(self, context: HookContext, hook: Hook, *values: object) -> PolicyError | None:
        method, timer = self._hooks[hook]
        context.begin_call()
        self._obs.ledger.enter("policy")
        since = perf_counter()
        limit = self._deadline.limit(self._timeout)
        try:
            with limit:
                await method(*values, context)
        except GatewayError:
            raise
        except Exception as error:
            return self._timed_out(hook) if limit.expired else self._failed(hook, error)
        finally:
            self._obs.ledger.leave("policy")
            timer.observe(perf_counter() - since - context.downstream_seconds)
        # A hook that swallowed its own cancellation comes back as if all were well.
        return self._timed_out(hook) if limit.overrun or limit.expired else None

    def _timed_out(self, hook: Hook) -> PolicyError:
        self._obs.policy_timeout(self._loaded.name, hook)
        detail = f"{self._loaded.name}.{hook} took longer than {self._timeout:g} s"
        return PolicyTimeout("A policy of the gateway took too long.", detail=detail)

    def _failed(self, hook: Hook, error: Exception) -> PolicyError:
        self._obs.policy_failed(self._loaded.name, hook)
        failure = PolicyFailed("A policy of the gateway failed.", detail=f"{self._loaded.name}.{hook}: {error!r}")
        failure.__cause__ = error
        return failure
