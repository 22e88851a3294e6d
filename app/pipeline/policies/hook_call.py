"""One call of a policy's hook: bounded in time, timed, and its failure turned into the outcome the policy declares.

Every hook is called in this way. A call of one that reads a whole request or response has a span; those of a stream are
called too often for that.
"""

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Literal, NamedTuple, TypeVar

from prometheus_client import Histogram

from app.errors import GatewayError, PolicyBlocked, PolicyError, PolicyFailed, PolicyTimeout
from app.limits import Limit
from app.messages import ModelResponse, Request
from app.pipeline.policies.hook_context import HookContext
from app.policies import Hook, LoadedPolicy, PolicyContext
from telemetry import ObservabilityContext
from telemetry.exceptions import summary_of

T = TypeVar("T")

_RETURNS: dict[Hook, type] = {"on_request": Request, "on_response": ModelResponse, "on_other_text": str}
"""The types that hooks have to return; what the others return is ignored."""


class _BoundHook(NamedTuple):
    method: Callable[..., Awaitable[object]]
    timer: Histogram
    returns: type


class HookCall:
    """Calls hooks of one policy in one transaction.

    What a hook refuses (`PolicyBlocked`) is raised, and so is its failure where the policy is declared `fail_closed`.
    """

    __slots__ = (
        "_fail_closed",
        "_hooks",
        "_ledger",
        "_name",
        "_obs",
        "_outermost",
        "_policy",
        "_timeout",
        "last",
        "telemetry",
    )

    def __init__(self, loaded: LoadedPolicy, limit: Limit, timeout: float, obs: ObservabilityContext) -> None:
        self.last: Hook | Literal[""] = ""
        """The hook that was called last."""
        self._name = loaded.name
        self._policy = loaded.policy
        self.telemetry = obs.policy(loaded.name)
        """What the policy does in the transaction is recorded there."""
        self._fail_closed = loaded.on_error == "fail_closed"
        self._hooks: dict[Hook, _BoundHook] = {}
        """The hooks that were called so far."""
        self._outermost = limit
        self._timeout = timeout
        self._ledger = obs.ledger
        self._obs = obs

    async def streaming(self, context: HookContext, hook: Hook, *values: object) -> object:
        """Call a hook of a stream. Returns its result, or a PolicyError if the policy failed and is `fail_open`. Raises
        what its `emit` raised, even if the hook swallowed that."""
        self.last = hook
        context.begin_call(hook)
        bound, limit = self._hooks.get(hook) or self._bind(hook), context.limit
        self._ledger.enter("policy")
        failure: PolicyError | None = None
        since = perf_counter()
        try:
            with limit:
                result = await bound.method(*values, context)
        except BaseException as error:
            failure = self._caught(hook, error, limit, context.fault)
        else:
            # Blocking code leaves the timer no turn, and a hook may swallow its own cancellation.
            if limit.overrun or limit.expired or not isinstance(result, bound.returns):
                failure = self._returned_wrongly(hook, result, limit)
        finally:
            self._ledger.leave("policy")
            bound.timer.observe(perf_counter() - since - context.downstream_seconds)
        if context.fault is not None:
            raise context.fault
        return result if failure is None else self._permitted(hook, failure)

    async def whole(self, hook: Hook, value: T, context: PolicyContext) -> T:
        """Call a hook that takes a whole request or response. Returns its result, or `value` itself if the policy
        failed and is `fail_open`."""
        self.last = hook
        bound, limit = self._bind(hook), self._outermost.inner(self._timeout)
        failure: PolicyError | None = None
        try:
            with self.telemetry.hook(hook) as scope:
                self._ledger.enter("policy")
                since = perf_counter()
                try:
                    with limit:
                        result = await bound.method(value, context)
                except BaseException as error:
                    failure = self._caught(hook, error, limit)
                else:
                    if limit.overrun or limit.expired or not isinstance(result, bound.returns):
                        failure = self._returned_wrongly(hook, result, limit)
                finally:
                    self._ledger.leave("policy")
                    bound.timer.observe(perf_counter() - since, scope.span.exemplar)
                if failure is not None:
                    scope.failed(failure.__cause__ or failure)
        finally:
            for decision in context.take_decisions():
                self.telemetry.decided(hook, decision)
        if failure is None and isinstance(result, type(value)):
            return result
        if failure is not None:
            self._permitted(hook, failure)
        self.telemetry.decided(hook, "failed_open")
        self.telemetry.skipped("content")
        return value

    def _bind(self, hook: Hook) -> _BoundHook:
        returns = _RETURNS.get(hook, object)
        bound = self._hooks[hook] = _BoundHook(getattr(self._policy, hook), self.telemetry.timer(hook), returns)
        return bound

    def _permitted(self, hook: Hook, failure: PolicyError) -> PolicyError:
        """The failure of a policy that may fail; of another one it is raised."""
        if self._fail_closed:
            raise failure
        self._obs.log("warning", "policy stepped aside", policy=self._name, hook=hook, detail=failure.detail)
        return failure

    def _caught(self, hook: Hook, error: BaseException, limit: Limit, fault: GatewayError | None = None) -> PolicyError:
        """In which way a hook failed that raised. What is no failure of the policy is raised again; `fault` is what
        its `emit` raised."""
        if isinstance(error, GatewayError):
            if isinstance(error, PolicyBlocked) and fault is None:
                self.telemetry.blocked(hook, error.detail)
            raise error
        if isinstance(error, (KeyboardInterrupt, GeneratorExit)) or (
            isinstance(error, asyncio.CancelledError) and limit.is_cancelled_from_elsewhere
        ):
            raise error
        # A hook that lets out a cancellation of its own, or wants to end the process, has failed.
        return self._timed_out(hook, error) if limit.expired else self._failed(hook, f": {summary_of(error)}", error)

    def _returned_wrongly(self, hook: Hook, result: object, limit: Limit) -> PolicyError:
        """In which way a hook failed that returned."""
        if limit.overrun or limit.expired:
            return self._timed_out(hook)
        return self._failed(hook, f" returned {type(result).__name__}")

    def _timed_out(self, hook: Hook, cause: BaseException | None = None) -> PolicyError:
        self.telemetry.timed_out(hook)
        detail = f"{self._name}.{hook} took longer than {self._timeout:g} s"
        return _caused(PolicyTimeout("A policy of the gateway took too long.", detail=detail), cause)

    def _failed(self, hook: Hook, what: str, cause: BaseException | None = None) -> PolicyError:
        self.telemetry.failed(hook)
        return _caused(PolicyFailed("A policy of the gateway failed.", detail=f"{self._name}.{hook}{what}"), cause)


def _caused(failure: PolicyError, cause: BaseException | None) -> PolicyError:
    failure.__cause__ = cause
    return failure
