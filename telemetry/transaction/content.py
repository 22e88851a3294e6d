"""Where captured content goes: on the span of the attempt that answered, into a log event, or both.

What the policies let through is known when the transaction ends, so the span of its last attempt is kept back until
then. Scrubbing takes a tenth of a second for a megabyte: that of a large conversation is done by a thread, and its
spans end there; that of a small one is done on the spot. A conversation that would have too much wait for the thread is
lost, and counted; its spans end without it.
"""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from msgspec import Struct

from telemetry.guard import Defects, guarded
from telemetry.metrics.registry import ExportMetrics
from telemetry.names import CaptureMode
from telemetry.names.events import Event
from telemetry.names.spans import Attribute, Value
from telemetry.recording.content import Conversation
from telemetry.recording.content_attributes import Rendered, rendered
from telemetry.redact import Scrubber
from telemetry.traces.spans import RecordedSpan
from telemetry.transaction.boundary import BoundaryEvents

_AT_ONCE = 16 * 1024
"""Characters that are scrubbed on the spot: less than a millisecond."""
_WAITING_LIMIT = 64 * 1024**2
"""Characters of conversations that may wait for the thread."""
_OF_CONVENTIONS = "gen_ai."


class SpanEnd(Struct, frozen=True, eq=False):
    """A span that has ended and is not handed on yet; `at_ns` in Unix nanoseconds."""

    span: RecordedSpan
    at_ns: int

    def end(self) -> None:
        self.span.end(self.at_ns)


class SpanEnds(Struct, eq=False):
    """How the spans of a transaction's attempts end. With `keeps_last` the last one is kept for the end of the
    transaction, as what it answered is known only when it has passed the policies."""

    keeps_last: bool = False
    last: SpanEnd | None = None
    """The span of the last attempt, where it is kept; whoever ends the transaction has to end it."""

    def keep(self, span: RecordedSpan, at_ns: int) -> None:
        """Keep a span and end the one before it."""
        if self.last is not None:
            self.last.end()
        self.last = SpanEnd(span, at_ns)


class ContentRecorder:
    """Records the conversations of a process. Attributes have `limit` bytes at most; `has_spans` is whether spans go
    anywhere; with `openinference` spans have the last question and its answer under the names of that convention,
    too."""

    def __init__(
        self,
        mode: CaptureMode,
        limit: int,
        *,
        has_spans: bool,
        openinference: bool,
        scrub: Scrubber,
        boundary: BoundaryEvents,
        metrics: ExportMetrics,
        defects: Defects,
    ) -> None:
        self.limit = limit
        self.defects = defects
        self.is_on = mode != "none"
        """Whether anything is recorded, of whatever transactions."""
        self._on_span = mode in ("span", "both") and has_spans
        self._as_event = mode in ("event", "both")
        self._openinference = openinference
        self._scrub = scrub
        self._boundary = boundary
        self._metrics = metrics
        self._thread = ThreadPoolExecutor(1, "flowspan-content")
        self._waiting: list[tuple[Future[None], int]] = []

    def is_wanted(self, sampled: bool) -> bool:
        """Whether the content of a transaction goes anywhere; `sampled` is whether its spans are recorded."""
        return self._as_event or (self._on_span and sampled)

    def record(self, conversation: Conversation, spans: Sequence[SpanEnd]) -> None:
        """Record a conversation and end `spans` with it: that of the last attempt, if there was one, and the
        transaction's. The first of them bears the content."""
        if conversation.size <= _AT_ONCE:
            self._write(conversation, spans)
            return
        self._waiting = [(job, size) for job, size in self._waiting if not job.done()]
        if sum(size for _, size in self._waiting) + conversation.size > _WAITING_LIMIT:
            self._metrics.dropped("content", "queue_full")
            _end(spans)
            return
        self._waiting.append((self._thread.submit(self._write, conversation, spans), conversation.size))

    def close(self, timeout: float) -> None:
        """Record what waits, for `timeout` seconds at most; what is left then is lost."""
        _, late = wait([job for job, _ in self._waiting], timeout)
        self._thread.shutdown(wait=False, cancel_futures=True)
        if late:
            self._metrics.dropped("content", "shutdown", len(late))

    def _write(self, conversation: Conversation, spans: Sequence[SpanEnd]) -> None:
        try:
            self._render(conversation, spans)
        finally:
            _end(spans)

    @guarded
    def _render(self, conversation: Conversation, spans: Sequence[SpanEnd]) -> None:
        found = rendered(conversation, self._scrub)
        if found.is_cut:
            self._metrics.dropped("content", "limit")
        bearer = spans[0].span
        if self._as_event:
            about = {name: value for name, value in bearer.attributes.items() if name.startswith(_OF_CONVENTIONS)}
            known = {name: value for name, value in about.items() if value is not None}
            self._boundary.content(bearer.context, Event.CONTENT, spans[-1].at_ns, {**known, **found.attributes})
        if self._on_span:
            bearer.set(found.attributes)
            if self._openinference:
                for one in spans:
                    one.span.set(_for_lists(found))


def _for_lists(found: Rendered) -> dict[str, Value | None]:
    if not found.answered:
        return {Attribute.INPUT_VALUE: found.asked or None}
    form = "application/json" if found.answered_in_json else "text/plain"
    return {
        Attribute.INPUT_VALUE: found.asked or None,
        Attribute.OUTPUT_VALUE: found.answered,
        Attribute.OUTPUT_TYPE: form,
    }


def _end(spans: Sequence[SpanEnd]) -> None:
    for one in spans:
        one.end()
