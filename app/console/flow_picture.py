"""What Flow draws: a frame and the rates before it in, stations, streams, breakers, outcomes and moments out. Pure."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

from app.live_view.frame import Frame, Rates
from app.live_view.moments import Line, lines_of
from telemetry import QueueView, StreamView
from telemetry.names import OUTCOMES, Outcome, Where

_STREAMS, _BREAKERS, _MOMENTS, _DEPLOYMENTS = 8, 6, 14, 3
"""How many of each have a line; the others are counted."""
_WINDOW = 60.0
_FIRST_SECONDS = 5.0
_STATES = ("open", "half_open", "closed")
_ALARMING, _NOTICEABLE = 0.8, 0.5
"""Shares of a queue's capacity."""


@dataclass(frozen=True)
class Recent:
    """Ends of transactions within the last `seconds`, by outcome."""

    seconds: float
    outcomes: Mapping[Outcome, int]


class RecentOutcomes:
    """How transactions ended within the last minute, or since somebody began to look."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, Mapping[Outcome, int]]] = deque()

    def add(self, frame: Frame) -> Recent:
        seen, now = self._seen, frame.snapshot.outcomes
        seen.append((frame.at, now))
        while len(seen) > 1 and frame.at - seen[0][0] > _WINDOW:
            seen.popleft()
        began, before = seen[0]
        return Recent(frame.at - began, {outcome: now[outcome] - before.get(outcome, 0) for outcome in now})


@dataclass(frozen=True)
class Station:
    """A part of the pipeline: what it does, and how many streams wait for it. A queue has its fill, from 0 to 1."""

    name: str
    where: Where
    figure: str
    unit: str
    detail: str
    waiting: int
    fill: float | None = None

    @property
    def dots(self) -> int:
        return min(self.waiting, 12)

    @property
    def tone(self) -> str:
        if self.fill is None or self.fill < _NOTICEABLE:
            return ""
        return "bad" if self.fill >= _ALARMING else "warning"


@dataclass(frozen=True)
class BreakerView:
    name: str
    state: str


@dataclass(frozen=True)
class OutcomeCount:
    outcome: Outcome
    total: int
    recent: int


@dataclass(frozen=True)
class MomentView:
    """A line, with an id by which a later picture has it again."""

    id: str
    line: Line


@dataclass(frozen=True)
class FlowPicture:
    stations: tuple[Station, ...]
    requests: int
    """Since the start."""
    per_second: float
    in_flight: int
    elapsed: float
    """Seconds since the gateway's start."""
    generation: int
    """Counts the gateway's configurations since then."""
    streams: tuple[StreamView, ...]
    """The oldest first."""
    breakers: tuple[BreakerView, ...]
    more_breakers: int
    outcomes: tuple[OutcomeCount, ...]
    """Only outcomes that have been; `in_all` is their sum."""
    in_all: int
    recent_in_all: int
    recent_seconds: float
    shares: Mapping[Where, float]
    """The time ledger of the last seconds."""
    moments: tuple[MomentView, ...]
    """The newest first."""

    @property
    def has_recent(self) -> bool:
        """Whether somebody has looked for long enough to say how requests ended lately."""
        return self.recent_seconds >= _FIRST_SECONDS

    @property
    def more_streams(self) -> int:
        return self.in_flight - len(self.streams)


def picture_of(frame: Frame, rates: Rates, recent: Recent) -> FlowPicture:
    snapshot = frame.snapshot
    breakers = [
        BreakerView(name, state)
        for state in _STATES
        for name, held in sorted(snapshot.breakers.items())
        if held == state
    ]
    oldest = sorted(snapshot.streams, key=lambda stream: -stream.seconds)
    happened = sorted(dict.fromkeys((*snapshot.moments, *snapshot.ends)), key=lambda one: one.at)
    return FlowPicture(
        stations=_stations(frame, rates),
        requests=snapshot.opened,
        per_second=rates.requests,
        in_flight=frame.open_streams,
        elapsed=frame.elapsed,
        generation=frame.about.generation,
        streams=tuple(oldest[:_STREAMS]),
        breakers=tuple(breakers[:_BREAKERS]),
        more_breakers=max(0, len(breakers) - _BREAKERS),
        outcomes=tuple(
            OutcomeCount(outcome, total, recent.outcomes.get(outcome, 0))
            for outcome in OUTCOMES
            if (total := snapshot.outcomes.get(outcome, 0))
        ),
        in_all=sum(snapshot.outcomes.values()),
        recent_in_all=sum(recent.outcomes.values()),
        recent_seconds=recent.seconds,
        shares=rates.shares,
        moments=_moments(lines_of(happened)[-_MOMENTS:]),
    )


def _moments(lines: Sequence[Line]) -> tuple[MomentView, ...]:
    """The newest first."""
    views: dict[str, MomentView] = {}
    for line in reversed(lines):
        # What happens again is the same line, further up.
        id = f"{crc32(line.text.encode(errors='replace')):08x}"
        while id in views:
            id += "-"
        views[id] = MomentView(id, line)
    return tuple(views.values())


def _stations(frame: Frame, rates: Rates) -> tuple[Station, ...]:
    snapshot, waiting = frame.snapshot, frame.waiting
    admission = (_admission(snapshot.admission, waiting),) if snapshot.admission else ()
    tripped = Counter(state for state in snapshot.breakers.values() if state != "closed")
    named = ", ".join(f"{count} {state.replace('_', '-')}" for state, count in sorted(tripped.items(), reverse=True))
    provider = f"breakers: {named or 'all closed'}"
    policies = frame.about.policies
    return (
        *admission,
        Station("provider", "upstream", _rate(rates.chunks), "chunks/s", provider, waiting.get("upstream", 0)),
        Station(
            "policies",
            "policy",
            f"{len(policies)}",
            "policy" if len(policies) == 1 else "policies",
            ", ".join(policies) or "answers pass as they are",
            waiting.get("policies", 0),
        ),
        _queue("policy_out", snapshot.queues, waiting),
        Station("formatter", "format", _rate(rates.requests), "requests/s", "", waiting.get("formatter", 0)),
        _queue("sse", snapshot.queues, waiting),
        Station("client", "client", _rate(rates.bytes_out / 1000), "kB/s", "", waiting.get("client", 0)),
    )


def _admission(deployments: Mapping[str, int], waiting: Mapping[str, int]) -> Station:
    """Before the providers: requests that wait for deployments with as much to do as they may."""
    queued = sorted(((count, name) for name, count in deployments.items() if count), reverse=True)
    named = ", ".join(f"{name}: {count:,}" for count, name in queued[:_DEPLOYMENTS])
    more = f" and {len(queued) - _DEPLOYMENTS} more" if len(queued) > _DEPLOYMENTS else ""
    total = sum(deployments.values())
    unit = "request queued" if total == 1 else "requests queued"
    detail = named + more or "deployments have room"
    return Station("admission", "admission", f"{total:,}", unit, detail, waiting.get("admission", 0))


def _queue(name: str, queues: Mapping[str, QueueView], waiting: Mapping[str, int]) -> Station:
    queue = queues.get(name, QueueView(0, 0, 0, 0))
    fill = queue.fullest / queue.capacity if queue.capacity else 0.0
    of_all = f"{queue.depth:,} items, {queue.bytes / 1024:,.0f} KiB in all" if queue.depth else "empty"
    unit = f"of {queue.capacity:,} in the fullest" if queue.capacity else "items"
    return Station(name, "queue", f"{queue.fullest:,}", unit, of_all, waiting.get(name, 0), fill)


def _rate(per_second: float) -> str:
    if not per_second:
        return "0"
    return f"{per_second:,.0f}" if per_second >= 10 else f"{per_second:.1f}"
