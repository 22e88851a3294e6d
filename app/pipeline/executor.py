"""The first stage: the backend's stream in, through every policy, into the policy_out queue.

Waiting for the upstream and waiting in a hook have separate limits and separate outcomes. However the stream ends, the
queue is told: closed after the upstream's terminal event and the policies' last words, else failed with the error.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence

from app.errors import GatewayError, InternalError, UpstreamTimeout
from app.limits import Limit
from app.messages import Batch, ModelResponse
from app.pipeline.closing import close_stream
from app.pipeline.deadline import Deadline
from app.pipeline.hook_context import Emit
from app.pipeline.hooks import PolicyLink
from app.pipeline.queues import StageQueue
from app.policies.context import PolicyContext
from app.policies.loading import LoadedPolicy
from app.settings import PipelineSettings
from telemetry.context import ObservabilityContext

Put = Callable[..., Awaitable[None]]
"""Called with the chunks that are to go on."""


class PolicyExecutor:
    """Runs the chain of policies. A policy without streaming hooks is no part of it and costs nothing."""

    def __init__(self, policies: Sequence[LoadedPolicy], settings: PipelineSettings) -> None:
        self._policies = tuple(policy for policy in policies if policy.streaming_hooks)
        self._settings = settings

    async def process(
        self,
        input_stream: AsyncGenerator[Batch, None],
        output_queue: StageQueue[ModelResponse],
        policy_ctx: PolicyContext,
        obs: ObservabilityContext,
    ) -> None:
        deadline = Deadline()
        with obs.stage("policy_executor") as stage:
            try:
                await self._run(input_stream, output_queue, deadline, policy_ctx, obs)
                output_queue.close()
            except GatewayError as error:
                stage.failed(error)
                output_queue.fail(error)
            except Exception as error:
                stage.failed(error)
                obs.log("error", "the policy executor failed", error=error)
                output_queue.fail(InternalError(detail=repr(error)))
            finally:
                await close_stream(input_stream)

    async def run_whole(
        self, loaded: LoadedPolicy, chunk: ModelResponse, policy_ctx: PolicyContext, obs: ObservabilityContext
    ) -> list[ModelResponse]:
        """A whole response, given as one chunk, through the streaming hooks of one policy; what they emitted."""
        emitted: list[ModelResponse] = []

        async def collect(piece: ModelResponse) -> None:
            emitted.append(piece)

        deadline = Deadline()
        link = PolicyLink(loaded, policy_ctx, collect, deadline, self._settings, obs)
        try:
            await link.feed(chunk)
            await link.finish()
        finally:
            link.close()
        return emitted

    async def _run(
        self,
        stream: AsyncIterator[Batch],
        queue: StageQueue[ModelResponse],
        deadline: Deadline,
        policy_ctx: PolicyContext,
        obs: ObservabilityContext,
    ) -> None:
        put = _putting(queue, deadline, obs)
        links = self._chain(put, deadline, policy_ctx, obs)
        feed = _feeding(links[0], queue) if links else put
        # Entered once for the stream; per chunk it is only started and paused.
        patience = deadline.limit(0)
        try:
            with patience:
                await self._pump(stream, feed, patience, obs)
                for link in links:
                    await link.finish()
        except TimeoutError as error:
            if not patience.expired:
                raise
            seconds = self._settings.upstream_idle_timeout
            raise UpstreamTimeout(f"The model sent nothing for {seconds:g} s.", detail="upstream idle") from error
        finally:
            for link in links:
                link.close()

    async def _pump(self, stream: AsyncIterator[Batch], feed: Put, patience: Limit, obs: ObservabilityContext) -> None:
        """Only the wait for a chunk is the upstream's time. That for the first one is not bounded here: the router has
        its own, longer patience, as it may have to try several deployments."""
        ledger, chunk_in, idle_timeout = obs.ledger, obs.recorder.chunk_in, self._settings.upstream_idle_timeout
        ledger.enter("upstream")
        try:
            async for batch in stream:
                patience.pause()
                chunk_in(*batch)
                await feed(*batch)
                ledger.enter("upstream")
                patience.restart(idle_timeout)
        finally:
            patience.pause()
            ledger.leave("upstream")

    def _chain(
        self, sink: Emit, deadline: Deadline, policy_ctx: PolicyContext, obs: ObservabilityContext
    ) -> list[PolicyLink]:
        """The links in the order of the configuration, each emitting to the next, the last one to the sink."""
        links: list[PolicyLink] = []
        downstream = sink
        for policy in reversed(self._policies):
            links.append(PolicyLink(policy, policy_ctx, downstream, deadline, self._settings, obs))
            downstream = links[-1].feed
        return links[::-1]


def _putting(queue: StageQueue[ModelResponse], deadline: Deadline, obs: ObservabilityContext) -> Put:
    """Put into the queue; the time that this waits for the client is no policy's time."""

    async def put(*chunks: ModelResponse) -> None:
        if queue.offer(*chunks):
            return
        deadline.pause()
        try:
            with obs.ledger.lifted("policy"):
                await queue.put(*chunks)
        finally:
            deadline.keepalive()

    return put


def _feeding(link: PolicyLink, queue: StageQueue[ModelResponse]) -> Put:
    """Through the policies one by one; what comes out in one turn goes on together."""

    async def feed(*chunks: ModelResponse) -> None:
        if len(chunks) == 1:
            await link.feed(chunks[0])
            return
        queue.cork()
        try:
            for chunk in chunks:
                await link.feed(chunk)
        finally:
            queue.uncork()

    return feed
