"""The second stage: chunks from the policy_out queue, through the dialect's formatter, as bytes into the sse queue.

The formatter itself is pure and lives with its dialect. All chunks that wait are formatted in one turn and leave as one
item. A stream that failed leaves here without its closing events: whoever sends the bytes renders the error.
"""

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
            await self._run(input_queue, output_queue, formatter, obs)

    async def _run(
        self,
        input_queue: StageQueue[ModelResponse],
        output_queue: StageQueue[bytes],
        formatter: Formatter,
        obs: ObservabilityContext,
    ) -> None:
        try:
            while batch := await input_queue.get_batch():
                await _put(_format(batch, formatter, obs), output_queue)
        except QueueOverflow:
            raise
        except GatewayError as error:
            output_queue.fail(error)
        else:
            await _put(formatter.finish(), output_queue)
            output_queue.close()


async def _put(data: bytes, output_queue: StageQueue[bytes]) -> None:
    if data:
        await output_queue.put(data)


def _format(batch: list[ModelResponse], formatter: Formatter, obs: ObservabilityContext) -> bytes:
    obs.ledger.enter("format")
    try:
        pieces = []
        for chunk in batch:
            obs.recorder.chunk_out(chunk)
            pieces.append(formatter.format(chunk))
        return b"".join(pieces)
    finally:
        obs.ledger.leave("format")
