"""What one transaction counts as it passes: request received, request sent, chunk in, chunk out, bytes sent, the end.

Per chunk it counts and stamps, nothing else; content is collected only for those who opted in. The first pieces and
bytes give time to first token and the boundary events. Bounded; it never waits and never raises.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from telemetry.guard import Defects, guarded
from telemetry.names import Outcome
from telemetry.names.events import Event
from telemetry.names.spans import Value
from telemetry.recording.chunks import Chunk, is_substantial
from telemetry.recording.content import Conversation
from telemetry.recording.ledger import TimeLedger
from telemetry.recording.log_buckets import LogBuckets
from telemetry.recording.timeline import Timeline

_FEW = 64
Emit = Callable[[str, Mapping[str, Value]], None]


class TransactionRecorder:
    """Counts what passes through one transaction. `content` takes what the policies let through of the answer; it is
    None where that is not captured."""

    def __init__(self, timeline: Timeline, ledger: TimeLedger, emit: Emit, defects: Defects) -> None:
        self.chunks_in = 0
        self.chunks_out = 0
        self.bytes_out = 0
        self.ttft_s: float | None = None
        self.longest_silence_s = 0.0
        """Between two writes to the client, or its last one and the end; seconds."""
        self.first_chunk_overhead_s: float | None = None
        self._gaps: LogBuckets | None = None
        self._recent: list[float] = []
        self.content: Conversation | None = None
        self.defects = defects
        self._now = timeline.now
        self._ledger = ledger
        self._emit = emit
        self._last_in: float | None = None
        self._last_out = 0.0
        self._substantial = False

    def request_received(self) -> None:
        self._emit(Event.REQUEST_RECEIVED, {})

    def request_sent(self) -> None:
        """An attempt is about to be made."""
        self._last_in = None
        self._emit(Event.REQUEST_SENT, {})

    def chunk_in(self, *chunks: object) -> float:
        """Count the chunks that came from the upstream in one read. Returns when that was, in seconds of the clock."""
        count = len(chunks)
        self.chunks_in += count
        now = self._now()
        if self._last_in is not None:
            self._recent.append(now - self._last_in)
        self._last_in = now
        if count > 1 or len(self._recent) >= _FEW:
            self._put_away(count - 1)
        return now

    def chunk_out(self, *chunks: Chunk) -> None:
        """Count the chunks that the formatter took in one turn."""
        self.chunks_out += len(chunks)
        if not self._substantial:
            self._look(chunks)
        if self.content is not None:
            self._collect(self.content, chunks)

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
            self.first_chunk_overhead_s = self._ledger.overhead()

    def end(self, outcome: Outcome) -> None:
        if self.bytes_out:
            self.longest_silence_s = max(self.longest_silence_s, self._now() - self._last_out)
        left = outcome == "client_disconnect"
        self._emit(Event.CLIENT_DISCONNECTED if left else Event.RESPONSE_COMPLETED, {})

    def take_gaps(self) -> Sequence[tuple[float, int]]:
        """The times between chunks since the last call, in seconds, each with how many took about as long."""
        if not self._recent and self._gaps is None:
            return ()
        gaps, self._gaps = self._put_away(0), None
        return gaps.filled()

    def _put_away(self, at_once: int) -> LogBuckets:
        """Sort the gaps noted so far into their buckets, and `at_once` gaps of zero between the chunks of one read."""
        if (gaps := self._gaps) is None:
            gaps = self._gaps = LogBuckets()
        gaps.add_all(self._recent)
        gaps.add(0.0, at_once)
        self._recent.clear()
        return gaps

    def _look(self, chunks: Iterable[Chunk]) -> None:
        try:
            self._substantial = any(map(is_substantial, chunks))
        except Exception as error:
            self.defects.note("TransactionRecorder._look", error)

    @guarded
    def _collect(self, conversation: Conversation, chunks: Iterable[Chunk]) -> None:
        for chunk in chunks:
            conversation.add(chunk)
