"""One attempt on one deployment: its permit, its span, its tokens, and the limit on its first byte.

However it ends (well, by an error, or because nobody listens any more), breaker and telemetry are told exactly once. A
provider that refused the request, or that it never reached, has used no tokens; any other attempt has some. A
timeout during which the event loop stood still is a `LocalFailure`: the gateway was late, not the provider.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from types import TracebackType
from typing import Protocol

from app.admission import Admission, Slot
from app.backends.usage import AnswerUsage, characters_beside_content
from app.breakers.breaker import Denied
from app.breakers.deployments import AttemptPermit, DeploymentBreakers
from app.breakers.reporting import report
from app.dialects.tool_calls import are_none, parsed_object
from app.errors import (
    BackendError,
    GatewayError,
    LocalFailure,
    UpstreamFailed,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from app.limits import EXPIRED, Limit
from app.loop_stalls import LoopStalls
from app.messages import ModelResponse, Received, Request, ToolCall, text_size
from app.settings import AdmissionSettings, Deployment, UpstreamBreakerSettings
from app.stages import Source
from telemetry import Attempt, ObservabilityContext, Tokens
from telemetry.names import BreakerState, RejectionReason
from telemetry.prompt_cache import as_if_read
from telemetry.transaction.prompt_cache import AttemptCache

_STALLED_SHARE = 0.1
"""The share of an attempt's time from which on its timeout is the event loop's fault."""
OUTPACED = "another attempt was faster"
"""The message of the cancellation of an attempt whose answer nobody needs any more."""
_ARGUMENTS_LIMIT = 1 << 20
"""Characters of one response's calls; of one that has more nothing is counted."""


class Backend(Protocol):
    """How one deployment is asked. Errors are leaves of `BackendError`; a stream that ends without its terminal event
    raises `UpstreamTruncated`. Made once per deployment, used by many requests at a time."""

    def stream(self, request: Request, attempt: Attempt) -> Source[Received]:
        """Ask for a stream; closing it closes the connection to the provider."""

    async def complete(self, request: Request, attempt: Attempt) -> Received:
        """Ask for a response that is not streamed."""

    async def count_tokens(self, request: Request) -> int:
        """How many tokens the request has, by the provider or by an estimate."""

    async def aclose(self) -> None:
        """Close all connections."""


class AttemptControl:
    """Whether a deployment may be asked: its breakers, its slots, the clock they go by, and what of it the event loop
    missed.

    `by_caller`: each caller, known by its key, has breakers of its own, too.
    """

    def __init__(
        self,
        settings: UpstreamBreakerSettings,
        clock: Callable[[], float] = time.monotonic,
        *,
        by_caller: bool = False,
        stalls: LoopStalls | None = None,
        breakers: DeploymentBreakers | None = None,
        admission: Admission | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """`breakers` take the place of those that would be made of the settings. `draw` gives numbers in 0..1, by which
        cooldowns are longer or shorter."""
        self._draw = draw
        self.in_flight: Counter[str] = Counter()
        """Attempts under way, by the id of the deployment."""
        self.admission = admission or Admission(AdmissionSettings(), (), clock=clock)
        self.breakers = breakers or DeploymentBreakers(settings, by_caller)
        self._clock = clock
        self._stalls = stalls or LoopStalls(clock)

    def use(self, settings: UpstreamBreakerSettings, by_caller: bool, stays: Collection[str]) -> None:
        """Go by these settings from now on. Breakers of deployments that stay, by their ids, keep their states; those
        of others are forgotten."""
        self.breakers.use(settings, by_caller, stays)

    def states(self) -> dict[str, BreakerState]:
        """The state of each deployment's breaker now, by the deployment's id."""
        return self.breakers.states(self._clock())

    def refusal(self, deployment: Deployment, caller: str = "") -> RejectionReason | None:
        """Why a caller would be turned away, if it would. Asking takes no permit."""
        return self.breakers.refusal(deployment.id, self._clock(), caller)

    def retry_after(self, deployments: Iterable[Deployment], caller: str = "") -> float:
        """Seconds until the first of them may be tried again."""
        return self.breakers.retry_after((one.id for one in deployments), self._clock(), caller)

    def admit(
        self, deployment: Deployment, obs: ObservabilityContext, caller: str = "", stream: bool = False
    ) -> AttemptPermit | Denied:
        """Take a permit for one attempt; `record` gives it back."""
        permit, changes = self.breakers.allow(deployment.id, self._clock(), caller, stream)
        if changes:
            report(changes, obs)
        if not isinstance(permit, Denied):
            self.in_flight[deployment.id] += 1
        return permit

    def answered(self, permit: AttemptPermit, obs: ObservabilityContext) -> None:
        """The attempt's response has begun."""
        if changes := self.breakers.answered(permit, self._clock(), self._draw()):
            report(changes, obs)

    def record(
        self, permit: AttemptPermit, error: BaseException | None, obs: ObservabilityContext
    ) -> BaseException | None:
        """Tell breakers and telemetry how the attempt ended. Returns the error that it is to end with, which is another
        one where the gateway itself was late."""
        self.in_flight[permit.deployment.name] -= 1
        now = self._clock()
        if error is None:
            changes = self.breakers.record(permit, None, now)
        else:
            stalled = self._stalls.seconds_since(permit.begun) > _STALLED_SHARE * (now - permit.begun)
            if isinstance(error, UpstreamTimeout) and stalled:
                error = LocalFailure("loop_lag", detail=f"the event loop stood still; {error.message}")
            changes = self.breakers.record(permit, error, now, stalled, self._draw())
            if isinstance(error, LocalFailure):
                obs.attempts.local_failure(error.kind, error.detail)
        if changes:
            report(changes, obs)
        return error


class ToolCallChecks:
    """The arguments of the calls in one response, to count at its end how many are no JSON object.

    They are passed on all the same: what a model wrote is the client's to judge.
    """

    def __init__(self) -> None:
        self._pieces: dict[tuple[int, int], list[str]] = {}
        self._ids: dict[tuple[int, int], str] = {}
        self._ended: list[list[str]] = []
        self._size = 0

    def add(self, choice: int, calls: Sequence[ToolCall]) -> None:
        """Add the calls of a chunk, or of a whole response."""
        for call in calls:
            position = choice, call.index
            if call.id and self._ids.setdefault(position, call.id) != call.id:
                # Some providers number all of their calls 0.
                self._ids[position] = call.id
                self._ended.append(self._pieces.pop(position, []))
            if call.type == "function" and self._size <= _ARGUMENTS_LIMIT:
                self._pieces.setdefault(position, []).append(call.function.arguments)
                self._size += len(call.function.arguments)

    def invalid(self) -> int:
        """How many calls have arguments that are no object; none at all are an object without fields."""
        if self._size > _ARGUMENTS_LIMIT:
            return 0
        texts = map("".join, [*self._ended, *self._pieces.values()])
        return sum(not are_none(text) and parsed_object(text) is None for text in texts)


class GuardedAttempt:
    """One attempt, which `end` or the end of a `with` block ends. Call `received` with what comes; an end without an
    error is success. The control may put another error in the place of the one that ended it. `request` is None where
    nothing is generated, so that there are no tokens to count."""

    def __init__(
        self,
        attempt: Attempt,
        permit: AttemptPermit,
        control: AttemptControl,
        obs: ObservabilityContext,
        deployment: Deployment,
        request: Request | None = None,
        slot: Slot | None = None,
    ) -> None:
        self.attempt = attempt
        self._usage = None if request is None else AnswerUsage(request)
        self._deployment = deployment
        self._permit = permit
        self._control = control
        self._obs = obs
        self._slot = slot
        self._has_learnt = False
        self._limit: Limit | None = None
        self._seconds = 0.0
        self._last: ModelResponse | None = None
        self._is_unseen = False
        """Whether a tape gets the chunks, as nobody sees the provider's bytes."""
        self._finish_reasons: dict[int, str] = {}
        self._calls: ToolCallChecks | None = None

    def __enter__(self) -> "GuardedAttempt":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(error)

    def end(self, error: BaseException | None = None) -> None:
        """The attempt is over, and `error` ended it, if any. Raises the error that is put in its place."""
        cause = self._control.record(self._permit, None if error is None else self._cause(error), self._obs)
        attempt, last, usage = self.attempt, self._last, self._usage
        if last is not None:
            reasons = self._finish_reasons
            in_order = reasons if len(reasons) <= 1 else dict(sorted(reasons.items()))
            attempt.response(last.id, last.model, tuple(in_order.values()))
        tokens: Tokens | None = None
        if usage is not None and (cause is None or self._has_tokens(usage, cause)):
            tokens = usage.tokens()
            attempt.usage(tokens, usage.dollars(tokens, self._deployment))
            if attempt.prompt_cache is not None:
                self._compare_prompt(attempt.prompt_cache, usage, tokens)
        if cause is not None:
            self._fail(cause)
        elif self._calls is not None:
            attempt.invalid_calls(self._calls.invalid())
        attempt.end()
        if self._slot is not None:
            self._free(self._slot, tokens, cause)
        if cause is not None and cause is not error:
            raise cause from error

    def limited(self, seconds: float) -> Limit:
        """A `with` block inside this one, in which the provider is waited for: after so many seconds both end with
        UpstreamTimeout."""
        self._seconds = seconds
        self._limit = limit = Limit(seconds)
        return limit

    def received(self, *received: Received) -> None:
        """Chunks, or the whole response."""
        if self._last is None or self._is_unseen:
            self._note(received)
        self._last = received[-1].chunk
        usage, chars = self._usage, 0
        for one in received:
            response = one.chunk
            for choice in response.choices:
                if choice.finish_reason:
                    self._finish_reasons[choice.index] = choice.finish_reason
                message = choice.delta or choice.message
                if message is not None:
                    chars += len(message.content or "")
                    if message.reasoning_content or message.tool_calls or message.refusal:
                        chars += characters_beside_content(message)
                    if message.tool_calls:
                        self._calls = self._calls or ToolCallChecks()
                        self._calls.add(choice.index, message.tool_calls)
            if response.usage is not None and usage is not None:
                usage.chars += chars
                usage.count(response)
                chars = 0
        if usage is not None:
            usage.chars += chars

    def _cause(self, error: BaseException) -> BaseException:
        """What an error that came out of the block says of the attempt."""
        if isinstance(error, asyncio.CancelledError) and error.args == (EXPIRED,):
            # Nobody gave it up: the wait for its next chunk came to its limit.
            return UpstreamTimeout("The provider fell silent.", detail="upstream idle")
        if isinstance(error, TimeoutError) and self._limit is not None and self._limit.expired:
            return UpstreamTimeout(f"The provider did not answer within {round(self._seconds, 3):g} seconds.")
        return error

    def _note(self, received: Sequence[Received]) -> None:
        """Note that the response has begun; and what came, where nobody sees a provider's bytes, as a library reads."""
        if self._last is None:
            self._control.answered(self._permit, self._obs)
            self.attempt.first_chunk()
            if self._slot is not None and self.attempt.allowances:
                self._learn(self._slot)
        if (tape := self.attempt.tape) is not None and not tape.method:
            self._is_unseen = True
            for one in received:
                tape.chunk(one.chunk, text_size(one.chunk))

    def _learn(self, slot: Slot) -> None:
        """Have admission know what the provider said of its limits, once."""
        if not self._has_learnt:
            self._has_learnt = True
            self._control.admission.learn(slot, self.attempt.allowances)

    def _free(self, slot: Slot, tokens: Tokens | None, cause: BaseException | None) -> None:
        """Give the slot back, after what the next attempt has to know."""
        if self.attempt.allowances:
            self._learn(slot)
        if cause is not None and (seconds := self._pause_after(cause)):
            self._control.admission.pause(slot, seconds)
        slot.end(None if tokens is None else tokens.prompt + tokens.completion)

    def _pause_after(self, cause: BaseException) -> float:
        """Seconds for which the provider wants no further attempt. A caller's own account says nothing of that."""
        if not isinstance(cause, BackendError) or self._deployment.credentials == "client":
            return 0.0
        return cause.retry_after or 0.0 if cause.attempt_outcome == "rate_limited" else 0.0

    def _has_tokens(self, usage: AnswerUsage, cause: BaseException) -> bool:
        """Whether the provider worked on an answer that failed."""
        if usage.has_begun:
            return True
        return self.attempt.is_sent and not isinstance(cause, UpstreamFailed | UpstreamUnreachable)

    def _compare_prompt(self, cache: AttemptCache, usage: AnswerUsage, tokens: Tokens) -> None:
        """Tell of a miss of the provider's prompt cache, and what it cost, if it was one."""
        cache.answered(tokens)
        if (miss := cache.miss) is not None:
            paid = usage.listed_dollars(tokens, self._deployment)
            read = usage.listed_dollars(as_if_read(tokens, miss), self._deployment)
            cache.missed(None if paid is None or read is None else paid - read)

    def _fail(self, error: BaseException) -> None:
        match error:
            case GatewayError():
                status = error.upstream_status if isinstance(error, UpstreamFailed) else None
                outcome = error.attempt_outcome if isinstance(error, BackendError) else "error"
                self.attempt.fail(error.error_type, error.detail or error.message, status, outcome)
            case asyncio.CancelledError() if error.args == (OUTPACED,):
                self.attempt.fail("outpaced", outcome="outpaced")
            case asyncio.CancelledError() | GeneratorExit():
                self.attempt.fail("cancelled", outcome="cancelled")
            case _:
                self.attempt.fail("internal_error", type(error).__name__)
