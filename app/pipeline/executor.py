"""The first stage: what the provider sends goes through every policy into the policy_out queue.

Waiting for the provider and waiting in a hook have separate limits and separate outcomes. However the stream ends, so
does the queue: closed after the provider's last event and the policies' last chunks, else failed with the error.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from math import inf
from time import monotonic

from app.errors import GatewayError, InternalError, UpstreamTimeout
from app.limits import Limit
from app.messages import Batch, ModelResponse, Received, as_chunk, count_of, received_size
from app.opened_stream import OpenedStream
from app.pipeline.policies.hook_context import Downstream
from app.pipeline.policies.link import PolicyLink
from app.pipeline.policies.other_texts import event_of
from app.pipeline.policies.whole import after_hooks
from app.pipeline.queues import StageQueue
from app.policies import LoadedPolicy, PolicyContext
from app.settings import PipelineSettings
from app.stages import Source
from app.time_slices import TimeSlices
from telemetry import ObservabilityContext
from telemetry.exceptions import summary_of

Put = Callable[..., Awaitable[None]]
"""Takes the chunks that are to go on, any number of them."""
_CLOSE_TIMEOUT = 1.0
"""Seconds to wait until a provider's stream is closed."""
_closing: set[asyncio.Task[None]] = set()
"""Streams that are being closed: the event loop itself keeps only weak references to tasks."""


class PolicyExecutor:
    """Runs the chain of policies. A policy without streaming hooks is no link of it and costs nothing."""

    def __init__(self, policies: Sequence[LoadedPolicy], settings: PipelineSettings) -> None:
        self._policies = tuple(policy for policy in policies if policy.streaming_hooks)
        self._settings = settings
        self._slices = TimeSlices()

    async def process(
        self,
        opened: OpenedStream,
        output_queue: StageQueue[Received],
        policy_ctx: PolicyContext,
        obs: ObservabilityContext,
    ) -> None:
        """Feed a stream to its end through the policies, then close it. What ended it is in the queue, not raised."""
        was_read_out = False
        with obs.stage("policy_executor") as stage:
            try:
                await self._run(opened, output_queue, policy_ctx, obs)
                was_read_out = True
                output_queue.close()
            except GatewayError as error:
                stage.failed(error)
                output_queue.fail(error)
            except Exception as error:
                stage.failed(error)
                obs.log("error", "the policy executor failed", error=error)
                output_queue.fail(InternalError(detail=summary_of(error)))
            finally:
                if not was_read_out:
                    await _close(opened.rest)

    async def run_whole(
        self, loaded: LoadedPolicy, received: Received, policy_ctx: PolicyContext, obs: ObservabilityContext
    ) -> Received:
        """Feed a whole response, as one chunk, to the streaming hooks of one policy.

        Returns `received` itself if the policy changed nothing; else the new response, its body edited to match.
        """
        native = received.native
        is_clients_dialect = native is not None and native.dialect == policy_ctx.request.dialect
        given = received if is_clients_dialect else Received(received.chunk)
        whole = Received(as_chunk(given.chunk), given.native)
        emitted: list[ModelResponse] = []

        async def collect(piece: Received) -> None:
            emitted.append(piece.chunk)

        # Whatever grows with the answer is done beside the event loop where that is large.
        work, size = policy_ctx.bodies.work, received_size(received)
        reads = "on_other_text" in loaded.hooks
        body = await work(size, event_of, given.native) if reads else None
        link = PolicyLink(loaded, policy_ctx, collect, Limit(0), self._settings, self._slices, obs)
        try:
            read = await link.look_at_whole(whole, body, size)
            for one in read:
                await link.feed(one, True)
            await link.finish()
        finally:
            link.close()
        answer = await work(size, after_hooks, given, whole, read, emitted, loaded, body)
        return received if answer is given else answer

    async def _run(
        self,
        opened: OpenedStream,
        queue: StageQueue[Received],
        policy_ctx: PolicyContext,
        obs: ObservabilityContext,
    ) -> None:
        # Entered once for the stream; each chunk puts its end off.
        idle_limit = Limit(0)
        put = _putting(queue, idle_limit, obs)
        links = self._chain(put, idle_limit, policy_ctx, obs)
        feed = _feeding(links[0], queue) if links else put
        stage = _Executing(queue, feed, bool(links), idle_limit, self._settings.upstream_idle_timeout, obs)
        try:
            with idle_limit:
                await stage.run(opened)
                for link in links:
                    await link.finish()
        except TimeoutError as error:
            if not idle_limit.expired:
                raise
            seconds = self._settings.upstream_idle_timeout
            raise UpstreamTimeout(f"The model sent nothing for {seconds:g} s.", detail="upstream idle") from error
        finally:
            for link in links:
                link.close()

    def _chain(
        self, sink: Downstream, limit: Limit, policy_ctx: PolicyContext, obs: ObservabilityContext
    ) -> list[PolicyLink]:
        """One link for each policy in the order of the configuration, each emitting to the next, the last to `sink`."""
        links: list[PolicyLink] = []
        downstream = sink
        for policy in reversed(self._policies):
            links.append(PolicyLink(policy, policy_ctx, downstream, limit, self._settings, self._slices, obs))
            downstream = links[-1].feed
        return links[::-1]


class _Executing:
    """The stage of one stream. Without policies it puts what comes into the queue in the turn in which it comes; what
    they are to look at, and what there is no room for, is for the executor's task. Only the wait for what comes next is
    the upstream's time, and bounded by the idle limit."""

    __slots__ = ("_chunk_in", "_feed", "_idle_timeout", "_ledger", "_left", "_limit", "_looked_at", "_offer")

    def __init__(
        self,
        queue: StageQueue[Received],
        feed: Put,
        looked_at: bool,
        limit: Limit,
        idle_timeout: float,
        obs: ObservabilityContext,
    ) -> None:
        self._offer = queue.offer
        self._feed = feed
        self._looked_at = looked_at
        self._limit = limit
        self._idle_timeout = idle_timeout or inf
        self._ledger = obs.ledger
        self._chunk_in = obs.recorder.chunk_in
        self._left: Batch = ()

    async def run(self, opened: OpenedStream) -> None:
        """Work up to the stream's end."""
        self._left = opened.take_first()
        self._chunk_in(sum(map(count_of, self._left)))
        await self.flush()
        try:
            while await opened.rest.pass_to(self):
                await self.flush()
        finally:
            self._limit.pause()
            self._ledger.leave("upstream")

    def take(self, batch: Batch) -> bool:
        ledger = self._ledger
        ledger.leave("upstream", self._chunk_in(sum(map(count_of, batch))))
        if self._looked_at or not self._offer(*batch):
            self._limit.pause()
            self._left = tuple(batch)
            return False
        ledger.enter("upstream")
        # It is in force, and may be put off in place.
        self._limit.due = monotonic() + self._idle_timeout
        return True

    async def flush(self) -> None:
        left, self._left = self._left, ()
        await self._feed(*left)
        self._ledger.enter("upstream")
        self._limit.restart(self._idle_timeout)


def _putting(queue: StageQueue[Received], limit: Limit, obs: ObservabilityContext) -> Put:
    """A function that puts chunks into the queue. What it waits there for the client is no policy's time."""

    async def put(*chunks: Received) -> None:
        if queue.offer(*chunks):
            return
        limit.in_force.pause()
        try:
            with obs.ledger.lifted("policy"):
                await queue.put(*chunks)
        finally:
            limit.in_force.restart()

    return put


def _feeding(link: PolicyLink, queue: StageQueue[Received]) -> Put:
    """A function that feeds chunks to the policies one by one, those of a run, too. What they emit in one call of it
    goes on together."""

    async def feed(*batch: Received) -> None:
        if len(batch) == 1 and batch[0].count == 1:
            await link.feed(batch[0])
            return
        chunks = [one for received in batch for one in received.apart()]
        queue.cork()
        try:
            for chunk in chunks:
                await link.feed(chunk)
        finally:
            queue.uncork()

    return feed


async def _close(stream: Source[Received]) -> None:
    """Close a provider's stream, in a task that outlives a cancellation of this one. A stream that is not closed within
    the timeout is left to that task."""
    closing = asyncio.create_task(_aclose(stream))
    _closing.add(closing)
    closing.add_done_callback(_closing.discard)
    await asyncio.wait({closing}, timeout=_CLOSE_TIMEOUT)


async def _aclose(stream: Source[Received]) -> None:
    with suppress(Exception):
        await stream.aclose()
