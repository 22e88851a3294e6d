"""The live view as lines: a frame and the terminal's size in, exactly so many lines out. Pure.

From 80 x 24 upwards: a larger screen shows more streams, more of the log and longer bars.
"""

from collections import Counter
from collections.abc import Sequence

from rich.text import Text

from app.demo.gateway.log_tail import Moment, Tone
from app.demo.view.frame import Frame
from app.demo.view.ledger_bar import COLOURS as LEDGER_COLOURS
from app.demo.view.ledger_bar import ledger_bar, legend
from telemetry import QueueView, Snapshot, StreamView
from telemetry.names import OUTCOMES, QUEUES

_TONES: dict[Tone, str] = {"good": "green", "warning": "yellow", "bad": "red", "plain": "default"}
_STATES = (("open", "red"), ("half_open", "yellow"), ("closed", "green"))
_FIXED = 12
"""Lines that every screen has: headings, flow, ledger, hints."""
_WIDE = 110
_ROWS, _LOG_ROWS = 10, 4
"""What streams and moments have, where there is room for it; what is left over goes to the moments."""


def draw(frame: Frame, width: int, height: int) -> Text:
    free = max(2, height - _FIXED)
    rows = max(1, min(free - _LOG_ROWS, max(_ROWS, len(frame.snapshot.breakers) + 1)))
    lines = [
        _header(frame, width),
        heading("flow", width),
        *flow_picture(frame, width),
        *_middle(frame, width, rows),
        heading("where the time goes, last 5 s", width),
        *_ledger(frame, width),
        heading("moments", width),
        *_moments(frame, free - rows),
        *_hints(frame, width),
    ]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return Text("\n", no_wrap=True, end="").join(lines[:height])


def heading(title: str, width: int) -> Text:
    return Text.assemble(("── ", "dim"), (title, "bold"), (f" {'─' * max(0, width - len(title) - 4)}", "dim"))


def _header(frame: Frame, width: int) -> Text:
    minutes, seconds = divmod(int(frame.elapsed), 60)
    left = Text.assemble((" flowspan demo ", "bold reverse"), f"  {minutes}:{seconds:02d}  {frame.metrics_url}")
    right = "q or Ctrl-C ends "
    return left.append(right.rjust(max(len(right) + 2, width - len(left))), "dim")


def _middle(frame: Frame, width: int, rows: int) -> list[Text]:
    left, right = (28, 26) if width >= _WIDE else (18, 20)
    main = width - left - right - 4
    in_flight = sum(frame.snapshot.in_flight.values())
    blocks = (
        (main, [heading(f"streams in flight: {in_flight}", main), *stream_table(frame.snapshot.streams, main, rows)]),
        (left, [heading("breakers", left), *_breakers(frame, left, rows)]),
        (right, [heading("outcomes", right), *_outcomes(frame, right, rows)]),
    )
    return [Text("  ").join(_cell(block, row, size) for size, block in blocks) for row in range(rows + 1)]


def _cell(block: Sequence[Text], row: int, width: int) -> Text:
    line = block[row].copy() if row < len(block) else Text()
    line.truncate(width, overflow="ellipsis", pad=True)
    return line


def _breakers(frame: Frame, width: int, rows: int) -> list[Text]:
    """One line for each breaker, open ones first; those that do not fit are counted."""
    states = frame.snapshot.breakers
    named = [(name, state, colour) for state, colour in _STATES for name in sorted(states) if states[name] == state]
    visible = named if len(named) <= rows else named[: rows - 1]
    lines = []
    for name, state, colour in visible:
        word = "" if state == "closed" else state.replace("_", "-")
        short = name if len(name) + len(word) + 3 <= width else name[: width - len(word) - 4] + "…"
        lines.append(Text.assemble(("● ", colour), short, " " * (width - len(short) - len(word) - 2), (word, colour)))
    if len(visible) < len(named):
        lines.append(Text(f"  and {len(named) - len(visible)} more", "dim"))
    return lines


def _outcomes(frame: Frame, width: int, rows: int) -> list[Text]:
    counts = frame.snapshot.outcomes
    lines = [_count(outcome, counts[outcome], width) for outcome in OUTCOMES if counts[outcome]]
    return [*lines[: rows - 1], _count("in all", sum(counts.values()), width, "bold")]


def _count(name: str, count: int, width: int, style: str = "") -> Text:
    colour = style or ("green" if name == "ok" else "default")
    return Text.assemble((name, colour), (str(count).rjust(max(0, width - len(name))), colour))


def _ledger(frame: Frame, width: int) -> list[Text]:
    shares = frame.rates.shares
    return [ledger_bar(shares, width) if any(shares.values()) else Text("nothing yet", "dim"), legend(shares, width)[0]]


def _moments(frame: Frame, rows: int) -> list[Text]:
    newest = frame.moments[-rows:]
    lines = [
        Text.assemble((f"{one.at} ", "dim"), ("● ", _TONES[one.tone]), one.text, (_times(one), "dim")) for one in newest
    ]
    return lines + [Text() for _ in range(rows - len(lines))]


def _times(moment: Moment) -> str:
    return f" x{moment.times}" if moment.times > 1 else ""


def _hints(frame: Frame, width: int) -> list[Text]:
    command = f"curl -N {frame.url}/v1/chat/completions"
    body = """-d '{"model":"chat","stream":true,"messages":[{"role":"user","content":"hi"}]}'"""
    if len(command) + len(body) + 1 <= width:
        return [Text(), Text(f"{command} {body}", "cyan")]
    return [Text(f"{command} \\", "cyan"), Text(body, "cyan")]


_STATIONS = ("upstream", "policies", "policy_out", "formatter", "sse", "client")
_STATION_OF = {"upstream": "upstream", "policy": "policies", "format": "formatter", "client": "client"}
_STATION_COLOURS = dict(zip(_STATIONS, ("cyan", "magenta", "yellow", "blue", "yellow", "green"), strict=True))


def flow_picture(frame: Frame, width: int) -> list[Text]:
    """Three lines, left to right: stations with their rates, queues with their depth, and a dot for each open stream
    at the station that it waits for."""
    gap = 6 if width >= 100 else 4
    even = (width - 5 * gap) // 6
    narrow = max(9, even - 3)
    waiting = _waiting(frame.snapshot)
    moving = frame.rates.chunks > 0
    names, figures, dots = Text(), Text(), Text()
    for position, station in enumerate(_STATIONS):
        # A queue's bar is what one looks at: it gets the room that the others can spare.
        cell = even + 2 * (even - narrow) if station in QUEUES else narrow
        names.append(station.ljust(cell), f"bold {_STATION_COLOURS[station]}")
        figures.append_text(_figure(frame, station, cell))
        dots.append_text(_dots(waiting[station], cell, _STATION_COLOURS[station]))
        if position < len(_STATIONS) - 1:
            names.append_text(_arrow(gap, (frame.turn - position) if moving else None))
            figures.append(" " * gap)
            dots.append(" " * gap)
    return [names, figures, dots]


def _waiting(snapshot: Snapshot) -> Counter[str]:
    """How many open streams wait at each station; one that waits in a queue counts where its items are."""
    waiting: Counter[str] = Counter()
    for stream in snapshot.streams:
        in_queue = "sse" if stream.queued.get("sse") else "policy_out"
        waiting[_STATION_OF.get(stream.waiting_for, in_queue)] += 1
    return waiting


def _figure(frame: Frame, station: str, width: int) -> Text:
    rates = frame.rates
    match station:
        case "policy_out" | "sse":
            return _depth(frame.snapshot.queues[station], width)
        case "upstream":
            figure = f"{rates.chunks:.0f} ch/s"
        case "policies":
            figure = frame.policies
        case "formatter":
            figure = f"{rates.requests:.0f} req/s"
        case _:
            figure = f"{rates.received / 1000:.0f} kB/s"
    return Text(figure[:width].ljust(width))


def _depth(queue: QueueView, width: int) -> Text:
    """A bar of how full the fullest stream's queue is."""
    figure = f" {queue.fullest}/{queue.capacity}" if queue.capacity else " -"
    room = max(1, width - len(figure))
    share = queue.fullest / queue.capacity if queue.capacity else 0.0
    full = min(room, round(share * room)) or (1 if queue.fullest else 0)
    colour = "red" if share >= 0.8 else "yellow" if share >= 0.5 else "green"
    return Text.assemble(("█" * full, colour), ("░" * (room - full), "dim"), figure)


def _dots(streams: int, width: int, colour: str) -> Text:
    room = width - 1
    dots = "●" * streams if streams <= room else "●" * (room - 4) + f" {streams}"
    return Text(dots[:room].ljust(width), colour)


def _arrow(width: int, turn: int | None) -> Text:
    """An arrow; while chunks flow, a bright spot moves along it to the right."""
    shaft = width - 2
    arrow = Text("─" * (shaft - 1) + "▶ ", "dim")
    arrow.pad_left(1)
    if turn is not None:
        spot = 1 + turn % shaft
        arrow.stylize("not dim bold", spot, spot + 1)
    return arrow


_APIS = {"openai_chat": "openai", "anthropic_messages": "anthro", "openai_responses": "respns"}
_WIDE_TABLE = 60


def stream_table(streams: Sequence[StreamView], width: int, rows: int) -> list[Text]:
    """The open streams, the oldest first, with what each waits for and what its queues hold."""
    wide = width >= _WIDE_TABLE
    oldest = sorted(streams, key=lambda stream: -stream.seconds)
    visible = oldest if len(oldest) < rows else oldest[: rows - 2]
    lines = [_table_header(wide), *(_table_row(stream, wide) for stream in visible)]
    if len(visible) < len(oldest):
        lines.append(Text(f"and {len(oldest) - len(visible)} more", "dim"))
    return lines


def _table_header(wide: bool) -> Text:
    if wide:
        return Text(f"{'model':<9}{'api':<7}{'age':>6}  {'waits for':<10}{'policy_out':<14}{'sse':<12}", "dim")
    return Text(f"{'model':<8} {'api':<6} {'age':>5} {'waits':<8} {'out':>3} {'sse':>3}", "dim")


def _table_row(stream: StreamView, wide: bool) -> Text:
    api, age = _APIS.get(stream.api, stream.api), f"{stream.seconds:.1f}s"
    waits = (stream.waiting_for, LEDGER_COLOURS[stream.waiting_for])
    depths = [stream.queued.get(name) for name in ("policy_out", "sse")]
    if not wide:
        counts = " ".join(f"{'-' if depth is None else depth:>3}" for depth in depths)
        line = Text(f"{stream.model[:8]:<8} {api:<6} {age:>5} ")
        return line.append(f"{waits[0]:<8}", waits[1]).append(f" {counts}")
    line = Text(f"{stream.model[:8]:<9}{api:<7}{age:>6}  ").append(f"{waits[0]:<10}", waits[1])
    for depth, space in zip(depths, (14, 12), strict=True):
        line.append(_queue_bar(depth).ljust(space), "yellow")
    return line


def _queue_bar(depth: int | None) -> str:
    """A bar with half a cell for each item in a queue."""
    if depth is None:
        return "-"
    cells = min(8, -(-depth // 2))
    return f"{'█' * cells} {depth}" if depth else "0"
