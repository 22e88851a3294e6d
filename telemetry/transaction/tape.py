"""What one transaction leaves behind where transactions are recorded: bytes, spans and events, kept as they pass.

A tape only takes references, with the time of each: what is made of them is made when the transaction has ended, by
another thread. Its lists may be read by other threads at any time. What it holds is bounded, by itself and together
with the other tapes of the process: what comes beyond that is counted and left out, so of each body a beginning is
kept.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

from telemetry.names.spans import Value
from telemetry.recording.queue_stats import QueueStats
from telemetry.recording.timeline import Timeline
from telemetry.tokens import Tokens
from telemetry.traces.spans import RecordedSpan

_BLOCK = 64 * 1024
"""Bytes that a tape takes of what all tapes share at once, at least."""
_PIECE = 128
"""Bytes of memory that a piece takes beside its data."""
_ENTRIES = 1_000
"""Events, spans and decisions of policies that a tape keeps of each."""

RawHeaders = Sequence[tuple[bytes, bytes]]


class TapeRoom:
    """The bytes that all tapes of a process may hold together."""

    def __init__(self, limit: int) -> None:
        self.left = limit
        """What no tape has taken; less than nothing where more was taken than the limit is now."""
        self._limit = limit

    def resize(self, limit: int) -> None:
        """Hold so many bytes from now on; tapes keep what they have."""
        self.left += limit - self._limit
        self._limit = limit


class TapeBudget:
    """The bytes that one tape may hold, taken from a room block by block."""

    __slots__ = ("_limit", "_room", "_taken", "left")

    def __init__(self, limit: int, room: TapeRoom) -> None:
        self.left = 0
        """Bytes that were taken from the room and are not used."""
        self._limit = limit
        self._room = room
        self._taken = 0

    @property
    def used(self) -> int:
        return self._taken - self.left

    def granted(self, size: int) -> int:
        """How many of `size` bytes may be kept; they count as used."""
        if (missing := size - self.left) > 0:
            block = min(max(missing, _BLOCK), self._limit - self._taken, self._room.left)
            if block > 0:
                self._taken += block
                self._room.left -= block
                self.left += block
        granted = max(0, min(size, self.left))
        self.left -= granted
        return granted

    def beginning(self, body: bytes) -> bytes:
        """What there is room for of a request's body: at most half of it, so that some is left for the answer."""
        size, unused = len(body), self._limit - self._taken + self.left
        if size <= self.left and size <= unused // 2:
            self.left -= size
            return body
        granted = self.granted(min(size, unused // 2))
        return body if granted == len(body) else body[:granted]

    def release(self) -> None:
        """Give everything back to the room."""
        self._room.left += self._taken
        self._taken = self.left = self._limit = 0


class TapedBytes:
    """The pieces of one body, each with the clock's time."""

    __slots__ = ("_budget", "_is_cut", "_now", "pieces", "size")

    def __init__(self, now: Callable[[], float], budget: TapeBudget) -> None:
        self.pieces: list[tuple[float, bytes]] = []
        self.size = 0
        """Bytes, those that were left out included."""
        self._now = now
        self._budget = budget
        self._is_cut = False

    def add(self, data: bytes) -> None:
        size = len(data)
        self.size += size
        budget = self._budget
        if size + _PIECE <= budget.left and not self._is_cut:
            budget.left -= size + _PIECE
            self.pieces.append((self._now(), data))
        elif size and not self._is_cut:
            self._add_part(data)

    def _add_part(self, data: bytes) -> None:
        granted = self._budget.granted(len(data) + _PIECE) - _PIECE
        if granted > 0:
            self.pieces.append((self._now(), data[:granted]))
        self._is_cut = granted < len(data)


class TapedDecision(NamedTuple):
    """What a policy decided, or in which way it failed; `at` is the clock's time."""

    at: float
    policy: str
    hook: str
    decision: str
    detail: str | None = None


class AttemptTape:
    """One attempt at a provider. Fields that nothing was learnt of stay as they are at first."""

    __slots__ = (
        "_budget",
        "_now",
        "answer",
        "api",
        "began",
        "chunks",
        "chunks_size",
        "cost_usd",
        "deployment",
        "detail",
        "ended",
        "error_type",
        "method",
        "model",
        "provider",
        "request",
        "request_headers",
        "request_id",
        "request_size",
        "response_headers",
        "status",
        "stream",
        "tokens",
        "url",
        "why",
    )

    def __init__(
        self, now: Callable[[], float], budget: TapeBudget, names: tuple[str, str, str], why: str, began: float
    ) -> None:
        """`names`: the deployment, its provider and the provider's name of the model."""
        self.deployment, self.provider, self.model = names
        self.why = why
        self.stream = False
        """Whether it asks for a stream."""
        self.began = self.ended = began
        self.method = ""
        self.url = ""
        """The whole address, in which there may be secrets."""
        self.request_headers: Mapping[str, str] = {}
        self.request = b""
        self.request_size = 0
        self.api = ""
        self.status: int | None = None
        self.response_headers: RawHeaders = ()
        self.request_id: str | None = None
        self.error_type = ""
        self.detail: str | None = None
        self.tokens: Tokens | None = None
        self.cost_usd: float | None = None
        self._now = now
        self._budget = budget
        self.answer = TapedBytes(now, budget)
        self.chunks: list[tuple[float, object]] = []
        """What came of a provider whose bytes nobody saw."""
        self.chunks_size = 0
        """About how many bytes they have, those that were left out included."""

    def requested(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> None:
        """A request goes out whose answer's bytes will be seen. One that asks a second time begins anew."""
        self.method, self.url, self.request_headers = method, url, headers
        self.request_size = len(body)
        self.request = self._budget.beginning(body)
        if self.answer.size:
            self.answer = TapedBytes(self._now, self._budget)

    def responded(self, status: int, headers: RawHeaders) -> None:
        self.status, self.response_headers = status, headers

    def reading(self, read: Callable[[], Awaitable[bytes]]) -> Callable[[], Awaitable[bytes]]:
        """A function that reads as `read` does, and keeps what came."""
        add = self.answer.add

        async def read_and_keep() -> bytes:
            data = await read()
            add(data)
            return data

        return read_and_keep

    def end(
        self, ended: float, error_type: str, detail: str | None, tokens: Tokens | None, cost_usd: float | None
    ) -> None:
        self.ended, self.error_type, self.detail = ended, error_type, detail
        self.tokens, self.cost_usd = tokens, cost_usd

    def chunk(self, chunk: object, size: int) -> None:
        """Keep a chunk, or a whole response, of a provider whose bytes nobody saw; `size` is about its bytes."""
        self.chunks_size += size
        if self._budget.granted(size) == size:
            self.chunks.append((self._now(), chunk))


class Tape:
    """One transaction, from its head to its last byte."""

    __slots__ = (
        "answer",
        "attempts",
        "budget",
        "changed_by",
        "decisions",
        "is_changed",
        "is_permitted",
        "left_out",
        "method",
        "moments",
        "now",
        "opened_at",
        "path",
        "permitted",
        "queues",
        "request",
        "request_headers",
        "request_size",
        "response_headers",
        "spans",
        "started_ns",
        "status",
    )

    def __init__(self, timeline: Timeline, limit: int, room: TapeRoom) -> None:
        self.opened_at = timeline.opened_at
        """The clock's time."""
        self.started_ns = timeline.started_ns
        self.now = timeline.now
        self.budget = TapeBudget(limit, room)
        self.method = ""
        self.path = ""
        self.request_headers: RawHeaders = ()
        self.request = b""
        """The body as it came, decompressed."""
        self.request_size = 0
        self.status = 0
        self.response_headers: RawHeaders = ()
        self.answer = TapedBytes(self.now, self.budget)
        self.attempts: list[AttemptTape] = []
        self.moments: list[tuple[float, str, Mapping[str, Value]]] = []
        self.spans: list[RecordedSpan] = []
        """The transaction's first, then those below it."""
        self.queues: list[QueueStats] = []
        self.decisions: list[TapedDecision] = []
        self.left_out = 0
        """Events, spans and decisions that there was no room for."""
        self.is_permitted = False
        """Whether all policies have let the request pass."""
        self.permitted: object | None = None
        """The request as the policies left it, where one of them changed it."""
        self.is_changed = False
        """Whether the policies changed the request."""
        self.changed_by: list[str] = []
        """The policies that did."""

    def head(self, method: str, path: str, headers: RawHeaders) -> None:
        """The head of the request has come; `path` is without a query."""
        self.method, self.path, self.request_headers = method, path, headers

    def body(self, data: bytes) -> None:
        """The body of the request has come."""
        self.request_size = len(data)
        self.request = self.budget.beginning(data)

    def responded(self, status: int, headers: RawHeaders) -> None:
        """The head of the response goes out."""
        self.status, self.response_headers = status, headers

    def attempt(self, names: tuple[str, str, str], why: str, began: float) -> AttemptTape:
        found = AttemptTape(self.now, self.budget, names, why, began)
        self.attempts.append(found)
        return found

    def permit(self, request: object, changed_by: Sequence[str]) -> None:
        """All policies have let the request pass, as `request`; `changed_by` are those that changed it."""
        self.is_permitted = True
        self.permitted = request if changed_by else None
        self.is_changed = bool(changed_by)
        self.changed_by = list(changed_by)

    def event(self, name: str, attributes: Mapping[str, Value]) -> None:
        if len(self.moments) < _ENTRIES:
            self.moments.append((self.now(), name, attributes))
        else:
            self.left_out += 1

    def span(self, span: RecordedSpan) -> None:
        if len(self.spans) < _ENTRIES:
            self.spans.append(span)
        else:
            self.left_out += 1

    def decided(self, policy: str, hook: str, decision: str, detail: str | None = None) -> None:
        if len(self.decisions) < _ENTRIES:
            self.decisions.append(TapedDecision(self.now(), policy, hook, decision, detail))
        else:
            self.left_out += 1
