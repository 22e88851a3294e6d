"""The policies' way through a transaction: request, then either a whole response or a stream through the two stages."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Literal, TypeVar

from msgspec.structs import replace

from app.dialects.formatter import Formatter
from app.dialects.inputs import unreadable
from app.errors import GatewayError, PolicyError, PolicyFailed, PolicyTimeout, cause_of
from app.limits import Limit
from app.messages import Batch, ModelResponse, Request, text_size
from app.pipeline.admission import PipelineBreakers
from app.pipeline.client_formatter import ClientFormatter
from app.pipeline.executor import PolicyExecutor
from app.pipeline.queues import ByteBudget, StageQueue
from app.pipeline.sender import Client, Sender
from app.pipeline.whole import as_chunk, from_chunks
from app.policies.context import PolicyContext
from app.policies.loading import LoadedPolicy
from app.settings import PipelineSettings
from telemetry.context import ObservabilityContext

T = TypeVar("T")
QueueName = Literal["policy_out", "sse"]

_FAILED = "A policy of the gateway failed."
_OVERFLOW_ORDER = 0.1
"""Seconds. The policy_out queue is full only when the sse queue behind it is, which has then waited longer: it is the
one to overflow, and to be counted, not both in one turn of the event loop."""


class PolicyOrchestrator:
    """One per process; everything it works with is handed in."""

    def __init__(
        self,
        policies: Sequence[LoadedPolicy],
        executor: PolicyExecutor,
        client_formatter: ClientFormatter,
        breakers: PipelineBreakers,
        budget: ByteBudget,
        settings: PipelineSettings,
    ) -> None:
        self._policies = policies
        self._executor = executor
        self._client_formatter = client_formatter
        self._breakers = breakers
        self._budget = budget
        self._settings = settings

    async def process_request(self, request: Request, policy_ctx: PolicyContext, obs: ObservabilityContext) -> Request:
        """The request as the policies leave it; the same object if none of them changed it."""
        given = request
        for loaded in self._policies:
            if "on_request" in loaded.hooks:
                request = await self._guarded(loaded, "on_request", request, policy_ctx, obs)
                if hidden := unreadable(request):
                    obs.policy_skipped(loaded.name, "content", hidden)
        # The client's own bytes hold only for the very request that they came with.
        return request if request is given or request.raw is None else replace(request, raw=None)

    def passing_by(self, obs: ObservabilityContext) -> "PolicyOrchestrator":
        """For a response that goes to its client as it is kept: without policies, those that look at responses being
        counted as skipped; all else is the same."""
        for loaded in self._policies:
            if "on_response" in loaded.hooks or loaded.streaming_hooks:
                obs.policy_skipped(loaded.name, "content", 1)
        executor = PolicyExecutor((), self._settings)
        return PolicyOrchestrator((), executor, self._client_formatter, self._breakers, self._budget, self._settings)

    async def process_full_response(
        self, response: ModelResponse, policy_ctx: PolicyContext, obs: ObservabilityContext
    ) -> ModelResponse:
        """`on_response` where a policy has it, else its block hooks over the whole response as one chunk."""
        for loaded in self._policies:
            if "on_response" in loaded.hooks:
                answer = await self._guarded(loaded, "on_response", response, policy_ctx, obs)
                # The provider's own bytes hold only for the very response that it sent.
                response = answer if answer is response else replace(answer, native=None)
            elif loaded.streaming_hooks:
                emitted = await self._executor.run_whole(loaded, as_chunk(response), policy_ctx, obs)
                response = from_chunks(emitted, response)
        return response

    async def process_streaming_response(
        self,
        backend_stream: AsyncGenerator[Batch, None],
        formatter: Formatter,
        client: Client,
        policy_ctx: PolicyContext,
        obs: ObservabilityContext,
    ) -> None:
        """Both stages and the sender, until the last byte is sent. Raises the error that ended the stream, if any."""
        policy_out = self._queue("policy_out", text_size, self._settings.put_timeout + _OVERFLOW_ORDER, obs)
        sse: StageQueue[bytes] = self._queue("sse", len, self._settings.put_timeout, obs)
        admission = self._breakers.admit(obs)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._executor.process(backend_stream, policy_out, policy_ctx, obs))
                tasks.create_task(self._client_formatter.process(policy_out, sse, formatter, obs))
                tasks.create_task(Sender(client, sse).process())
        except ExceptionGroup as group:
            raise cause_of(group) from group
        finally:
            for queue in (policy_out, sse):
                queue.discard()
                obs.queue_closed(queue.stats)
            admission.close([stats.name for stats in (policy_out.stats, sse.stats) if stats.overflows])

    def _queue(
        self, name: QueueName, size_of: Callable[[T], int], put_timeout: float, obs: ObservabilityContext
    ) -> StageQueue[T]:
        settings = self._settings
        return StageQueue(
            obs.queue(name, settings.queue_items, settings.queue_bytes),
            size_of=size_of,
            put_timeout=put_timeout,
            budget=self._budget,
            ledger=obs.ledger,
        )

    async def _guarded(
        self, loaded: LoadedPolicy, hook: str, value: T, policy_ctx: PolicyContext, obs: ObservabilityContext
    ) -> T:
        """One call of a hook that looks at a whole; `value` itself when it failed and its policy steps aside."""
        result = await self._called(loaded, hook, value, policy_ctx, obs)
        if not isinstance(result, PolicyError):
            return result
        if loaded.on_error == "fail_closed":
            raise result
        obs.policy_decision(loaded.name, hook, "failed_open")
        obs.policy_skipped(loaded.name, "content", 1)
        return value

    async def _called(
        self, loaded: LoadedPolicy, hook: str, value: T, policy_ctx: PolicyContext, obs: ObservabilityContext
    ) -> T | PolicyError:
        """What the hook made of `value`, or in which way it failed."""
        where = f"{loaded.name}.{hook}"
        result: object = None
        limit = Limit(self._settings.policy_timeout)
        try:
            with obs.hook(loaded.name, hook), limit:
                result = await getattr(loaded.policy, hook)(value, policy_ctx)
        except GatewayError:
            raise
        except Exception as error:
            if not limit.expired:
                obs.policy_failed(loaded.name, hook)
                failure = PolicyFailed(_FAILED, detail=f"{where}: {error!r}")
                failure.__cause__ = error
                return failure
        # Blocking code leaves the timer no turn, and a hook may swallow its own cancellation.
        if limit.expired or limit.overrun:
            obs.policy_timeout(loaded.name, hook)
            return PolicyTimeout("A policy of the gateway took too long.", detail=where)
        if isinstance(result, type(value)):
            return result
        obs.policy_failed(loaded.name, hook)
        return PolicyFailed(_FAILED, detail=f"{where} returned {type(result).__name__}")
