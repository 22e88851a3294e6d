"""The second stage: chunks from the policy_out queue, through the dialect's formatter, as bytes into the sse queue.

The formatter itself is pure and lives with its dialect. All chunks that wait are formatted in one turn and leave as one
item. A stream that failed leaves here without its closing events: whoever sends the bytes renders the error.
"""

from collections.abc import Coroutine, Sequence
from typing import Any

from app.dialects.passthrough import StreamFormatter
from app.errors import GatewayError, QueueOverflow
from app.messages import Received
from app.pipeline.queues import StageQueue
from telemetry import ObservabilityContext


class ClientFormatter:
    """Runs a formatter between the two queues."""

    def process(
        self,
        input_queue: StageQueue[Received],
        output_queue: StageQueue[bytes],
        formatter: StreamFormatter,
        obs: ObservabilityContext,
    ) -> Coroutine[Any, Any, None]:
        """Lend the stage to the input queue at once, for what comes before the coroutine has a turn. It formats
        until the input is closed and emptied, and ends the output as the input ended. It raises QueueOverflow itself:
        the sender is stuck then, and would not read the queue to learn of it."""
        stage = _Formatting(output_queue, formatter, obs)
        input_queue.lend(stage)
        return self._process(stage, input_queue, output_queue, obs)

    async def _process(
        self,
        stage: "_Formatting",
        input_queue: StageQueue[Received],
        output_queue: StageQueue[bytes],
        obs: ObservabilityContext,
    ) -> None:
        with obs.stage("client_formatter"):
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

    __slots__ = ("_finish", "_format", "_ledger", "_left", "_output", "_recorder")

    def __init__(self, output: StageQueue[bytes], formatter: StreamFormatter, obs: ObservabilityContext) -> None:
        self._output = output
        self._format = formatter.format
        self._finish = formatter.finish
        self._ledger = obs.ledger
        self._recorder = obs.recorder
        self._left = b""

    def take(self, items: Sequence[Received]) -> bool:
        if self._recorder.reads:
            self._recorder.chunk_out(*[item.chunk for item in items])
        else:
            self._recorder.chunks_out += len(items)
        # When nothing else is active, the time is this stage's anyway.
        by_itself = len(items) == 1 and not self._ledger.active
        data = self._format(items[0]) if by_itself else self._formatted(items)
        if not data or self._output.offer(data):
            return True
        self._left = data
        return False

    async def flush(self) -> None:
        await self._output.put(self._left)
        self._left = b""

    async def finish(self) -> None:
        if data := self._finish():
            await self._output.put(data)

    def _formatted(self, chunks: Sequence[Received]) -> bytes:
        self._ledger.enter("format")
        try:
            return b"".join(map(self._format, chunks))
        finally:
            self._ledger.leave("format")
