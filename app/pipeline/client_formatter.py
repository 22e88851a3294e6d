"""The second stage: chunks from the policy_out queue, through the dialect's formatter, as bytes into the sse queue.

The formatter itself is pure and lives with its dialect. All chunks that wait are formatted in one turn and leave as one
item. A stream that failed leaves here without its closing events: whoever sends the bytes renders the error.
"""

import asyncio
from collections.abc import Sequence

from app.dialects.passthrough import StreamFormatter
from app.errors import GatewayError, QueueOverflow
from app.messages import Received, count_of
from app.pipeline.queue_stage import QueueStage
from app.pipeline.queues import StageQueue
from telemetry import ObservabilityContext


class ClientFormatter(QueueStage[Received]):
    """Formats until the input is closed and emptied, and ends the output as the input ended. It raises QueueOverflow
    itself: the sender is stuck then, and would not read the queue to learn of it."""

    def __init__(
        self,
        input: StageQueue[Received],
        output: StageQueue[bytes],
        formatter: StreamFormatter,
        tasks: asyncio.TaskGroup,
        obs: ObservabilityContext,
    ) -> None:
        self._output = output
        self._format = formatter.format
        self._end = formatter.finish
        self._ledger = obs.ledger
        self._recorder = obs.recorder
        self._left = b""
        self._span = obs.stage("client_formatter")
        super().__init__(input, tasks)

    def take(self, items: Sequence[Received]) -> bool:
        count = sum(map(count_of, items))
        if self._recorder.reads:
            self._recorder.chunk_out(*[item.chunk for item in items], count=count)
        else:
            self._recorder.chunks_out += count
        # When nothing else is active, the time is this stage's anyway.
        by_itself = len(items) == 1 and not self._ledger.active
        data = self._format(items[0]) if by_itself else self._formatted(items)
        if not data or self._output.offer(data):
            return True
        self._left = data
        return False

    async def flush(self) -> None:
        if self._left:
            await self._output.put(self._left)
            self._left = b""

    async def _work(self) -> None:
        with self._span:
            try:
                await self._input.drain_into(self)
            except QueueOverflow:
                raise
            except GatewayError as error:
                self._output.fail(error)
            else:
                if data := self._end():
                    await self._output.put(data)
                self._output.close()

    def _formatted(self, chunks: Sequence[Received]) -> bytes:
        self._ledger.enter("format")
        try:
            return b"".join(map(self._format, chunks))
        finally:
            self._ledger.leave("format")
