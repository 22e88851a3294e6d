"""The second stage: chunks from the policy_out queue, through the dialect's formatter, as bytes into the sse queue.

The formatter itself is pure and lives with its dialect. All chunks that wait are formatted in one turn and leave as one
item. A stream that failed leaves here without its closing events: whoever sends the bytes renders the error.
"""

from collections.abc import Sequence

from app.dialects.formatter import Formatter
from app.errors import GatewayError, QueueOverflow
from app.messages import ModelResponse
from app.pipeline.queues import StageQueue
from telemetry.context import ObservabilityContext


class ClientFormatter:
    """Runs a formatter between the two queues."""

    async def process(
        self,
        input_queue: StageQueue[ModelResponse],
        output_queue: StageQueue[bytes],
        formatter: Formatter,
        obs: ObservabilityContext,
    ) -> None:
        """Raises QueueOverflow: the sender is stuck then, and would not look at the queue to learn of it."""
        with obs.stage("client_formatter"):
            stage = _Formatting(output_queue, formatter, obs)
            try:
                await input_queue.drain_into(stage)
            except QueueOverflow:
                raise
            except GatewayError as error:
                output_queue.fail(error)
            else:
                await stage.finish()
                output_queue.close()


class _Formatting:
    """The stage of one stream."""

    __slots__ = ("_chunk_out", "_finish", "_format", "_ledger", "_left", "_output")

    def __init__(self, output: StageQueue[bytes], formatter: Formatter, obs: ObservabilityContext) -> None:
        self._output = output
        self._format = formatter.format
        self._finish = formatter.finish
        self._ledger = obs.ledger
        self._chunk_out = obs.recorder.chunk_out
        self._left = b""

    def take(self, items: Sequence[ModelResponse]) -> bool:
        self._chunk_out(*items)
        # When nothing else is active, the time is this stage's anyway.
        by_itself = len(items) == 1 and not self._ledger.active
        data = self._format(items[0]) if by_itself else self._formatted(items)
        if not data or self._output.offer(data):
            return True
        self._left = data
        return False

    async def settle(self) -> None:
        await self._output.put(self._left)
        self._left = b""

    async def finish(self) -> None:
        if data := self._finish():
            await self._output.put(data)

    def _formatted(self, chunks: Sequence[ModelResponse]) -> bytes:
        self._ledger.enter("format")
        try:
            return b"".join(map(self._format, chunks))
        finally:
            self._ledger.leave("format")
