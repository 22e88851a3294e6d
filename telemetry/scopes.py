"""Spans as `with` blocks: a stage of the pipeline, a call of a policy's hook.

They end once, however the block is left, and swallow nothing. They are never the "current" span of a task: a block may
be left in another task than it was entered in.
"""

import asyncio
from types import TracebackType

from prometheus_client import Histogram

from telemetry.ledger import TimeLedger
from telemetry.names import Attribute
from telemetry.spans import RecordedSpan, text_of
from telemetry.timeline import Timeline

_NO_FAULT = (asyncio.CancelledError, GeneratorExit)


class SpanScope:
    def __init__(self, span: RecordedSpan, timeline: Timeline) -> None:
        self.span = span
        self.left = False
        self._timeline = timeline

    def __enter__(self) -> "SpanScope":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None and self.span.recording and not isinstance(error, _NO_FAULT):
            self.failed(error)
        self.end()

    def end(self) -> None:
        """The first call counts."""
        if not self.left:
            self.left = True
            self.span.end(self._timeline.ns())

    def failed(self, error: BaseException) -> None:
        """What leaves the block does not have to be told; an error that is dealt with inside it does."""
        # Errors that the gateway knows tell their type; of any other one the way it came is worth its price.
        error_type = getattr(error, "error_type", None)
        known = isinstance(error_type, str)
        self.span.exception(error, self._timeline.ns(), with_stack=not known)
        self.span.set({Attribute.ERROR_TYPE: error_type if known else type(error).__qualname__})
        self.span.fail(text_of(error))


class HookScope(SpanScope):
    """Also the ledger's `policy` part and the hook's histogram."""

    def __init__(self, span: RecordedSpan, timeline: Timeline, ledger: TimeLedger, seconds: Histogram) -> None:
        super().__init__(span, timeline)
        self._ledger = ledger
        self._seconds = seconds

    def __enter__(self) -> "HookScope":
        self._ledger.enter("policy")
        self._entered_at = self._timeline.now()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ledger.leave("policy")
        self._seconds.observe(self._timeline.now() - self._entered_at, self.span.exemplar)
        super().__exit__(kind, error, traceback)
