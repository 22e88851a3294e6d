"""A transaction's way through the policies: its request, then a whole response, or a stream through both stages."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

from msgspec.structs import replace

from app.bodies import Bodies
from app.dialects.inputs import unreadable
from app.dialects.passthrough import StreamFormatter
from app.errors import UpstreamFailed, cause_of
from app.limits import Limit
from app.messages import ModelResponse, Received, Request, count_of, received_size
from app.opened_stream import OpenedStream
from app.pipeline.admission import Admission, AdmissionControl
from app.pipeline.client_formatter import ClientFormatter
from app.pipeline.executor import PolicyExecutor
from app.pipeline.policies.hook_call import HookCall
from app.pipeline.policies.other_texts import blocked
from app.pipeline.policies.whole import edited
from app.pipeline.queues import ByteBudget, StageQueue
from app.pipeline.sender import Client, Sender
from app.policies import LoadedPolicy, PolicyContext
from app.settings import PipelineSettings
from app.text_fields import TextMap
from telemetry import ObservabilityContext

T = TypeVar("T")
QueueName = Literal["policy_out", "sse"]

_OVERFLOW_ORDER = 0.1
"""Seconds. The policy_out queue is full only when the sse queue behind it is, which has then waited longer: it is the
one to overflow, and to be counted, not both in one turn of the event loop."""
_UNREADABLE = "The provider refused the request, in words that no policy can read."
"""In place of a provider's message that was left out."""


class PolicyOrchestrator:
    """One per process; everything it works with is handed in."""

    def __init__(
        self,
        policies: Sequence[LoadedPolicy],
        executor: PolicyExecutor,
        admission: AdmissionControl,
        budget: ByteBudget,
        settings: PipelineSettings,
    ) -> None:
        self._policies = policies
        self._executor = executor
        self._admission = admission
        self._budget = budget
        self._settings = settings

    async def process_request(self, request: Request, policy_ctx: PolicyContext, obs: ObservabilityContext) -> Request:
        """Call every policy's `on_request`, and give back the request as they leave it: the same object if none of them
        changed it. It is the context's request from then on."""
        given = request
        changed_by: list[str] = []
        for loaded in self._policies:
            if "on_request" in loaded.hooks:
                before = request
                request = await self._call(loaded, obs).whole("on_request", request, policy_ctx)
                request = await self._opaque_data(loaded, request, policy_ctx.bodies, obs)
                if request is not before:
                    changed_by.append(loaded.name)
        if obs.tape is not None:
            obs.tape.permit(request, changed_by)
        # Whose it is, no policy changes.
        if request is not given:
            request = replace(request, caller=given.caller, priority=given.priority)
        policy_ctx.request = request
        return policy_ctx.request

    async def _opaque_data(
        self, loaded: LoadedPolicy, request: Request, bodies: Bodies, obs: ObservabilityContext
    ) -> Request:
        """Count data that the policy cannot read as skipped, leave it out, or refuse the request, as it demands."""
        wanted = loaded.policy.opaque
        if wanted is None:
            if hidden := unreadable(request):
                obs.policy(loaded.name).skipped("content", hidden)
            return request
        texts = TextMap(str, drop_opaque=wanted == "drop")
        request = await bodies.work(request.size, request.mapped, texts)
        if texts.opaque and wanted == "refuse":
            raise blocked(texts.opaque)
        for kind, count in texts.opaque.items() if wanted == "pass" else ():
            obs.policy(loaded.name).skipped(kind, count)
        if texts.opaque and wanted == "drop":
            obs.policy(loaded.name).decided("on_request", "dropped")
        return request

    async def process_full_response(
        self, received: Received, policy_ctx: PolicyContext, obs: ObservabilityContext
    ) -> Received:
        """Call each policy's `on_response`, or else its streaming hooks with the whole response as one chunk."""
        for loaded in self._policies:
            if "on_response" in loaded.hooks:
                call = self._call(loaded, obs)
                answer = await call.whole("on_response", received.chunk, policy_ctx)
                size = received_size(received)
                received = await policy_ctx.bodies.work(size, edited, received, answer, None, all_read=False)
            elif loaded.streaming_hooks:
                received = await self._executor.run_whole(loaded, received, policy_ctx, obs)
        return received

    async def read_error(self, error: UpstreamFailed, policy_ctx: PolicyContext, obs: ObservabilityContext) -> None:
        """Show a provider's error to the policies, which may change it before the client reads it."""
        body: dict[str, Any] = {"message": error.message, "param": error.param, "code": error.code}
        if error.body is not None:
            body["body"] = error.body.payload
        for loaded in self._policies:
            if "on_other_text" in loaded.hooks:
                read = Received(ModelResponse(extra=body))
                body = (await self._executor.run_whole(loaded, read, policy_ctx, obs)).chunk.extra
        # What is opaque data was left out, if the policy demands it.
        error.message = str(body.get("message", _UNREADABLE))
        error.param, error.code = (
            text if isinstance(text := body.get(name), str) else None for name in ("param", "code")
        )
        if error.body is not None and body.get("body") != error.body.payload:
            error.body = None

    def admit(self, caller: str, obs: ObservabilityContext) -> Admission:
        """Let one stream in; to be asked before a provider is. Raises BreakerOpen where a queue's breaker is open."""
        return self._admission.admit(obs, caller)

    async def process_streaming_response(
        self,
        opened: OpenedStream,
        formatter: StreamFormatter,
        client: Client,
        admission: Admission,
        policy_ctx: PolicyContext,
        obs: ObservabilityContext,
    ) -> None:
        """Run both stages and the sender until the last byte is sent. Raises the error that ended the stream."""
        put_timeout = self._settings.put_timeout
        policy_out = self._queue("policy_out", received_size, count_of, put_timeout + _OVERFLOW_ORDER, obs)
        sse: StageQueue[bytes] = self._queue("sse", len, None, put_timeout, obs)
        try:
            async with asyncio.TaskGroup() as tasks:
                sender = Sender(client, sse, tasks)
                client_formatter = ClientFormatter(policy_out, sse, formatter, tasks, obs)
                await self._executor.process(opened, policy_out, policy_ctx, obs)
                await client_formatter.finish()
                await sender.finish()
        except ExceptionGroup as group:
            raise cause_of(group) from group
        finally:
            for queue in (policy_out, sse):
                queue.discard()
                obs.queues.close(queue.stats)
                if queue.stats.overflows:
                    admission.overflowed.append(queue.stats.name)

    def _call(self, loaded: LoadedPolicy, obs: ObservabilityContext) -> HookCall:
        return HookCall(loaded, Limit(0), self._settings.policy_timeout, obs)

    def _queue(
        self,
        name: QueueName,
        size_of: Callable[[T], int],
        count_of: Callable[[T], int] | None,
        put_timeout: float,
        obs: ObservabilityContext,
    ) -> StageQueue[T]:
        settings = self._settings
        return StageQueue(
            obs.queues.open(name, settings.queue_items, settings.queue_bytes),
            size_of=size_of,
            count_of=count_of,
            put_timeout=put_timeout,
            budget=self._budget,
            ledger=obs.ledger,
        )
