"""The pipeline as a picture: its stations with their rates, its queues with their fill, the streams where they wait."""

from collections.abc import Mapping, Sequence

from rich.text import Text

from app.live_view.frame import Frame, Rates
from app.live_view.ledger_bar import COLOURS as LEDGER_COLOURS
from telemetry import QueueView, StreamView
from telemetry.names import QUEUES

STATIONS = ("upstream", "policies", "policy_out", "formatter", "sse", "client")
_COLOURS = dict(zip(STATIONS, ("cyan", "magenta", "yellow", "blue", "yellow", "green"), strict=True))
_STACKED_NAME, _STACKED_FIGURE = 12, 18


def flow_picture(frame: Frame, rates: Rates, turn: int, width: int) -> list[Text]:
    """Three lines, left to right: stations with their rates, queues with their depth, and a dot for each open stream
    at the station that it waits for. While chunks flow, a bright spot moves along each arrow, by `turn`."""
    gap = 6 if width >= 100 else 4
    even = (width - 5 * gap) // 6
    narrow = max(9, even - 3)
    moving = rates.chunks > 0
    names, figures, dots = Text(), Text(), Text()
    for position, station in enumerate(STATIONS):
        # A queue's bar is what one looks at: it gets the room that the others can spare.
        cell = even + 2 * (even - narrow) if station in QUEUES else narrow
        names.append(station.ljust(cell), f"bold {_COLOURS[station]}")
        figures.append_text(_figure(frame, rates, station, cell))
        dots.append_text(_waiting(frame, station, cell))
        if position < len(STATIONS) - 1:
            names.append_text(_arrow(gap, (turn - position) if moving else None))
            figures.append(" " * gap)
            dots.append(" " * gap)
    return [names, figures, dots]


def stacked_flow(frame: Frame, rates: Rates, width: int) -> list[Text]:
    """The pipeline for a narrow screen: a line for each station, with what `flow_picture` has of it."""
    rest = max(5, width - _STACKED_NAME - _STACKED_FIGURE - 1)
    return [
        Text.assemble(
            (station.ljust(_STACKED_NAME), f"bold {_COLOURS[station]}"),
            _figure(frame, rates, station, _STACKED_FIGURE),
            " ",
            _waiting(frame, station, rest),
        )
        for station in STATIONS
    ]


def _figure(frame: Frame, rates: Rates, station: str, width: int) -> Text:
    match station:
        case "policy_out" | "sse":
            return _depth(frame.snapshot.queues, station, width)
        case "upstream":
            queued = sum(frame.snapshot.admission.values())
            figure = f"{rates.chunks:.0f} ch/s" if not queued else f"{queued} queued"
        case "policies":
            figure = ", ".join(frame.about.policies) or "none"
        case "formatter":
            figure = f"{rates.requests:.0f} req/s" if rates.requests >= 10 else f"{rates.requests:.1f} req/s"
        case _:
            figure = f"{rates.bytes_out / 1000:.0f} kB/s"
    short = figure if len(figure) <= width else f"{figure[: width - 1]}…"
    return Text(short.ljust(width))


def _depth(queues: Mapping[str, QueueView], name: str, width: int) -> Text:
    """A bar of how full the fullest stream's queue is."""
    queue = queues.get(name)
    if queue is None or not queue.capacity:
        return Text.assemble(("░" * max(1, width - 2), "dim"), " -")
    figure = f" {queue.fullest}/{queue.capacity}"
    room = max(1, width - len(figure))
    share = queue.fullest / queue.capacity
    full = min(room, round(share * room)) or (1 if queue.fullest else 0)
    colour = "red" if share >= 0.8 else "yellow" if share >= 0.5 else "green"
    return Text.assemble(("█" * full, colour), ("░" * (room - full), "dim"), figure)


def _waiting(frame: Frame, station: str, width: int) -> Text:
    """A dot for each stream that waits at a station; those that wait for a deployment with room come before those that
    wait for its answer."""
    count, queued = frame.waiting.get(station, 0), frame.waiting.get("admission", 0)
    if station != "upstream" or not queued:
        return _dots(count, width, _COLOURS[station])
    before = min(queued + 1, width // 2) if count else width
    queue = _dots(queued, before, LEDGER_COLOURS["admission"])
    return Text.assemble(queue, _dots(count, width - before, _COLOURS[station]))


def _dots(streams: int, width: int, colour: str) -> Text:
    room = width - 1
    dots = "●" * streams
    if streams > room:
        count = f" {streams}"
        dots = "●" * max(0, room - len(count)) + count
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


_APIS = {
    "openai_chat": "chat",
    "anthropic_messages": "messages",
    "openai_responses": "respons.",
    "openai_completions": "complet.",
    "openai_embeddings": "embedd.",
}
_FIXED_COLUMNS = 45
"""Columns of a wide row beside the model's name."""
_WIDE_TABLE, _WIDEST_MODEL = 58, 40
_NARROW_MODEL = 14


def stream_table(streams: Sequence[StreamView], in_flight: int, width: int, rows: int) -> list[Text]:
    """The open streams, the oldest first, with what each waits for and what its queues hold. `in_flight` is how many
    there are; those that have no line are counted."""
    wide = width >= _WIDE_TABLE
    model = min(_WIDEST_MODEL, width - _FIXED_COLUMNS) if wide else min(_NARROW_MODEL, max(6, width - 25))
    oldest = sorted(streams, key=lambda stream: -stream.seconds)
    visible = oldest if in_flight < rows else oldest[: max(0, rows - 2)]
    lines = [_table_header(model, wide), *(_table_row(stream, model, wide) for stream in visible)]
    if len(visible) < in_flight:
        lines.append(Text(f"and {in_flight - len(visible)} more", "dim"))
    return lines


def _table_header(model: int, wide: bool) -> Text:
    if wide:
        return Text(f"{'model':<{model}} {'api':<9}{'age':>6}  {'waits for':<10}{'policy_out':<11}{'sse':<5}", "dim")
    return Text(f"{'model':<{model}} {'age':>6} {'waits':<8} {'out':>3} {'sse':>3}", "dim")


def _table_row(stream: StreamView, model: int, wide: bool) -> Text:
    line = Text(stream.model or "-", no_wrap=True)
    line.truncate(model, overflow="ellipsis", pad=True)
    age = f"{stream.seconds:.1f}s" if stream.seconds < 100 else f"{stream.seconds:.0f}s"
    colour = LEDGER_COLOURS.get(stream.waiting_for, "default")
    depths = [stream.queued.get(name) for name in QUEUES]
    if not wide:
        counts = " ".join(f"{'-' if depth is None else depth:>3}" for depth in depths)
        return line.append(f" {age:>6} ").append(f"{stream.waiting_for:<8}", colour).append(f" {counts}")
    line.append(f" {_APIS.get(stream.api, stream.api)[:8]:<9}{age:>6}  ").append(f"{stream.waiting_for:<10}", colour)
    for depth, space in zip(depths, (11, 5), strict=True):
        line.append(_queue_bar(depth, space - 4).ljust(space), "yellow")
    return line


def _queue_bar(depth: int | None, width: int) -> str:
    """A bar with half a cell for each item in a queue."""
    if depth is None:
        return "-"
    cells = min(width, -(-depth // 2))
    return f"{'█' * cells} {depth}" if depth else "0"
