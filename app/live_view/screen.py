"""The live view as lines: a frame and the terminal's size in, exactly so many lines out. Pure.

A larger screen shows more streams, more moments and longer bars. One narrower than 76 columns has below each other what
stands side by side elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from app.live_view.flow import flow_picture, stacked_flow, stream_table
from app.live_view.frame import Frame, Rates
from app.live_view.inert import inert
from app.live_view.ledger_bar import ledger_bar, legend
from app.live_view.moments import Line, Tone, lines_of
from telemetry.names import OUTCOMES

_MARKS: dict[Tone, tuple[str, str]] = {
    "good": ("●", "green"),
    "warning": ("▲", "yellow"),
    "bad": ("✗", "red"),
    "plain": ("·", "default"),
}
_STATES = (("open", "red"), ("half_open", "yellow"), ("closed", "green"))
_SIDE_BY_SIDE = 76
_WIDE = 110
_ROWS, _LOG_ROWS = 10, 4
"""What streams and moments have, where there is room for it; what is left over goes to the moments."""
_QUIET = 1.0
"""Requests a second up to which good ends are among the moments: more of them would hide the others."""


@dataclass(frozen=True)
class Picture:
    """A frame with what a screen shows around it."""

    frame: Frame
    rates: Rates
    title: str
    """The command that shows it."""
    address: str
    """Where the gateway, its console or its metrics are."""
    turn: int
    """Counts the pictures, for what moves in them."""
    hints: tuple[str, ...] = ()
    """Lines below everything else, for a reader who wants to go on."""
    notice: str = ""
    """What has to be known of the frame: that it is an old one, or the first after another start."""


def draw(picture: Picture, width: int, height: int) -> Text:
    lines = (_side_by_side if width >= _SIDE_BY_SIDE else _stacked)(picture, width, height)
    for line in lines:
        line.plain = inert(line.plain)
        line.truncate(width, overflow="ellipsis")
    return Text("\n", no_wrap=True, end="").join(lines[:height])


def heading(title: str, width: int) -> Text:
    return Text.assemble(("── ", "dim"), (title, "bold"), (f" {'─' * max(0, width - len(title) - 4)}", "dim"))


def _side_by_side(picture: Picture, width: int, height: int) -> list[Text]:
    frame, rates = picture.frame, picture.rates
    above = [_header(picture, width), heading("flow", width), *flow_picture(frame, rates, picture.turn, width)]
    ledger = [heading("where the time goes, last 5 s", width), *_ledger(picture, width, 1)]
    hints = [Text(hint, "cyan") for hint in picture.hints]
    # The two are the headings of streams and moments.
    free = max(2, height - len(above) - len(ledger) - len(hints) - 2)
    rows = max(1, min(free - _LOG_ROWS, max(_ROWS, len(frame.snapshot.breakers) + 1)))
    moments = [heading("moments", width), *_moments(picture, free - rows)]
    return [*above, *_middle(frame, width, rows), *ledger, *moments, *hints]


def _stacked(picture: Picture, width: int, height: int) -> list[Text]:
    frame = picture.frame
    flow = stacked_flow(frame, picture.rates, width)
    above = [_header(picture, width), *flow, _breaker_line(frame), _outcome_line(frame, width)]
    ledger = _ledger(picture, width, 2)
    free = max(2, height - len(above) - len(ledger) - 2)
    rows = min(max(3, free // 2), frame.open_streams + 1)
    streams = [
        heading(f"streams in flight: {frame.open_streams}", width),
        *stream_table(frame.snapshot.streams, frame.open_streams, width, rows),
    ]
    moments = [heading("moments", width), *_moments(picture, max(0, free - rows))]
    return [*above, *ledger, *streams, *moments]


def _header(picture: Picture, width: int) -> Text:
    name = Text(f" {picture.title} ", "bold reverse")
    if picture.notice:
        return name.append(f"  {picture.notice}", "not bold not reverse bold yellow")
    name.append(f"  up {clock(picture.frame.elapsed)}  {picture.address}", "not bold not reverse")
    if (generation := picture.frame.about.generation) > 1:
        name.append(f"  configuration {generation}", "not bold not reverse")
    right = "q or Ctrl-C ends "
    if len(name) + len(right) + 2 > width:
        right = "q ends "
    if len(name) + len(right) + 2 > width:
        return name
    return name.append(right.rjust(width - len(name)), "not bold not reverse dim")


def clock(seconds: float) -> str:
    """A duration as minutes and seconds, with hours and days where there are any."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours:02d}:{minutes:02d}:{rest:02d}"
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _middle(frame: Frame, width: int, rows: int) -> list[Text]:
    left, right = (28, 26) if width >= _WIDE else (18, 20)
    main = width - left - right - 4
    table = stream_table(frame.snapshot.streams, frame.open_streams, main, rows)
    blocks = (
        (main, [heading(f"streams in flight: {frame.open_streams}", main), *table]),
        (left, [heading("breakers", left), *_breakers(frame, left, rows)]),
        (right, [heading("outcomes", right), *_outcomes(frame, right, rows)]),
    )
    return [Text("  ").join(_cell(block, row, size) for size, block in blocks) for row in range(rows + 1)]


def _cell(block: Sequence[Text], row: int, width: int) -> Text:
    line = block[row].copy() if row < len(block) else Text()
    line.truncate(width, overflow="ellipsis", pad=True)
    return line


def _ordered_breakers(frame: Frame) -> list[tuple[str, str, str]]:
    """Name, state and colour of each breaker, open ones first."""
    states = frame.snapshot.breakers
    return [(name, state, colour) for state, colour in _STATES for name in sorted(states) if states[name] == state]


def _breakers(frame: Frame, width: int, rows: int) -> list[Text]:
    """One line for each breaker, open ones first; those that do not fit are counted."""
    named = _ordered_breakers(frame)
    visible = named if len(named) <= rows else named[: rows - 1]
    lines = []
    for name, state, colour in visible:
        word = "" if state == "closed" else state.replace("_", "-")
        short = name if len(name) + len(word) + 3 <= width else name[: width - len(word) - 4] + "…"
        lines.append(Text.assemble(("● ", colour), short, " " * (width - len(short) - len(word) - 2), (word, colour)))
    if len(visible) < len(named):
        lines.append(Text(f"  and {len(named) - len(visible)} more", "dim"))
    return lines


def _breaker_line(frame: Frame) -> Text:
    named = _ordered_breakers(frame)
    line = Text.assemble(("breakers  ", "bold"))
    for name, state, colour in named:
        if state != "closed":
            line.append(f"{name} ").append(f"{state.replace('_', '-')}  ", colour)
    closed = sum(state == "closed" for _, state, _ in named)
    return line.append(f"{closed} closed" if closed < len(named) else f"all {closed} closed", "green")


def _counted_outcomes(frame: Frame, room: int) -> list[tuple[str, int]]:
    """The outcomes that there were, as many as there is room for: the most frequent ones, and the rest as `others`. So
    they add up whatever the room is."""
    counts = frame.snapshot.outcomes
    found = [(str(outcome), counts[outcome]) for outcome in OUTCOMES if counts.get(outcome)]
    if len(found) <= room:
        return found
    most = sorted(found, key=lambda one: -one[1])[: max(0, room - 1)]
    kept = [one for one in found if one in most]
    return [*kept, ("others", sum(count for _, count in found) - sum(count for _, count in kept))]


def _outcomes(frame: Frame, width: int, rows: int) -> list[Text]:
    lines = [_count(outcome, count, width) for outcome, count in _counted_outcomes(frame, rows - 1)]
    return [*lines, _count("in all", sum(frame.snapshot.outcomes.values()), width, "bold")]


def _count(name: str, count: int, width: int, style: str = "") -> Text:
    colour = style or ("green" if name == "ok" else "default")
    return Text.assemble((name, colour), (str(count).rjust(max(0, width - len(name))), colour))


def _outcome_line(frame: Frame, width: int) -> Text:
    total = sum(frame.snapshot.outcomes.values())
    for room in range(len(OUTCOMES), 0, -1):
        found = "  ".join(f"{outcome} {count}" for outcome, count in _counted_outcomes(frame, room))
        line = Text.assemble(("outcomes  ", "bold"), f"{found}  " if found else "", f"in all {total}")
        if len(line) <= width:
            return line
    return line


def _ledger(picture: Picture, width: int, legend_lines: int) -> list[Text]:
    shares = picture.rates.shares
    bar = ledger_bar(shares, width) if any(shares.values()) else Text("nothing yet", "dim")
    return [bar, *legend(shares, width)[:legend_lines]]


def recent(picture: Picture) -> list[Line]:
    """The moments that are shown, the newest last: good ends are among them where they are few."""
    snapshot = picture.frame.snapshot
    if picture.rates.requests > _QUIET:
        return lines_of(snapshot.moments)
    good = [end for end in snapshot.ends if end.outcome == "ok"]
    return lines_of(sorted([*snapshot.moments, *good], key=lambda moment: moment.at))


def _moments(picture: Picture, rows: int) -> list[Text]:
    newest = recent(picture)[-rows:] if rows > 0 else []
    lines = [_moment(line) for line in newest]
    return lines + [Text() for _ in range(rows - len(lines))]


def _moment(line: Line) -> Text:
    mark, colour = _MARKS[line.tone]
    times = f" x{line.times}" if line.times > 1 else ""
    return Text.assemble((f"{line.time_of_day} ", "dim"), (f"{mark} ", colour), line.text, (times, "dim"))


def in_words(picture: Picture) -> str:
    """One line, for logs and pipes."""
    snapshot, rates = picture.frame.snapshot, picture.rates
    queues = " ".join(f"{name} {queue.fullest}/{queue.capacity}" for name, queue in snapshot.queues.items())
    admission = ",".join(f"{name}:{count}" for name, count in sorted(snapshot.admission.items()) if count)
    tripped = ",".join(f"{name}:{state}" for name, state in sorted(snapshot.breakers.items()) if state != "closed")
    outcomes = " ".join(f"{outcome} {count}" for outcome, count in snapshot.outcomes.items() if count)
    return inert(
        f"{picture.frame.elapsed:5.0f}s  {rates.requests:.1f} req/s  {rates.chunks:.0f} chunks/s  "
        f"in flight {picture.frame.open_streams}  fullest {queues}  "
        f"{f'queued for {admission}  ' if admission else ''}breakers {tripped or 'all closed'}  {outcomes}"
    )
