"""What a library read of a provider, or a simulated provider made up, given again: chunks, without any bytes."""

from collections.abc import AsyncGenerator

import msgspec

from app.backends.replay.recorded_provider import Pace
from app.errors import UpstreamTruncated
from app.messages import Batch, ModelResponse, Received
from app.recorder.recording import Piece, RecordedAttempt

_chunk = msgspec.json.Decoder(ModelResponse)
_EVENT = b"data: "


async def recorded_chunks(attempt: RecordedAttempt, pace: Pace) -> AsyncGenerator[Batch, None]:
    """The chunks of a stream, at their times. Raises what the attempt failed with."""
    for piece in attempt.answer:
        await pace.until(piece.at)
        yield (Received(chunk_of(piece)),)
    await pace.end_of(attempt)
    if attempt.error_type == "upstream_truncated":
        raise UpstreamTruncated("The provider's stream stopped before its end.", detail=attempt.detail)


async def recorded_response(attempt: RecordedAttempt, pace: Pace) -> Received:
    """A whole response. Raises what the attempt failed with."""
    await pace.end_of(attempt)
    if not attempt.answer:
        raise UpstreamTruncated("The provider's stream stopped before its end.", detail=attempt.detail)
    return Received(chunk_of(attempt.answer[-1]))


def chunk_of(piece: Piece) -> ModelResponse:
    """A recorded chunk, or whole response, in the common form."""
    return _chunk.decode(piece.data.removeprefix(_EVENT))
