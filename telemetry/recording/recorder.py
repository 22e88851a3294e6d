"""What one transaction counts as it passes: chunk in, chunk out, bytes sent, the end.

Per chunk it counts and stamps, nothing else; content is collected only for those who opted in. The first pieces and
bytes give time to first token and the boundary events. Bounded; it never waits and never raises.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence

from telemetry.guard import Defects
from telemetry.names import Outcome
from telemetry.names.events import Event
from telemetry.names.metrics import CLIENT_PER_CHUNK
from telemetry.names.spans import Value
from telemetry.recording.chunks import Chunk, is_substantial
from telemetry.recording.content import Conversation
from telemetry.recording.ledger import TimeLedger
from telemetry.recording.timeline import Timeline

Emit = Callable[[str, Mapping[str, Value]], None]
_BOUNDS = CLIENT_PER_CHUNK.buckets


class TransactionRecorder:
    """Counts what passes through one transaction."""

    def __init__(self, timeline: Timeline, ledger: TimeLedger, emit: Emit, defects: Defects) -> None:
        self.chunks_in = 0
        self.chunks_out = 0
        """Chunks that the formatter took. Where `reads` is not set, they may be added here without a call."""
        self.reads = True
        """Whether it wants to see the chunks that go out: until one holds a piece of the answer, and all of them where
        content is captured."""
        self.content: Conversation | None = None
        """Takes what the policies let through of the answer; None where that is not captured."""
        self.bytes_out = 0
        self.ttft_s: float | None = None
        self.longest_silence_s = 0.0
        """Between two writes to the client, or its last one and the end; seconds."""
        self.first_chunk_overhead_s: float | None = None
        self.gaps: list[int] | None = None
        """How many times between chunks fell into each bucket of their histogram; None where there were none."""
        self._gaps_s = 0.0
        self.defects = defects
        self._now = timeline.now
        self._ledger = ledger
        self._emit = emit
        self._last_in: float | None = None
        self._last_out = 0.0
        self._substantial = False

    def chunk_in(self, count: int = 1) -> float:
        """Count the chunks that came from the upstream in one read. Returns when that was, in seconds of the clock."""
        now, last = self._now(), self._last_in
        self.chunks_in += count
        self._last_in = now
        if last is not None or count > 1:
            if self.gaps is None:
                self.gaps = [0] * (len(_BOUNDS) + 1)
            self.gaps[0] += count - 1
            if last is not None:
                self.gaps[bisect_left(_BOUNDS, now - last)] += 1
                self._gaps_s += now - last
        return now

    def chunk_out(self, *chunks: Chunk, count: int = 1) -> None:
        """Count the chunks that the formatter took in one turn; one of these may say what several did."""
        self.chunks_out += count
        if not self.reads:
            return
        try:
            for chunk in chunks:
                if not self._substantial:
                    self._substantial = is_substantial(chunk)
                if self.content is not None:
                    self.content.add(chunk)
            self.reads = self.content is not None or not self._substantial
        except Exception as error:
            self.defects.note("TransactionRecorder.chunk_out", error)

    def capture(self, content: Conversation) -> None:
        """Have `content` take what goes out from now on."""
        self.content = content
        self.reads = True

    def sent_bytes(self, count: int) -> None:
        now = self._now()
        if not self.bytes_out:
            self._emit(Event.CLIENT_FIRST_BYTE, {})
        elif now - self._last_out > self.longest_silence_s:
            self.longest_silence_s = now - self._last_out
        self._last_out = now
        self.bytes_out += count
        if self._substantial and self.ttft_s is None:
            self.ttft_s = now - self._ledger.opened_at
            self.first_chunk_overhead_s = self._ledger.overhead(now)

    def end(self, outcome: Outcome) -> None:
        if self.bytes_out:
            silence = self._now() - self._last_out
            if silence > self.longest_silence_s:
                self.longest_silence_s = silence
        left = outcome == "client_disconnect"
        self._emit(Event.CLIENT_DISCONNECTED if left else Event.RESPONSE_COMPLETED, {})

    def take_gaps(self) -> tuple[Sequence[int], float]:
        """The times between chunks since the last call: how many fell into each bucket of their histogram, and how many
        seconds they come to together."""
        gaps = self.gaps or (), self._gaps_s
        self.gaps, self._gaps_s = None, 0.0
        return gaps
